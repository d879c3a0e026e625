"""Sends parcels, each in a task of its own, and tells those who wait."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

from lamina.context import Call, current
from lamina.errors import Closed, DeadlineExceeded
from lamina.layers.batch.core import BatchStatus, Groups, Parcel
from lamina.layers.batch.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.layers.batch.asking import Asker
    from lamina.layers.batch.core import Bounds, Group
    from lamina.layers.batch.kinds import Kind
    from lamina.layers.batch.told import Told
    from lamina.operation import Operation
    from lamina.runtime import Runtime

Waiter: TypeAlias = "asyncio.Future[Told]"

_TURNS: Final = 3
"""Turns of the loop in which callers that were answered together ask again, through a gather."""

_LATE: Final = "the deadline came before the batch was answered"
_TOO_LATE: Final = "the deadline had passed before the batch was sent"
_CLOSED: Final = "the store was closed before the batch was answered"


@final
class Sender:
    """Gathers operations of one *kind*, which the *asker* asks for.

    *ended* are told of writes whose callers had left, once these have ended.

    All methods run without a suspension, so that nobody is ever between two parcels.
    """

    def __init__(
        self,
        kind: Kind,
        bounds: Bounds,
        asker: Asker,
        runtime: Runtime,
        ended: Sequence[Callable[[Operation[Any]], None]] = (),
    ) -> None:
        self.groups: Groups[Waiter] = Groups(bounds)
        self.turns = Turns()
        self._kind = kind
        self._asker = asker
        self._runtime = runtime
        self._told = ended if kind.single.writes else ()
        self._waits = bounds.wait > 0
        self._timers: dict[Parcel[Waiter], asyncio.Handle] = {}
        self._tasks: dict[Parcel[Waiter], asyncio.Task[None]] = {}

    def enter(self, group: Group[Waiter], waiter: Waiter, op: Any, size: int) -> Parcel[Waiter]:
        """Add *op* to what is pending, which is sent at the end of this turn, or when due.

        Raises:
            DeadlineExceeded: The caller's deadline has passed.
            Closed: The store is closed.
        """
        call = current.get()
        end = None if call is None else call.deadline
        now = 0.0 if end is None and not self._waits else self._runtime.now()
        if end is not None and end <= now:
            raise DeadlineExceeded(_TOO_LATE, layer="batch", sent="no")
        parcel = group.pending
        if parcel is not None and size and not self.groups.has_room(parcel, size):
            self._send(parcel)
            parcel = None
        if parcel is None:
            parcel = self._begin(group, now)
        is_full = self.groups.join(parcel, waiter, op, size)
        if end is not None and self.groups.limit(parcel, waiter, end, now) and self._waits:
            self._at(parcel)
        if is_full:
            self._send(parcel)
        return parcel

    def leave(self, parcel: Parcel[Waiter], waiter: Waiter) -> None:
        """Let go of one who was cancelled, unless that came together with an answer."""
        if waiter in parcel.items and (waiter.cancelled() or not waiter.done()):
            self._left(parcel, waiter)

    def close(self) -> None:
        """Let nobody wait any longer for what was not sent."""
        self.turns.close()
        for group in [*self.groups.by_options.values()]:
            if group.pending is not None:
                self._refuse(group.pending)

    def status(self) -> BatchStatus:
        """Tell what it has done, and does now."""
        groups = self.groups
        parcels = [group.pending for group in groups.by_options.values()]
        pending = sum(len(parcel.items) for parcel in parcels if parcel is not None)
        counted = groups.lone, groups.batches, groups.items, groups.largest, groups.left
        return BatchStatus(*counted, self._asker.split, pending, len(self._tasks))

    def _begin(self, group: Group[Waiter], now: float) -> Parcel[Waiter]:
        if self._runtime.stopped:
            raise Closed(_CLOSED)
        parcel = self.groups.begin(group, now)
        if self._waits:
            self._at(parcel)
        else:
            loop = asyncio.get_running_loop()
            self._timers[parcel] = loop.call_soon(self._send, parcel)
        return parcel

    def _at(self, parcel: Parcel[Waiter]) -> None:
        """Send it when it is due."""
        self._stop(parcel)
        loop = asyncio.get_running_loop()
        self._timers[parcel] = loop.call_at(parcel.due, self._send, parcel)

    def _stop(self, parcel: Parcel[Waiter]) -> None:
        handle = self._timers.pop(parcel, None)
        if handle is not None:
            handle.cancel()

    def _send(self, parcel: Parcel[Waiter]) -> None:
        self._stop(parcel)
        self._sort_out(parcel)
        if not parcel.items:
            return
        self.groups.send(parcel)
        call, name = Call(parcel.latest()), self._asker.name
        task = self._runtime.spawn(self._run(parcel), name, call=call, needed=True)
        self._tasks[parcel] = task
        task.add_done_callback(partial(self._ended, parcel))
        self._watch(parcel)

    def _sort_out(self, parcel: Parcel[Waiter]) -> None:
        """Keep only those who still wait: the loop may have come late."""
        for waiter in [waiter for waiter in parcel.items if waiter.cancelled()]:
            self._left(parcel, waiter)
        if parcel.ends:
            for waiter in parcel.over(self._runtime.now()):
                waiter.set_result(DeadlineExceeded(_TOO_LATE, layer="batch", sent="no"))
                self._left(parcel, waiter)
        if self._runtime.stopped:
            self._refuse(parcel)

    def _refuse(self, parcel: Parcel[Waiter]) -> None:
        for waiter in [*parcel.items]:
            if not waiter.done():
                waiter.set_result(Closed(_CLOSED))
            self._left(parcel, waiter)

    def _watch(self, parcel: Parcel[Waiter]) -> None:
        """Wake up when the first of those who wait is out of time."""
        if parcel.ends:
            loop = asyncio.get_running_loop()
            first = min(parcel.ends.values())
            self._timers[parcel] = loop.call_at(first, self._expire, parcel, first)

    def _expire(self, parcel: Parcel[Waiter], when: float) -> None:
        for waiter in parcel.over(max(when, self._runtime.now())):  # timers may fire a hair early
            if not waiter.done():
                waiter.set_result(DeadlineExceeded(_LATE, layer="batch", sent="maybe"))
                self._left(parcel, waiter)
        self._watch(parcel)

    def _left(self, parcel: Parcel[Waiter], waiter: Waiter) -> None:
        if self._kind.single.writes and not parcel.sent:
            self.turns.give(self._kind.target(parcel.items[waiter]))
        if self.groups.leave(parcel, waiter):
            self._stop(parcel)
            if parcel.sent:
                self._tasks[parcel].cancel()

    async def _run(self, parcel: Parcel[Waiter]) -> None:
        told = await self._asker.ask([*parcel.items.values()])
        self._finish(parcel)
        for waiter, each in zip(parcel.items, told, strict=True):
            if not waiter.done():
                waiter.set_result(each)

    def _finish(self, parcel: Parcel[Waiter]) -> None:
        """Let the next write what these have written."""
        parcel.ended = True
        self._stop(parcel)
        if self._kind.single.writes:
            for waiter, op in parcel.items.items():
                self.turns.give(self._kind.target(op))
                if waiter.done():  # its caller had left
                    for tell in self._told:
                        tell(op)

    def _ended(self, parcel: Parcel[Waiter], _: asyncio.Task[None]) -> None:
        """Let the group end, once those who were told had time to ask for more together."""
        del self._tasks[parcel]
        if not parcel.ended:  # cancelled: nobody waits, or the store is closed
            self._finish(parcel)
            for waiter in parcel.items:
                if not waiter.done():
                    waiter.set_result(Closed(_CLOSED))
        self._rest(parcel.group, _TURNS if len(parcel.items) > 1 else 0)

    def _rest(self, group: Group[Waiter], turns: int) -> None:
        if turns:
            asyncio.get_running_loop().call_soon(self._rest, group, turns - 1)
        else:
            self.groups.end(group)
