"""A bounded pool of connections: who finds none free waits for one, for a limited time."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, final

from lamina.backends.redis.failures import FAILURES, unconnected
from lamina.errors import Closed, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from lamina.backends.redis.links import Link


@final
class Pool:
    """At most *size* connections that *make* gives, connected; the last used is used first.

    *place* is what messages call the other end.

    A wait for a free one ends after *timeout* seconds, one for the server after *connect_timeout*.
    """

    def __init__(
        self,
        make: Callable[[], Coroutine[Any, Any, Link]],
        *,
        place: str,
        size: int,
        timeout: float,
        connect_timeout: float,
    ) -> None:
        self._make = make
        self._place = place
        self._size = size
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._free: list[Link] = []
        self._busy: set[Link] = set()
        self._connecting = 0
        self._waiting: deque[asyncio.Future[Link | None]] = deque()
        self._keeps = True
        self._closed = False

    async def take(self) -> Link:
        """Return a connection for one exchange; it must be given back.

        Raises:
            StorageError: There is none; nothing was sent.
        """
        self._check_not_closed()
        while self._free:
            link = self._free.pop()
            if await _usable(link):
                self._busy.add(link)
                return link
            await link.disconnect(nowait=True)
        if len(self._busy) + self._connecting < self._size:
            self._connecting += 1
            return await self._connected()
        return await self._awaited()

    async def give(self, link: Link, *, whole: bool) -> None:
        """Take a connection back; it is closed unless the exchange was *whole*. Never suspends."""
        self._busy.discard(link)
        if not whole or link.should_reconnect():
            await link.disconnect(nowait=True)
            self._hand_on(None)
        elif not self._hand_on(link):
            if self._keeps:
                self._free.append(link)
            else:
                await link.disconnect(nowait=True)

    async def renew(self) -> None:
        """Use no connection of now for another exchange. Never suspends."""
        for link in self._busy:
            link.mark_for_reconnect()
        while self._free:
            await self._free.pop().disconnect(nowait=True)

    async def retire(self) -> None:
        """Keep no connection for later from now on. Never suspends."""
        self._keeps = False
        await self.renew()

    async def close(self) -> None:
        """Close the connections, those in use too: what is still asked over them fails."""
        self._keeps, self._closed = False, True
        try:
            for link in list(self._free):
                await _closed(link)
        finally:
            await self.abort()

    async def abort(self) -> None:
        """Close without waiting for the other end. Never suspends."""
        self._keeps, self._closed = False, True
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(Closed("the backend is closed"))
        for link in (*self._free, *self._busy):
            await link.disconnect(nowait=True)
        self._free.clear()

    def _check_not_closed(self) -> None:
        if self._closed:
            msg = "the backend is closed"
            raise Closed(msg)

    async def _connected(self) -> Link:
        """Connect in the place that ``_connecting`` counts."""
        made: list[Link] = []
        connected = False
        try:
            async with asyncio.timeout(self._connect_timeout):
                made.append(await self._make())
            self._check_not_closed()
            connected = True
        except (StorageError, Closed):
            raise
        except Exception as error:
            raise unconnected(error, self._place) from error
        finally:
            self._connecting -= 1
            if connected:
                self._busy.update(made)
            else:
                for link in made:  # too late by a hair, or the pool was closed meanwhile
                    await link.disconnect(nowait=True)
                self._hand_on(None)
        return made[0]

    async def _awaited(self) -> Link:
        """Wait until a connection, or a place for one, is handed on."""
        waiter: asyncio.Future[Link | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        taken = False
        try:
            async with asyncio.timeout(self._timeout):
                link = await waiter
            taken = True
        except TimeoutError as error:
            raise FAILURES["pool timeout"].error(detail=f"{self._timeout:g} s") from error
        finally:
            if not taken:
                await self._refuse(waiter)
        if link is not None:
            if await _usable(link):
                return link
            self._busy.discard(link)
            self._connecting += 1
            await link.disconnect(nowait=True)
        return await self._connected()

    async def _refuse(self, waiter: asyncio.Future[Link | None]) -> None:
        """Leave the queue; hand on what was given at the same moment."""
        if not waiter.done():
            waiter.cancel()
            self._waiting.remove(waiter)
        elif not waiter.cancelled() and waiter.exception() is None:
            link = waiter.result()
            if link is None:
                self._connecting -= 1
                self._hand_on(None)
            else:
                await self.give(link, whole=True)

    def _hand_on(self, link: Link | None) -> bool:
        """Give a connection, or a place for one, to the first who waits."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(link)
                if link is None:
                    self._connecting += 1
                else:
                    self._busy.add(link)
                return True
        return False


async def _usable(link: Link) -> bool:
    """Tell whether nothing came over it unasked, such as its end. Never suspends."""
    try:
        return not (link.should_reconnect() or link.is_lost() or await link.can_read())
    except Exception:  # it says so by several kinds of errors
        return False


async def _closed(link: Link) -> None:
    try:
        await link.disconnect()
    except Exception:  # the other end does not answer; it was closed all the same
        return
