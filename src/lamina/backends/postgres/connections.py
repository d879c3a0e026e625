"""Connections to PostgreSQL: so many at most, waited for, never given on in an unknown state."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

import asyncpg

from lamina.backends.postgres.failures import FAILURES, ended, failed
from lamina.errors import Closed

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncpg import Connection
    from asyncpg.prepared_stmt import PreparedStatement

    from lamina.runtime import Runtime


@final
class Line:
    """One connection, and the statements that were prepared on it, which are not many."""

    __slots__ = ("connection", "prepared", "since")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.prepared: dict[str, PreparedStatement[Any]] = {}
        self.since = 0.0

    async def prepare(self, query: str) -> PreparedStatement[Any]:
        """Return the statement, prepared and kept as long as the connection."""
        made = self.prepared[query] = await self.connection.prepare(query)
        return made


Place: TypeAlias = "asyncio.Future[Line | None]"
_STALE: Final = 0.01  # seconds idle, after which a connection may have been lost unnoticed
_OLD: Final = 300.0  # seconds idle, after which what stands between may have dropped it silently
_LOOKS: Final = 6  # turns of the loop in which it learns that
_FAREWELL: Final = 1.0  # seconds for ending a connection in order


@final
class Connections:
    """Gives a connection to one call at a time; at most *most*, others wait for *patience* s.

    A connection whose call was cancelled, ran out of time or lost track is ended, not used again;
    so is one that the server has ended, or that was idle for five minutes.
    """

    def __init__(self, options: dict[str, Any], *, most: int, patience: float) -> None:
        self._options = options
        self._most = most
        self._patience = patience
        self._runtime: Runtime | None = None
        self._made = 0
        self._idle: list[Line] = []
        self._lines: set[Line] = set()
        self._clock: Callable[[], float] = monotonic
        self._waiting: deque[Place] = deque()
        self._ending: set[asyncio.Task[None]] = set()

    def open(self, runtime: Runtime) -> None:
        """Let calls take connections from now on."""
        self._runtime = runtime
        self._clock = runtime.now

    async def close(self) -> None:
        """End every connection, also those in use."""
        self._runtime = None
        while self._wake(None):
            pass
        idle, self._idle = self._idle, []
        for line in self._lines.difference(idle):
            line.connection.terminate()
        try:
            if self._ending:
                await asyncio.wait(self._ending)
            with suppress(TimeoutError):
                async with asyncio.timeout(_FAREWELL):
                    for line in idle:
                        await _end(line.connection)
        finally:
            for line in idle:
                line.connection.terminate()
            self._lines.difference_update(idle)
            self._made -= len(idle)
            await asyncio.sleep(0)  # in which the loop closes what was terminated

    def ready(self) -> Line | None:
        """Return the connection that was used last, if it was a moment ago."""
        if self._idle:
            line = self._idle[-1]
            if self._clock() - line.since < _STALE and not line.connection.is_closed():
                return self._idle.pop()
        return None

    async def take(self, patience: float | None = None) -> Line:
        """Return a connection that is free, a new one, or the next that is given back.

        Raises:
            Unavailable: None became free in time, or the server cannot be reached.
            Closed: The backend is closed.
        """
        ends = self.now() + (self._patience if patience is None else patience)
        while True:
            while self._idle:
                line = self._idle.pop()
                if await self._lives(line):
                    return line
            waited = await self._wait(ends)
            if waited is not None:
                return waited

    def give(self, line: Line) -> None:
        """Take back a connection in order."""
        if self._runtime is None:
            self.part(line, ConnectionError())
        elif not self._waiting or not self._wake(line):
            line.since = self._clock()
            self._idle.append(line)

    def part(self, line: Line, error: BaseException) -> None:
        """Take back a connection whose call failed: it is used again only if all is known."""
        connection = line.connection
        if not ended(error) and not connection.is_closed() and not connection.is_in_transaction():
            self.give(line)
            return
        self._lines.discard(line)
        if self._runtime is None or connection.is_closed():
            connection.terminate()
            self._freed()
            return
        task = self._runtime.spawn(self._end(connection), "end a connection to PostgreSQL")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def now(self) -> float:
        """Return the time of the stack's clock.

        Raises:
            Closed: The backend is closed.
        """
        if self._runtime is None:
            msg = "the pool is closed"
            raise Closed(msg)
        return self._runtime.now()

    async def _lives(self, line: Line) -> bool:
        """Tell whether it is still connected, once the loop has seen what came meanwhile."""
        try:
            for _ in range(_LOOKS):
                old = self._clock() - line.since > _OLD
                if old or line.connection.is_closed():
                    self.part(line, ConnectionError())
                    return False
                await asyncio.sleep(0)
        except BaseException as error:
            self.part(line, error)
            raise
        return True

    async def _wait(self, ends: float) -> Line | None:
        """Return a new connection or one that was given back, None if there is room for one."""
        left = ends - self.now()
        place: Place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        if self._made < self._most and self._runtime is not None:
            self._made += 1
            self._runtime.spawn(self._connect(place), "connect to PostgreSQL")
        try:
            async with asyncio.timeout(left):
                return await place
        except BaseException as error:
            if place.done() and not place.cancelled() and place.exception() is None:
                self._hand_on(place.result())
            with suppress(ValueError):
                self._waiting.remove(place)
            if isinstance(error, TimeoutError):
                raise FAILURES["pool timeout"].error() from error
            raise

    async def _connect(self, place: Place) -> None:
        """Connect, for whoever waits; a failure is told to *place*.

        It is a task of its own: a cancelled call leaves a connection for the next, where the
        driver would leave one half made.
        """
        try:
            connection: Connection = await asyncpg.connect(**self._options)
        except BaseException as error:
            if isinstance(error, Exception) and not place.done():
                self._waiting.remove(place)
                made = failed(error, connecting=True)
                made.__cause__ = error
                place.set_exception(made)
            self._freed()
            if not isinstance(error, Exception):
                raise
            return
        line = Line(connection)
        self._lines.add(line)
        self.give(line)

    def _hand_on(self, line: Line | None) -> None:
        """Give what a call was given that leaves to the next."""
        if line is None:
            self._wake(None)
        else:
            self.give(line)

    def _wake(self, line: Line | None) -> bool:
        """Give a connection, or word that there is room, to the call that waits longest."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(line)
                return True
        return False

    def _freed(self) -> None:
        self._made -= 1
        self._wake(None)

    async def _end(self, connection: Connection) -> None:
        try:
            await _end(connection)
        finally:
            self._freed()


async def _end(connection: Connection) -> None:
    """End a connection in order, so that the server does not go on with what it was asked."""
    try:
        await connection.close(timeout=_FAREWELL)
    except Exception:  # it is lost, or the server does not answer
        connection.terminate()
        await asyncio.sleep(0)  # in which its own tasks end
