"""Reads through the cache: a hit is a lookup, a miss one question below for all who ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast, final

from lamina.errors import DeadlineExceeded
from lamina.layers.cache.flights import Asking, Flight
from lamina.values import Stamped

if TYPE_CHECKING:
    from lamina.layers.cache.core import Core, Table
    from lamina.operation import Handler
    from lamina.runtime import Runtime


@final
class Reader:
    """Answers one operation type; *stamped* also tells when the answer expires."""

    def __init__(
        self,
        core: Core,
        table: Table,
        inner: Handler[Any, Any],
        stamped: Handler[Any, Any] | None,
        runtime: Runtime,
    ) -> None:
        self._core = core
        self._table = table
        self._inner = inner
        self._stamped = stamped
        self._runtime = runtime

    def handler(self) -> Handler[Any, Any]:
        """Return the handler; its hit path is spelled out, for it is what a cache is for."""
        find, counts = self._table.entries.get, self._core.counts
        runtime, miss = self._runtime, self._miss

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

    async def _miss(self, op: Any) -> Any:
        core, identity = self._core, op.identity()
        found = self._table.fills.get(identity)
        if isinstance(found, Flight) and not op.fresh and found.joinable():
            core.counts.coalesced += 1
            if await found.follow(core, self._runtime):
                return await self._lead(found, op)
            return found.result()
        marks = core.marks.take(op.tags(), self._runtime.now())
        if marks is None:  # in doubt: what is below may change any moment, so nothing is shared
            core.counts.misses += 1
            return await self._inner(op)
        flight = Flight(self._table, identity, marks)
        core.begin(flight)
        return await self._lead(flight, op)

    async def _lead(self, flight: Flight, op: Any) -> Any:
        self._core.counts.misses += 1
        with Asking() as call:
            try:
                answer, until = await self._ask(op)
                settle(self._core, flight, self._runtime, answer, until, keep=call.is_fresh())
                flight.land(answer, call)
                return answer
            except DeadlineExceeded:  # the leader's own, the followers may have longer
                raise
            except Exception as error:
                self._core.end(flight)
                flight.fail(error, call)
                raise
            finally:
                if not flight.ended:
                    flight.hand_over(self._core)

    async def _ask(self, op: Any) -> tuple[Any, float | None]:
        if self._stamped is not None:
            told = cast("Stamped[Any]", await self._stamped(op.stamped()))
            return told.value, told.expires_at
        answer = await self._inner(op)
        return answer, expiry(answer)


def expiry(answer: Any) -> float | None:
    """Return when an answer says that it expires, in Unix seconds."""
    return answer.expires_at if isinstance(answer, Stamped) else None


def settle(
    core: Core, flight: Flight, runtime: Runtime, answer: Any, until: float | None, *, keep: bool
) -> None:
    """End a flight that has its answer, and *keep* that if no newer one began meanwhile."""
    if core.end(flight) and keep:
        core.keep(flight, answer, until, runtime.now(), runtime.wall())
