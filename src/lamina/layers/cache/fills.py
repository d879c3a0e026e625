"""What singles and batches share: begin to ask, end with an answer, give an old one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, final

from lamina.context import current
from lamina.errors import Rejected, Throttled, TimedOut, Unavailable
from lamina.layers.cache.flights import Flight
from lamina.values import Stamped

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine, Sequence

    from lamina.context import Call
    from lamina.layers.cache.core import Core, Table
    from lamina.layers.cache.shelf import Entry
    from lamina.runtime import Runtime

_log: Final = logging.getLogger("lamina.cache")
_PASSING: Final = (Unavailable, TimedOut, Throttled, Rejected)
"""Failures in place of which ``stale_if_error`` gives an old answer."""


@final
class Fills:
    """One cache's ways to ask: its core driven by the clock of *runtime*.

    *reluctant* tell that a call that is not needed should rather not be sent.
    """

    def __init__(
        self, core: Core, runtime: Runtime, reluctant: Sequence[Callable[[], bool]] = ()
    ) -> None:
        self.core = core
        self.runtime = runtime
        self._reluctant = reluctant

    def begin(self, table: Table, identity: Any, op: Any) -> Flight | None:
        """Begin to ask as the newest of its key; None while a write to it may still arrive."""
        core, now, tags = self.core, self.runtime.now(), op.tags()
        marks = core.take(tags, now)
        if marks is None:
            return None
        clip = core.clip(tags, now) if table.lags else None
        flight = Flight(table, identity, marks, began=now, clip=clip)
        core.begin(flight)
        return flight

    def joinable(self, table: Table, identity: Any) -> Flight | None:
        """Return what asks for that key already, if its answer will not be too old."""
        found = table.fills.get(identity)
        if not isinstance(found, Flight) or not found.joinable():
            return None
        return found if found.clip is None or self.runtime.now() < found.clip else None

    def settle(
        self, flight: Flight, answer: Any, until: float | None, age: float, *, keep: bool
    ) -> None:
        """End a flight that has its answer, and *keep* that if no newer one began meanwhile."""
        core, runtime = self.core, self.runtime
        if not (core.end(flight) and keep):
            return
        try:
            core.keep(flight, answer, until, runtime.now(), runtime.wall(), age=age)
        except Exception as error:  # the cache may fail, the read may not
            core.failed += 1
            if core.failed == 1:
                _log.warning("an answer was not kept: %s; it is logged once", type(error).__name__)

    def land(self, flight: Flight, answer: Any, until: float | None, call: Call) -> None:
        """Give the answer to all who wait; one that has expired on its way makes them ask."""
        if until is None or self.runtime.wall() < until:
            flight.land(answer, call)

    def stale(self, table: Table, identity: Any, op: Any) -> Entry | None:
        """Return an answer past its time that may be given while it is asked anew, and say so."""
        entry = table.entries.get(identity)
        now = self.runtime.now()
        if entry is None or not self.core.is_stale(entry, now):
            return None
        if not self.core.is_true(entry, self.runtime.wall()):
            return None
        table.counts.hits += 1
        table.counts.stale += 1
        entry.used = True
        self._tell_age(op, now - entry.stored)
        return entry

    def spare(self, table: Table, identity: Any, op: Any, error: Exception) -> Entry | None:
        """Return an old answer to give in place of *error*, and say so."""
        if not isinstance(error, _PASSING) or not self.core.bounds.stale_if_error or op.fresh:
            return None
        entry = table.entries.get(identity)
        now = self.runtime.now()
        if entry is None or not self.core.is_spare(entry, now):
            return None
        if not self.core.is_true(entry, self.runtime.wall()):
            return None
        table.counts.rescued += 1
        self._tell_age(op, now - entry.stored, degraded=True)
        return entry

    def refreshes(self) -> bool:
        """Tell whether one may be asked anew behind an answer: there is room, the store is well."""
        return not any(tell() for tell in self._reluctant) and self.runtime.has_room()

    def spawn(self, work: Coroutine[Any, Any, Any], name: str, flights: Sequence[Flight]) -> None:
        """Ask behind the answer; if that never begins, those who wait for *flights* ask."""

        def ended(task: asyncio.Task[Any]) -> None:
            del task
            for flight in flights:
                if not flight.ended:
                    flight.hand_over()

        self.runtime.spawn(work, name).add_done_callback(ended)

    def _tell_age(self, op: Any, age: float, *, degraded: bool = False) -> None:
        context = current.get()
        if context is not None:
            brief = op.brief()
            context.age[brief] = age
            if degraded:
                context.degraded.append(brief)


def expiry(answer: Any) -> float | None:
    """Return when an answer says that it expires, in Unix seconds."""
    return answer.expires_at if isinstance(answer, Stamped) else None
