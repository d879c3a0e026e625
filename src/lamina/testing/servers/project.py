"""Supabase, by a server of our own on a real PostgreSQL."""

from __future__ import annotations

import http.client
import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from lamina.testing.servers.local import Local
from lamina.testing.servers.postgres import Postgres
from lamina.testing.servers.problems import ServerFailed
from lamina.testing.servers.tokens import signed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.testing.servers.server import Server

_SECRET: Final = "lamina-secret-for-local-development-only"  # noqa: S105  # on loopback
_EXPIRES: Final = 4_102_444_800
"""When the keys expire: 2100, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Project:
    """One project: a database behind the server, with Storage beside it.

    Attributes:
        url: What clients are created with.
        dsn: Its database, for a look from behind.
        jwt_secret: What tokens must be signed with.
    """

    url: str
    dsn: str
    jwt_secret: str = field(repr=False)

    @property
    def service_key(self) -> str:
        """The key that may do everything."""
        return self.key("service_role")

    @property
    def anon_key(self) -> str:
        """The key that may do what is granted to everybody."""
        return self.key("anon")

    def key(self, role: str, *, expires: int = _EXPIRES) -> str:
        """Return a key for any role, valid until *expires*, in seconds since 1970."""
        return signed({"iss": "supabase", "role": role, "exp": expires}, self.jwt_secret)

    def control(self, *faults: dict[str, Any]) -> dict[str, Any]:
        """Add *faults* for its next calls; return how many are to come, and all calls so far.

        The package ``lamina.testing.servers.supabase`` tells what a fault may be. Those of other
        projects stay as they are.

        Raises:
            ServerFailed: There is no such fault, or no server.
        """
        if faults:
            _asked(self.url, "POST", "/_control", [*faults])
        told: dict[str, Any] = json.loads(_asked(self.url, "GET", "/_control"))
        return told

    def forget(self) -> None:
        """Forget its faults that are still to come, and its calls so far."""
        _asked(self.url, "DELETE", "/_control")


class Supabase(Local):
    """A local Supabase: tables by PostgREST's rules, and Storage, on PostgreSQL.

    Args:
        switches: More of its command line; see
            ``python -m lamina.testing.servers.supabase --help``.
        postgres: Where its tables are, a server of its own if not given; it is started and
            stopped with this one, unless it runs already.
        sql: A file that is run first, in the default project.
        jwt_secret: What tokens must be signed with.
        port: Where it listens; a free port if not given.
        data: A folder that keeps its objects, and the tables unless *postgres* is given.
        timeout: How long starting may take, in seconds.
    """

    name = "supabase"
    module = "supabase"
    packages = ("aiohttp", "asyncpg", "jwt")

    def __init__(
        self,
        switches: Sequence[str] = (),
        *,
        postgres: Postgres | None = None,
        sql: Path | str | None = None,
        jwt_secret: str = _SECRET,
        port: int | None = None,
        data: Path | str | None = None,
        timeout: float = 30.0,
    ) -> None:
        super().__init__(port=port, data=data, timeout=timeout)
        tables = None if data is None else Path(data) / "postgres"
        self.postgres = postgres or Postgres(data=tables)
        self.jwt_secret = jwt_secret
        self._owns = False
        self._sql = None if sql is None else Path(sql).absolute()
        self._switches = [*switches]

    @property
    def needs(self) -> tuple[Server, ...]:
        return (self.postgres,)

    @property
    def default(self) -> Project:
        """The project without a name."""
        return Project(self.url, self.postgres.dsn, self.jwt_secret)

    def environment(self) -> dict[str, str]:
        return {"SUPABASE_URL": self.url, "SUPABASE_SERVICE_KEY": self.default.service_key}

    def project(self, sql: str = "") -> Project:
        """Return a new project with a database of its own, in which *sql* is run.

        Raises:
            ServerFailed: The SQL fails.
        """
        name = f"p_{secrets.token_hex(8)}"
        told = {"name": name, "sql": sql.strip() or "SELECT"}
        _asked(self.url, "POST", "/_control/project", told)
        dsn = self.postgres.dsn_of(name)
        return Project(f"{self.url}/~{name}", dsn, self.jwt_secret)

    def control(self, *faults: dict[str, Any]) -> dict[str, Any]:
        """Do so for the default project; see `Project.control`."""
        return self.default.control(*faults)

    def forget(self) -> None:
        """Do so for the default project; see `Project.forget`."""
        self.default.forget()

    def _prepare(self) -> None:
        if not self.postgres.running:
            self._owns = True
            self.postgres.start()

    def _arguments(self) -> list[str]:
        return [
            *super()._arguments(),
            *("--jwt-secret", self.jwt_secret, "--database", self.postgres.dsn),
            *("--storage", str(self.data / "objects")),
            *(() if self._sql is None else ("--sql", str(self._sql))),
            *self._switches,
        ]

    def stop(self) -> None:
        super().stop()
        if self._owns:
            self._owns = False
            self.postgres.stop()


def _asked(url: str, method: str, path: str, told: object = None) -> bytes:
    """Return the answer of the control API behind *url*, a project's or the server's."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30.0)
    body = None if told is None else json.dumps(told)
    try:
        connection.request(method, parts.path + path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        status, text = answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        msg = "supabase does not answer"
        raise ServerFailed(msg) from error
    finally:
        connection.close()
    if status >= 300:
        msg = "supabase refuses what it is told"
        raise ServerFailed(msg, text.decode(errors="replace"))
    return text
