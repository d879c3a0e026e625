"""What ``lamina dev`` is told, and the servers it makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lamina.backends.supabase.sql import migration
from lamina.testing.servers import (
    S3,
    Postgres,
    ServerFailed,
    Supabase,
    Upstash,
    Valkey,
)
from lamina.testing.servers.ports import is_free

if TYPE_CHECKING:
    from lamina.testing.servers import Server

NAMES: Final = ("redis", "postgres", "s3", "upstash", "supabase")
"""All that there is, those that others need before these."""

_PORTS: Final = {
    "redis": 16379,
    "postgres": 15432,
    "s3": 18333,
    "upstash": 18080,
    "supabase": 15421,
}
"""Where each listens if the port is free, so that what was exported stays right."""
_ONLY: Final = {"token": ("upstash",), "jwt_secret": ("supabase",), "sql": ("supabase",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to start, and how.

    Attributes:
        home: Lamina's folder for data, where the records of running servers are.
        name: The only server to start; all if None.
        data: A folder that keeps the data of each server, in a folder of its name.
    """

    home: Path
    name: str | None = None
    port: int | None = None
    token: str | None = None
    jwt_secret: str | None = None
    sql: str | None = None
    data: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return NAMES if self.name is None else (known(self.name),)

    def check(self) -> None:
        """Refuse options that say nothing about what is started.

        Raises:
            ServerFailed: Says which.
        """
        if self.port is not None and self.name is None:
            msg = "--port needs the name of one server"
            raise ServerFailed(msg)
        if self.port is not None and not 0 < self.port < 65_536:
            msg = "--port must be from 1 to 65535"
            raise ServerFailed(msg)
        for option, names in _ONLY.items():
            if getattr(self, option) is not None and not {*names} & {*self.names}:
                msg = f"--{option.replace('_', '-')} is for {names[0]} only"
                raise ServerFailed(msg)
        if self.sql is not None and not Path(self.sql).is_file():
            msg = "--sql must be a file"
            raise ServerFailed(msg)


def known(name: str) -> str:
    """Return the name if there is such a server.

    Raises:
        ServerFailed: There is none; names all.
    """
    if name not in NAMES:
        msg = f"there is no server {name!r}, only {', '.join(NAMES)}"
        raise ServerFailed(msg)
    return name


def made(options: Options) -> dict[str, Server]:
    """Return the servers to start, by name."""
    found: dict[str, Server] = {}
    for name in options.names:
        common: dict[str, Any] = {"port": options.port or _preferred(name)}
        if options.data is not None:
            common["data"] = Path(options.data) / name
        found[name] = _made(name, options, common, found.get("postgres"))
    return found


def _made(name: str, options: Options, common: dict[str, Any], postgres: Server | None) -> Server:
    if name == "redis":
        return Valkey(**common)
    if name == "postgres":
        return Postgres(**common)
    if name == "s3":
        return S3(**common)
    if name == "upstash":
        common.pop("data", None)
        return Upstash(**common, **_told(token=options.token))
    if postgres is None and options.data is not None:
        postgres = Postgres(data=Path(options.data) / "postgres")
    assert postgres is None or isinstance(postgres, Postgres)
    told = _told(jwt_secret=options.jwt_secret, sql=options.sql or _own_sql(options.home))
    return Supabase(**common, postgres=postgres, **told)


def _own_sql(home: Path) -> str:
    """Write Lamina's tables into a file, which is run if no other is told; return its path."""
    path = home / "dev" / "lamina.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(migration(), encoding="utf-8")
    return str(path)


def _told(**options: str | None) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _preferred(name: str) -> int | None:
    port = _PORTS[name]
    return port if is_free(port) else None
