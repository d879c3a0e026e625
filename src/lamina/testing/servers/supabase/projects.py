"""Projects: each a database of one PostgreSQL, with its folder of objects."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, final
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from lamina.testing.servers.supabase.connections import Connections, Down
from lamina.testing.servers.supabase.rest.catalogue import Catalogue
from lamina.testing.servers.supabase.scripts import run_once

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.testing.servers.supabase.options import Options

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")


@dataclass(slots=True)
class Project:
    """One project, ready to be used."""

    name: str
    connections: Connections
    folder: Path
    catalogue: Catalogue


@final
class Projects:
    """All projects, each prepared on first use; the default one has no name."""

    def __init__(self, options: Options, folder: Path) -> None:
        self._options = options
        self._folder = folder
        self._ready: dict[str, Project] = {}
        self._preparing = asyncio.Lock()
        self._script = (files(__package__ or "") / "prepare.sql").read_text()

    async def get(self, name: str = "") -> Project:
        """Return a project, made now if there is none such.

        Raises:
            ValueError: No project can have that name.
            Down: The database does not answer.
        """
        found = self._ready.get(name)
        if found is not None:
            return found
        async with self._preparing:
            if name not in self._ready:
                self._ready[name] = await self._make(name)
        return self._ready[name]

    async def run(self, name: str, sql: str) -> None:
        """Run SQL in a project; `asyncpg.PostgresError` if it fails."""
        await self.get(name)
        await self._run(self._dsn(name), sql)

    async def run_file(self, file: Path) -> None:
        """Run a file of SQL in the default project, unless that was done already.

        Raises:
            ScriptFailed: It fails.
        """
        connection = await self._connect(self._dsn(""))
        try:
            await run_once(connection, file)
        finally:
            await connection.close()

    async def close(self) -> None:
        for project in self._ready.values():
            await project.connections.close()

    def _dsn(self, name: str) -> str:
        dsn = self._options.database or ""
        return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}")) if name else dsn

    async def _make(self, name: str) -> Project:
        if name:
            if not _NAME.fullmatch(name):
                raise ValueError(name)
            await self._create(name)
        dsn = self._dsn(name)
        await self._run(dsn, self._script)
        folder = self._folder / (f"~{name}" if name else "default")
        folder.mkdir(parents=True, exist_ok=True)
        connections = Connections(
            dsn, most=self._options.connections, timeout=self._options.acquire_timeout
        )
        return Project(name, connections, folder, Catalogue(self._options.schemas))

    async def _create(self, name: str) -> None:
        connection = await self._connect(self._dsn(""))
        try:
            await connection.execute(f'CREATE DATABASE "{name}" STRATEGY=file_copy')
        except asyncpg.DuplicateDatabaseError:
            pass
        finally:
            await connection.close()

    async def _run(self, dsn: str, sql: str) -> None:
        connection = await self._connect(dsn)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    async def _connect(self, dsn: str) -> asyncpg.Connection[Any]:
        try:
            return await asyncpg.connect(dsn, statement_cache_size=0, timeout=10.0)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise Down(str(error)) from error
