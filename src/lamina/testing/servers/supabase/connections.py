"""At most so many connections to one database, kept for a while when idle."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final, final

import asyncpg

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_IDLE: Final = 5.0
"""Seconds after which an idle connection is closed."""

_SET_UP: Final = """
SELECT set_config('search_path', $6, true), set_config('request.jwt.claims', $2, true),
    set_config('request.method', $3, true), set_config('request.path', $4, true),
    set_config('request.headers', $5, true), set_config('request.cookies', '{}', true),
    (SELECT last_value + is_called::int FROM _supabase.changes) AS changes,
    (SELECT array_agg(each) FROM pg_db_role_setting, unnest(setconfig) AS each
        WHERE setrole = (SELECT oid FROM pg_roles WHERE rolname = $1)
        AND setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    ) AS settings,
    set_config('role', $1, true)
"""


class TooBusy(Exception):
    """No connection became free in time."""


class Down(Exception):
    """The database cannot be reached."""


@final
class Connection:
    """A connection with the statement that begins every call prepared."""

    def __init__(self, bare: asyncpg.Connection[Any]) -> None:
        self.bare = bare
        self._set_up: Any = None

    async def become(self, *told: str) -> tuple[int, list[str]]:
        """Set up the transaction; return the schema's number and the settings of the role."""
        if self._set_up is None:
            self._set_up = await self.bare.prepare(_SET_UP)
        row = await self._set_up.fetchrow(*told)
        return row["changes"], row["settings"] or []


@final
class Connections:
    """Lend connections; a call waits for at most *timeout* seconds."""

    def __init__(self, dsn: str, *, most: int, timeout: float) -> None:
        self._dsn = dsn
        self._timeout = timeout
        self._free = asyncio.Semaphore(most)
        self._idle: list[Connection] = []
        self._sweep: asyncio.TimerHandle | None = None

    @contextlib.asynccontextmanager
    async def one(self) -> AsyncGenerator[Connection]:
        """Lend a connection.

        Raises:
            TooBusy: None became free in time.
            Down: The database does not take connections.
        """
        try:
            async with asyncio.timeout(self._timeout):
                await self._free.acquire()
        except TimeoutError as error:
            raise TooBusy from error
        try:
            connection = await self._take()
            try:
                yield connection
            finally:
                self._give(connection)
        finally:
            self._free.release()

    async def _take(self) -> Connection:
        while self._idle:
            found = self._idle.pop()
            if not found.bare.is_closed():
                return found
        try:
            return Connection(
                await asyncpg.connect(self._dsn, statement_cache_size=0, timeout=self._timeout)
            )
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise Down(str(error)) from error

    def _give(self, connection: Connection) -> None:
        if connection.bare.is_closed():
            return
        if connection.bare.is_in_transaction():
            connection.bare.terminate()
            return
        self._idle.append(connection)
        if self._sweep is not None:
            self._sweep.cancel()
        self._sweep = asyncio.get_running_loop().call_later(_IDLE, self.drop)

    def drop(self) -> None:
        """Close what is idle."""
        for connection in self._idle:
            connection.bare.terminate()
        self._idle.clear()

    async def close(self) -> None:
        """Close what is idle, and wait for it."""
        if self._sweep is not None:
            self._sweep.cancel()
        idle, self._idle = self._idle, []
        for connection in idle:
            with contextlib.suppress(OSError, asyncpg.PostgresError, TimeoutError):
                await connection.bare.close(timeout=1.0)
