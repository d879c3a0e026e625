"""Reads through the cache: a hit is a lookup, a miss one question below for all who ask."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast, final

from lamina.errors import DeadlineExceeded, StorageError
from lamina.layers.cache.fills import expiry
from lamina.layers.cache.flights import Flight
from lamina.once import Asking

if TYPE_CHECKING:
    from lamina.layers.cache.core import Table
    from lamina.layers.cache.fills import Fills
    from lamina.layers.cache.second import Second
    from lamina.operation import Handler
    from lamina.values import Stamped


@final
class Reader:
    """Answers one operation type; *stamped* also tells when the answer expires."""

    def __init__(
        self,
        fills: Fills,
        table: Table,
        inner: Handler[Any, Any],
        stamped: Handler[Any, Any] | None = None,
        second: Second | None = None,
    ) -> None:
        self._fills = fills
        self._table = table
        self._inner = inner
        self._stamped = stamped
        self._second = second

    def handler(self) -> Handler[Any, Any]:
        """Return the handler; its hit path is spelled out, for it is what a cache is for."""
        if self._fills.core.bounds.idle is not None:
            return self._sliding(self._fills.core.bounds.idle)
        find, counts = self._table.entries.get, self._table.counts
        runtime, miss = self._fills.runtime, self._miss

        async def read(op: Any) -> Any:
            entry = find(op.identity())
            if (
                entry is not None
                and not op.fresh
                and runtime.now() < entry.expires
                and (entry.until is None or runtime.wall() < entry.until)
            ):
                for mark in entry.marks:
                    if mark.dead:
                        break
                else:
                    entry.used = True
                    counts.hits += 1
                    return entry.value
            return await miss(op)

        return read

    def _sliding(self, idle: float) -> Handler[Any, Any]:
        """Return the handler whose hits let an answer stay *idle* seconds more."""
        find, miss = self._table.entries.get, self._miss

        async def read(op: Any) -> Any:
            entry = None if op.fresh else find(op.identity())
            if entry is not None:
                now = self._fills.runtime.now()
                if now < entry.expires and self._hits(entry):
                    entry.expires = min(now + idle, entry.cap)
                    return entry.value
            return await miss(op)

        return read

    def _hits(self, entry: Any) -> bool:
        if not self._fills.core.is_true(entry, self._fills.runtime.wall()):
            return False
        entry.used = True
        self._table.counts.hits += 1
        return True

    async def _miss(self, op: Any) -> Any:
        fills, table, identity = self._fills, self._table, op.identity()
        entry = None if op.fresh else table.entries.get(identity)
        if entry is not None:
            if fills.runtime.now() < entry.expires and self._hits(entry):
                return entry.value  # only the era had ended, and without meaning it
            if fills.stale(table, identity, op) is not None:
                self._refresh(op, identity)
                return entry.value
        try:
            return await self._share(op, identity)
        except StorageError as error:
            spare = fills.spare(table, identity, op, error)
            if spare is None:
                raise
            return spare.value

    async def _share(self, op: Any, identity: Any) -> Any:
        """Ask below, or wait for who asks already."""
        fills, counts = self._fills, self._table.counts
        found = None if op.fresh else fills.joinable(self._table, identity)
        if found is not None:
            counts.coalesced += 1
            if await found.follow("cache"):
                return await self._lead(found, op)
            return found.result()
        flight = fills.begin(self._table, identity, op)
        if flight is None:  # in doubt: what is below may change any moment, so nothing is shared
            counts.misses += 1
            return await self._inner(op)
        return await self._lead(flight, op)

    def _refresh(self, op: Any, identity: Any) -> None:
        fills = self._fills
        if fills.joinable(self._table, identity) is None and fills.refreshes():
            flight = fills.begin(self._table, identity, op)
            if flight is not None:
                name = f"refresh {type(op).__name__}"
                fills.spawn(self._lead(flight, op), name, (flight,))

    async def _lead(self, flight: Flight, op: Any) -> Any:
        fills = self._fills
        self._table.counts.misses += 1
        flight.leader = asyncio.current_task()
        with Asking() as call:
            try:
                answer, until, age = await self._ask(op, flight, call.is_fresh)
                fills.settle(flight, answer, until, age, keep=call.is_fresh())
                fills.land(flight, answer, until, call)
                return answer
            except DeadlineExceeded:  # the leader's own, the followers may have longer
                raise
            except Exception as error:
                fills.core.end(flight)
                flight.fail(error, call)
                raise
            finally:
                if not flight.ended:
                    flight.hand_over()

    async def _ask(self, op: Any, flight: Flight, is_fresh: Any) -> tuple[Any, float | None, float]:
        """Return the answer, when it expires (Unix seconds), and how old it is (seconds)."""
        if self._second is None:
            return (*await self._below(op), 0.0)

        def keep() -> bool:
            return bool(is_fresh()) and flight.joinable()

        return await self._second.ask(op, self._below, keep, flight.clip)

    async def _below(self, op: Any) -> tuple[Any, float | None]:
        if self._stamped is not None:
            told = cast("Stamped[Any]", await self._stamped(op.stamped()))
            return told.value, told.expires_at
        answer = await self._inner(op)
        return answer, expiry(answer)
