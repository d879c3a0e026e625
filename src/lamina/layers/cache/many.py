"""Batch reads through the cache: the singles it holds, and one batch below for the rest."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeAlias, final

from lamina.errors import Corrupt, DeadlineExceeded, StorageError
from lamina.layers.cache.fills import expiry
from lamina.layers.cache.flights import Flight
from lamina.once import Asking, own_copy
from lamina.values import Done, Failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.context import Call
    from lamina.layers.cache.core import Table
    from lamina.layers.cache.fills import Fills
    from lamina.layers.cache.second import Second
    from lamina.operation import BatchOperation, Handler, Operation
    from lamina.values import Outcome

Told: TypeAlias = "dict[Any, Outcome[Any]]"
Asked: TypeAlias = "dict[Any, Operation[Any]]"
Answer: TypeAlias = "tuple[Any, float | None, float]"
"""An answer, when it expires by itself (Unix seconds), how long ago it was true (seconds)."""


@final
class ManyReader:
    """Answers one type of batch from the table of its singles.

    *stamped* is a batch that also tells when each answer expires. *keep* says whether an answer
    may be kept without that; else it is only given.
    """

    def __init__(
        self,
        fills: Fills,
        table: Table,
        inner: Handler[Any, Any],
        stamped: tuple[type[BatchOperation[Any]], Handler[Any, Any]] | None,
        second: Second | None = None,
        *,
        keep: bool,
    ) -> None:
        self._fills = fills
        self._table = table
        self._inner = inner
        self._stamped = stamped
        self._second = second
        self._keep = keep or stamped is not None

    async def answer(self, op: Any) -> tuple[Outcome[Any], ...]:
        """Give the outcomes in the order asked; one key twice is asked below once."""
        singles: tuple[Any, ...] = op.singles()
        names = [one.identity() for one in singles]
        asked = dict(zip(names, singles, strict=True))
        told: Told = {} if op.fresh else self._held(op, asked)
        missing = {name: one for name, one in asked.items() if name not in told}
        if missing:
            told |= await self._missing(op, missing)
        return tuple(told[name] for name in names)

    def _held(self, op: Any, asked: Asked) -> Told:
        """Return what is held; what is stale of it is asked anew, in one batch behind."""
        fills, entries = self._fills, self._table.entries
        now, wall, idle = fills.runtime.now(), fills.runtime.wall(), fills.core.bounds.idle
        held: Told = {}
        stale: Asked = {}
        for name, one in asked.items():
            entry = entries.get(name)
            if entry is None:
                continue
            if now < entry.expires and fills.core.is_true(entry, wall):
                entry.used = True
                self._table.counts.hits += 1
                if idle is not None:
                    entry.expires = min(now + idle, entry.cap)
                held[name] = Done(entry.value)
            elif fills.stale(self._table, name, one) is not None:
                held[name] = Done(entry.value)
                stale[name] = one
        if stale:
            self._refresh(op, stale)
        return held

    def _refresh(self, op: Any, stale: Asked) -> None:
        fills, table = self._fills, self._table
        alone = {n: one for n, one in stale.items() if fills.joinable(table, n) is None}
        if alone and fills.refreshes():
            begun = {name: fills.begin(table, name, one) for name, one in alone.items()}
            flights = [flight for flight in begun.values() if flight is not None]
            work = self._ask(op, alone, begun)
            fills.spawn(work, f"refresh {type(op).__name__}", flights)

    async def _missing(self, op: Any, missing: Asked) -> Told:
        """Ask for what nobody asks for yet, and wait for the rest."""
        fills, table = self._fills, self._table
        followed: dict[Any, Flight] = {}
        if not op.fresh:
            for name in missing:
                found = fills.joinable(table, name)
                if found is not None:
                    followed[name] = found
        own = {name: one for name, one in missing.items() if name not in followed}
        told: Told = {}
        if own:
            begun = {name: fills.begin(table, name, one) for name, one in own.items()}
            told = await self._ask_or_spare(op, own, begun)
        table.counts.coalesced += len(followed)
        while followed:
            name, flight = next(iter(followed.items()))
            if await flight.follow("cache"):
                told |= await self._take_over(op, missing, followed, name)
            else:
                told[name] = self._shared(name, missing[name], followed.pop(name))
        return told

    async def _take_over(
        self, op: Any, asked: Asked, followed: dict[Any, Flight], lead: Any
    ) -> Told:
        """Ask in one batch for all that was left by those who asked, if nobody else does yet.

        Who leaves one key has mostly left many: one by one they would cost a round trip each.
        """
        fills, table = self._fills, self._table
        left = {name: asked[name] for name, flight in followed.items() if flight.was_left()}
        told = self._held(op, left)
        begun: dict[Any, Flight | None] = {} if lead in left else {lead: followed[lead]}
        for name, one in left.items():
            found = fills.joinable(table, name)
            if name in told:
                del followed[name]
            elif found is None:
                begun[name] = fills.begin(table, name, one)
            else:
                followed[name] = found
        for name in begun:
            del followed[name]
        if begun:
            told |= await self._ask_or_spare(op, {name: asked[name] for name in begun}, begun)
        return told

    def _shared(self, name: Any, one: Operation[Any], flight: Flight) -> Outcome[Any]:
        try:
            return Done(flight.result())
        except StorageError as error:
            return self._spared(name, one, Failed(error))

    async def _ask_or_spare(self, op: Any, asked: Asked, flights: dict[Any, Flight | None]) -> Told:
        """Ask; where that fails give old answers, if there are any."""
        try:
            told = await self._ask(op, asked, flights)
        except StorageError as error:
            told = {name: Failed(own_failure(error)) for name in asked}
            spared = {name: self._spared(name, asked[name], told[name]) for name in asked}
            if not any(isinstance(outcome, Done) for outcome in spared.values()):
                raise
            return spared
        return {name: self._spared(name, asked[name], outcome) for name, outcome in told.items()}

    def _spared(self, name: Any, one: Operation[Any], told: Outcome[Any]) -> Outcome[Any]:
        if isinstance(told, Done):
            return told
        entry = self._fills.spare(self._table, name, one, told.error)
        return told if entry is None else Done(entry.value)

    async def _ask(self, op: Any, asked: Asked, flights: dict[Any, Flight | None]) -> Told:
        fills = self._fills
        self._table.counts.misses += len(asked)
        begun = list(flights.values())
        leader = asyncio.current_task()
        for flight in filter(None, begun):
            flight.leader = leader
        with Asking() as call:
            try:
                answers = await self._answers(op, tuple(asked.values()), begun, call)
                pairs = zip(asked, begun, answers, strict=True)
                return {name: self._land(flight, told, call) for name, flight, told in pairs}
            except DeadlineExceeded:  # the leader's own, the followers may have longer
                raise
            except Exception as error:
                for flight in filter(None, begun):
                    fills.core.end(flight)
                    flight.fail(error, call)
                raise
            finally:
                for flight in filter(None, begun):
                    if not flight.ended:
                        flight.hand_over()

    async def _answers(
        self, op: Any, singles: tuple[Any, ...], begun: list[Flight | None], call: Call
    ) -> Sequence[Answer | Failed]:
        """Return of each its answer, when that expires, and how old it is; or its failure."""
        if self._second is None:
            told = await self._below(op, singles)
            return [one if isinstance(one, Failed) else (*one, 0.0) for one in told]

        async def below(some: tuple[Any, ...]) -> Sequence[tuple[Any, float | None] | Failed]:
            return await self._below(op, some)

        def keep(place: int) -> bool:
            flight = begun[place]
            return self._keep and flight is not None and call.is_fresh() and flight.joinable()

        clips = [None if flight is None else flight.clip for flight in begun]
        return await self._second.ask_many(singles, below, keep, clips)

    async def _below(
        self, op: Any, singles: tuple[Any, ...]
    ) -> list[tuple[Any, float | None] | Failed]:
        if self._stamped is None:
            outcomes = await self._inner(op.gather(singles))
        else:
            batch, send = self._stamped
            outcomes = await send(batch.gather(tuple(one.stamped() for one in singles)))
        if len(outcomes) != len(singles):
            msg = f"{len(outcomes)} answers to a batch of {len(singles)}"
            raise Corrupt(msg)
        return [self._told(outcome) for outcome in outcomes]

    def _told(self, outcome: Outcome[Any]) -> tuple[Any, float | None] | Failed:
        if not isinstance(outcome, Done):
            return outcome
        value, until = outcome.value, expiry(outcome.value)
        return (value if self._stamped is None else value.value), until

    def _land(self, flight: Flight | None, told: Answer | Failed, call: Call) -> Outcome[Any]:
        """Give one outcome to those who wait for it, and keep it if it may be kept."""
        if isinstance(told, Failed):
            if flight is not None and not isinstance(told.error, DeadlineExceeded):
                self._fills.core.end(flight)
                flight.fail(told.error, call)
            return told
        answer, until, age = told
        if flight is not None:
            self._fills.settle(flight, answer, until, age, keep=self._keep and call.is_fresh())
            self._fills.land(flight, answer, until, call)
        return Done(answer)


def own_failure(error: StorageError) -> StorageError:
    """Return a copy of *error* for one item."""
    made = own_copy(error)
    return made if isinstance(made, StorageError) else error
