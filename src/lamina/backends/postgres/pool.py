"""Statements and transactions on a pool of connections to PostgreSQL."""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar, final
from urllib.parse import urlsplit

from asyncpg.exceptions import InvalidCachedStatementError

from lamina.backends.postgres.connections import Connections
from lamina.backends.postgres.failures import Undone, ended, failed
from lamina.context import remaining
from lamina.errors import StackError, StorageError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine

    from asyncpg import Connection

    from lamina.backends.postgres.connections import Line
    from lamina.runtime import Runtime

T = TypeVar("T")
_GRACE: Final = 1.0  # seconds that the server stops a statement after we have given up


@final
class Pool:
    """Asks the database at *url*, on at most so many connections.

    *timeout* bounds a statement, a whole transaction and a wait for a connection, each; the
    server is told of it, too, and by each transaction of a deadline that is sooner. Nothing is
    sent twice. With a *pooler* in transaction mode between, which hands each transaction to
    another connection of its own, nothing is prepared or set for longer, and every statement is
    a transaction.

    Raises:
        StackError: The URL is none of PostgreSQL's, or a number is not above 0.
    """

    def __init__(
        self, url: str, *, connections: int, timeout: float, connect_timeout: float, pooler: bool
    ) -> None:
        _check(url, connections, timeout, connect_timeout)
        self.timeout = timeout
        self.pooler = pooler
        self._begin = _begin(timeout) if pooler else "BEGIN"
        options: dict[str, Any] = {
            "dsn": url,
            "timeout": connect_timeout,
            "command_timeout": timeout,
            "max_cached_statement_lifetime": 0,
            "server_settings": {"application_name": "lamina"},
        }
        if pooler:
            options["statement_cache_size"] = 0
        else:
            options["server_settings"] |= _settings(timeout)
        self._connections = Connections(options, most=connections, patience=timeout)
        self._patience = connect_timeout + _GRACE
        self._ready = self._connections.ready  # looked up once: they are on every call's way
        self._give = self._connections.give

    async def open(
        self, runtime: Runtime, prepare: Callable[[Connection], Coroutine[Any, Any, None]]
    ) -> None:
        """Connect once, and *prepare* what is needed there.

        Raises:
            StorageError: The server cannot be reached, or refuses.
        """
        self._connections.open(runtime)
        line = await self._connections.take(self._patience)
        try:
            async with asyncio.timeout(self.timeout):
                await prepare(line.connection)
        except BaseException as error:
            self._connections.part(line, error)
            if isinstance(error, StorageError) or not isinstance(error, Exception):
                raise
            raise failed(error) from error
        self._connections.give(line)

    async def close(self) -> None:
        """End every connection, also those in use."""
        await self._connections.close()

    async def run(self, how: Callable[..., Coroutine[Any, Any, T]], query: str, *args: Any) -> T:
        """Return what *how*, a method of ``PreparedStatement``, tells of a statement.

        It stays prepared on each connection: for the statements that are asked again and again.

        Raises:
            StorageError: What the failure means.
        """
        if self.pooler:
            async with self.transaction() as connection:
                return await how(await connection.prepare(query, name=""), *args)
        line = self._ready() or await self._connections.take()
        try:
            try:
                statement = line.prepared.get(query) or await line.prepare(query)
                answer = await how(statement, *args)
            except InvalidCachedStatementError:  # the tables were changed: nothing was done
                line.prepared.clear()
                answer = await how(await line.prepare(query), *args)
        except BaseException as error:
            self._connections.part(line, error)
            if isinstance(error, Exception):
                raise failed(error) from error
            raise
        self._give(line)
        return answer

    async def ask(self, how: Callable[..., Coroutine[Any, Any, T]], query: str, *args: Any) -> T:
        """Return what *how*, a method of ``Connection``, tells of one statement.

        Raises:
            StorageError: What the failure means.
        """
        if self.pooler:
            async with self.transaction() as connection:
                return await how(connection, query, *args)
        line = self._connections.ready() or await self._connections.take()
        try:
            answer = await how(line.connection, query, *args)
        except BaseException as error:
            self._connections.part(line, error)
            if isinstance(error, Exception):
                raise failed(error) from error
            raise
        self._connections.give(line)
        return answer

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Connection]:
        """Give a connection in a transaction: committed at the end, undone by whatever is raised.

        Raises:
            StorageError: What the failure means; before the commit, nothing was written.
        """
        line = self._connections.ready() or await self._connections.take()
        committing = False
        try:
            async with asyncio.timeout(self.timeout):
                await line.connection.execute(self._beginning())
                yield line.connection
                committing = True
                await line.connection.execute("COMMIT")
        except BaseException as error:
            await self._undo(line, error)
            if isinstance(error, StorageError | Undone) or not isinstance(error, Exception):
                raise
            made = failed(error)
            made.sent = made.sent if committing else "no"
            raise made from error
        self._connections.give(line)

    def _beginning(self) -> str:
        """Return what begins a transaction; it tells the server of a deadline sooner than ours."""
        left = remaining(self._connections.now())
        if left >= self.timeout:
            return self._begin
        return f"{self._begin}; {_local(_limits(max(left, 0.0)))}"

    async def _undo(self, line: Line, error: BaseException) -> None:
        """Roll back, if the connection is as it should be; else ending it does that."""
        if not ended(error) and not line.connection.is_closed():
            try:
                await line.connection.execute("ROLLBACK")
            except BaseException as second:
                self._connections.part(line, second)
                if not isinstance(second, Exception):
                    raise
                return
        self._connections.part(line, error)


def _limits(timeout: float) -> dict[str, str]:
    """Return how long the server may take, and wait for us: a little longer than we wait."""
    patience = str(math.ceil(min((timeout + _GRACE) * 1000, 2**31 - 1)))
    return {"statement_timeout": patience, "idle_in_transaction_session_timeout": patience}


def _settings(timeout: float) -> dict[str, str]:
    """Return what the server is told of each connection."""
    return {
        **_limits(timeout),
        "default_transaction_isolation": "read committed",
        "client_min_messages": "warning",
        "jit": "off",
        "search_path": "pg_catalog",  # nobody's function or operator stands in for the server's
    }


def _begin(timeout: float) -> str:
    """Return what begins a transaction where settings cannot outlive it."""
    settings = _settings(timeout)
    del settings["default_transaction_isolation"]
    return f"BEGIN ISOLATION LEVEL READ COMMITTED; {_local(settings)}"


def _local(settings: dict[str, str]) -> str:
    """Return what makes settings for one transaction; sent with its BEGIN it costs no trip."""
    return "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in settings.items())


def _check(url: str, connections: int, timeout: float, connect_timeout: float) -> None:
    if not _is_postgres(url):
        msg = "url must be like postgresql://user:password@host:5432/database"
        raise StackError(msg)
    if connections < 1:
        msg = f"connections must be at least 1, got {connections!r}"
        raise StackError(msg)
    if not (0 < timeout < math.inf and 0 < connect_timeout < math.inf):
        msg = f"timeouts must be more than 0 and finite, got {timeout!r} and {connect_timeout!r}"
        raise StackError(msg)


def _is_postgres(url: str) -> bool:
    """Tell whether it may be a URL of PostgreSQL, with one host or several."""
    try:
        parts = urlsplit(url)
        for host in parts.netloc.rpartition("@")[2].split(","):
            _ = urlsplit(f"//{host}").port
    except ValueError:
        return False
    return parts.scheme in {"postgres", "postgresql"}
