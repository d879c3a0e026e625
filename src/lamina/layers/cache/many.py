"""Batch reads through the cache: the singles it holds, and one batch below for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast, final

from lamina.errors import DeadlineExceeded
from lamina.layers.cache.flights import Asking, Flight
from lamina.layers.cache.reads import expiry, settle
from lamina.values import Done, Stamped

if TYPE_CHECKING:
    from lamina.context import Call
    from lamina.layers.cache.core import Core, Table
    from lamina.operation import Batch, Handler, Operation
    from lamina.runtime import Runtime
    from lamina.values import Outcome


@final
class ManyReader:
    """Answers one type of batch from the table of its singles.

    *stamped* is a batch that also tells when each answer expires. *keep* says whether an answer
    may be kept without that; else it is only given.
    """

    def __init__(
        self,
        core: Core,
        table: Table,
        inner: Handler[Any, Any],
        stamped: tuple[type[Batch[Any]], Handler[Any, Any]] | None,
        runtime: Runtime,
        *,
        keep: bool,
    ) -> None:
        self._core = core
        self._table = table
        self._inner = inner
        self._stamped = stamped
        self._runtime = runtime
        self._keep = keep or stamped is not None

    async def answer(self, op: Any) -> tuple[Outcome[Any], ...]:
        """Give the outcomes in the order asked; one key twice is asked below once."""
        singles: tuple[Any, ...] = op.singles()
        names = [one.identity() for one in singles]
        told: dict[Any, Outcome[Any]] = {} if op.fresh else self._held(names)
        missing = {name: one for name, one in zip(names, singles, strict=True) if name not in told}
        self._core.counts.hits += len(told)
        self._core.counts.misses += len(missing)
        if missing:
            told |= await self._ask(op, missing, whole=len(missing) == len(singles))
        return tuple(told[name] for name in names)

    def _held(self, names: list[Any]) -> dict[Any, Outcome[Any]]:
        now, wall = self._runtime.now(), self._runtime.wall()
        held: dict[Any, Outcome[Any]] = {}
        for name in names:
            entry = self._table.entries.get(name)
            if entry is None or now >= entry.expires or entry.outdated():
                continue
            if entry.until is None or wall < entry.until:
                entry.used = True
                held[name] = Done(entry.value)
        return held

    async def _ask(
        self, op: Any, missing: dict[Any, Operation[Any]], *, whole: bool
    ) -> dict[Any, Outcome[Any]]:
        flights = {name: self._begin(name, one) for name, one in missing.items()}
        with Asking() as call:
            try:
                outcomes = await self._send(op, tuple(missing.values()), whole=whole)
                pairs = zip(missing, outcomes, strict=True)
                return {name: self._land(flights[name], told, call) for name, told in pairs}
            except DeadlineExceeded:  # the leader's own, the followers may have longer
                raise
            except Exception as error:
                for flight in filter(None, flights.values()):
                    self._core.end(flight)
                    flight.fail(error, call)
                raise
            finally:
                for flight in filter(None, flights.values()):
                    if not flight.ended:
                        flight.hand_over(self._core)

    def _begin(self, name: Any, one: Operation[Any]) -> Flight | None:
        marks = self._core.marks.take(one.tags(), self._runtime.now())
        if marks is None:
            return None
        flight = Flight(self._table, name, marks)
        self._core.begin(flight)
        return flight

    async def _send(
        self, op: Any, singles: tuple[Operation[Any], ...], *, whole: bool
    ) -> tuple[Outcome[Any], ...]:
        if self._stamped is not None:
            batch, send = self._stamped
            stamps = tuple(cast("Operation[Any]", one.stamped()) for one in singles)
            return cast("tuple[Outcome[Any], ...]", await send(batch.gather(stamps)))
        asked = op if whole else op.gather(singles)
        return cast("tuple[Outcome[Any], ...]", await self._inner(asked))

    def _land(self, flight: Flight | None, told: Outcome[Any], call: Call) -> Outcome[Any]:
        """Give one outcome to those who wait for it, and keep it if it may be kept."""
        if not isinstance(told, Done):
            if flight is not None and not isinstance(told.error, DeadlineExceeded):
                self._core.end(flight)
                flight.fail(told.error, call)
            return told
        value, until = told.value, expiry(told.value)
        if self._stamped is not None:
            value = cast("Stamped[Any]", value).value
        if flight is not None:
            keep = self._keep and call.is_fresh()
            settle(self._core, flight, self._runtime, value, until, keep=keep)
            flight.land(value, call)
        return told if self._stamped is None else Done(value)
