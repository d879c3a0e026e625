"""The tables of one backend: made when they are missing, or said to be missing."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, final

from lamina.errors import AuthError, StackError, Unavailable

if TYPE_CHECKING:
    from asyncpg import Connection

S = TypeVar("S")
OLDEST: Final = 14
"""The first PostgreSQL that is served."""
SEPARATOR: Final = "\x1f"
"""Stands between texts that go as one: an array of them takes the driver three times as long."""
SPLIT: Final = f"string_to_array(%s, chr({ord(SEPARATOR)}))"

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_OURS: Final = re.compile(r"\blamina\.|(?<=SCHEMA IF NOT EXISTS )lamina\b")
_MAKES_SCHEMA: Final = "CREATE SCHEMA IF NOT EXISTS lamina;"
_FORBIDDEN: Final = "42501"
LOCK: Final = 0x4C616D696E61  # "Lamina"; only one process makes tables at a time


def check_schema(name: str) -> None:
    """Refuse what is no name of a schema.

    Raises:
        StackError: It is none.
    """
    if not _NAME.fullmatch(name):
        msg = f"schema must be letters, digits and _, at most 63, got {name!r:.80}"
        raise StackError(msg)


def in_schema(sql: str, schema: str) -> str:
    """Return *sql*, which is written for the schema lamina, for another one."""
    quoted = f'"{schema}"'
    return _OURS.sub(lambda found: quoted + ("." if found[0].endswith(".") else ""), sql)


def statements(kind: type[S], schema: str) -> S:
    """Return the dataclass *kind* of SQL texts, each for that *schema*."""
    texts: Any = kind()
    names = [field.name for field in fields(texts)]
    return kind(**{name: in_schema(getattr(texts, name), schema) for name in names})


@final
@dataclass(frozen=True, slots=True)
class Tables:
    """The tables that ``<name>.sql`` makes, in version *version* of them."""

    name: str
    version: int
    schema: str
    types: str = "pg_catalog"
    """The schema of the types that the script names."""

    @property
    def script(self) -> Path:
        """The SQL that makes them, also by hand."""
        return Path(__file__).with_name(f"{self.name}.sql")

    async def prepare(self, connection: Connection, *, create: bool) -> None:
        """Make what is missing, if told to *create*; only one process does so at a time.

        Raises:
            Unavailable: The server is too old, the tables are missing, or of another version.
        """
        _check_server(connection)
        found = await self._found(connection)
        if found is None and create:
            async with connection.transaction():
                await connection.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
                found = await self._found(connection)
                if found is None:
                    await self._make(connection)
                    found = self.version
        if found is None:
            told = f'"{self.schema}".lamina_{self.name} is missing: run {self.script.name}'
            msg = f"{told} of lamina.backends.postgres, or open with create=true"
            raise Unavailable(msg, transient=False, sent="no")
        if found != self.version:
            told = f"the {self.name} tables are of version {found}, this Lamina uses {self.version}"
            msg = f"{told}: upgrade Lamina, or give another schema"
            raise Unavailable(msg, transient=False, sent="no")

    async def _found(self, connection: Connection) -> int | None:
        """Return the version of the tables that are there."""
        known = await connection.fetchval(
            "SELECT to_regclass($1) IS NOT NULL", f'"{self.schema}".lamina_versions'
        )
        if not known:
            return None
        query = in_schema("SELECT version FROM lamina.lamina_versions WHERE name = $1", self.schema)
        found: int | None = await connection.fetchval(query, self.name)
        return found

    async def _make(self, connection: Connection) -> None:
        await connection.execute(f'SET LOCAL search_path = "{self.types}"')
        try:
            await connection.execute(await self._making(connection))
        except Exception as error:
            if getattr(error, "sqlstate", None) != _FORBIDDEN:
                raise
            told = f'the user may not make tables in the schema "{self.schema}": grant it that'
            msg = f"{told}, or have {self.script.name} run, and give create=false"
            raise AuthError(msg, sent="no") from error

    async def _making(self, connection: Connection) -> str:
        """Return the script, without what needs rights that are not needed."""
        script = self.script.read_text(encoding="utf-8")
        there = await connection.fetchval(
            "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", self.schema
        )
        return in_schema(script.replace(_MAKES_SCHEMA, "") if there else script, self.schema)


def _check_server(connection: Connection) -> None:
    found = connection.get_server_version()
    if found.major < OLDEST:
        msg = f"PostgreSQL {found.major} is too old: {OLDEST} or later is needed"
        raise Unavailable(msg, transient=False, sent="no")
    encoding = getattr(connection.get_settings(), "server_encoding", "UTF8")
    if encoding != "UTF8":
        msg = f"the database's encoding is {encoding}: one of UTF8 is needed"
        raise Unavailable(msg, transient=False, sent="no")
