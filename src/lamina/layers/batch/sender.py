"""Sends parcels, each in a task of its own, and tells those who wait."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeGuard, final

from lamina.batches import ask_each
from lamina.context import Call, current
from lamina.errors import Closed, Corrupt, DeadlineExceeded, StorageError
from lamina.layers.batch.core import BatchStatus, Groups, Parcel
from lamina.layers.batch.told import answer, is_split, reported
from lamina.layers.batch.turns import Turns
from lamina.once import own_copy
from lamina.values import Done, Failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.layers.batch.core import Bounds, Group
    from lamina.layers.batch.kinds import Kind
    from lamina.layers.batch.told import Told
    from lamina.operation import Handler, Operation
    from lamina.runtime import Runtime

Waiter: TypeAlias = "asyncio.Future[Told]"

_LATE: Final = "the deadline came before the batch was answered"
_TOO_LATE: Final = "the deadline had passed before the batch was sent"
_CLOSED: Final = "the store was closed before the batch was answered"


@final
class Sender:
    """Gathers operations of one *kind*; *one* answers a single below, *many* a batch."""

    def __init__(
        self,
        kind: Kind,
        bounds: Bounds,
        one: Handler[Any, Any],
        many: Handler[Any, Any],
        runtime: Runtime,
    ) -> None:
        self.groups: Groups[Waiter] = Groups(bounds)
        self.turns = Turns()
        self._kind = kind
        self._one = one
        self._many = many
        self._runtime = runtime
        self._waits = bounds.wait > 0
        self._writes = kind.single.writes
        self._name = f"batch {kind.many.__name__}"
        self._timers: dict[Parcel[Waiter], asyncio.Handle] = {}
        self._tasks: dict[Parcel[Waiter], asyncio.Task[None]] = {}

    def reader(self) -> Handler[Any, Any]:
        """Return the handler of reads; what each of many calls pays is spelled out."""
        groups, options, inner = self.groups, self._kind.options, self._one
        find, get_loop = groups.by_options.get, asyncio.get_running_loop
        enter, leave = self._enter, self._leave

        async def read(op: Any) -> Any:
            group = find(options(op))
            if group is None:
                group = groups.alone(options(op))
                try:
                    return await inner(op)
                finally:
                    groups.end(group)
            waiter: Waiter = get_loop().create_future()
            parcel = enter(group, waiter, op, 0)
            told = None
            try:
                told = await waiter
            finally:
                if told is None:
                    leave(parcel, waiter)
            return told.value if type(told) is Done else answer(told)

        return read

    def writer(self) -> Handler[Any, Any]:
        """Return the handler of writes: those of one target are sent one after the other."""
        groups, turns, inner = self.groups, self.turns, self._one
        kind, find = self._kind, self.groups.by_options.get

        async def write(op: Any) -> Any:
            target, options = kind.target(op), kind.options(op)
            if not turns.take(target):
                await turns.wait(target)
            group = find(options)
            if group is None:
                group = groups.alone(options)
                try:
                    return await inner(op)
                finally:
                    groups.end(group)
                    turns.give(target)
            waiter: Waiter = asyncio.get_running_loop().create_future()
            try:
                parcel = self._enter(group, waiter, op, kind.size(op))
            except Exception:
                turns.give(target)  # from now on it is given back with the parcel
                raise
            told = None
            try:
                told = await waiter
            finally:
                if told is None:
                    self._leave(parcel, waiter)
            return told.value if type(told) is Done else answer(told)

        return write

    def status(self) -> BatchStatus:
        """Tell what it has done, and does now."""
        groups = self.groups
        pending = sum(
            len(group.pending.items)
            for group in groups.by_options.values()
            if group.pending is not None
        )
        return BatchStatus(
            groups.lone,
            groups.batches,
            groups.items,
            groups.largest,
            groups.left,
            groups.split,
            pending,
            len(self._tasks),
        )

    def close(self) -> None:
        """Let nobody wait any longer for what was not sent."""
        for group in [*self.groups.by_options.values()]:
            parcel = group.pending
            if parcel is not None:
                for waiter in [*parcel.items]:
                    self._drop(parcel, waiter, Closed(_CLOSED))

    def _enter(self, group: Group[Waiter], waiter: Waiter, op: Any, size: int) -> Parcel[Waiter]:
        """Add *op* to what is pending, which is sent at the end of this turn, or when due."""
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
        now = self._runtime.now() if parcel.ends else 0.0
        for waiter in parcel.over(now):
            error = DeadlineExceeded(_TOO_LATE, layer="batch", sent="no")
            self._drop(parcel, waiter, error)
        if self._runtime.stopped:
            for waiter in [*parcel.items]:
                self._drop(parcel, waiter, Closed(_CLOSED))
        if not parcel.items:
            return
        self.groups.send(parcel)
        call = Call(parcel.latest())
        task = self._runtime.spawn(self._run(parcel), self._name, call=call, needed=True)
        self._tasks[parcel] = task
        task.add_done_callback(partial(self._ended, parcel))
        self._watch(parcel)

    def _watch(self, parcel: Parcel[Waiter]) -> None:
        """Wake up when the first of those who wait is out of time."""
        if parcel.ends:
            loop = asyncio.get_running_loop()
            first = min(parcel.ends.values())
            self._timers[parcel] = loop.call_at(first, self._expire, parcel, first)

    def _expire(self, parcel: Parcel[Waiter], when: float) -> None:
        for waiter in parcel.over(max(when, self._runtime.now())):
            if not waiter.done():
                waiter.set_result(DeadlineExceeded(_LATE, layer="batch", sent="maybe"))
                self._left(parcel, waiter)
        self._watch(parcel)

    def _leave(self, parcel: Parcel[Waiter], waiter: Waiter) -> None:
        """Let go of one who was cancelled, unless that came together with an answer."""
        if waiter.cancelled() or not waiter.done():
            self._left(parcel, waiter)

    def _left(self, parcel: Parcel[Waiter], waiter: Waiter) -> None:
        if self._writes and not parcel.sent:
            self.turns.give(self._kind.target(parcel.items[waiter]))
        if self.groups.leave(parcel, waiter):
            self._stop(parcel)
            if parcel.sent:
                self._tasks[parcel].cancel()

    def _drop(self, parcel: Parcel[Waiter], waiter: Waiter, error: Exception) -> None:
        """Tell one that it will not be sent."""
        if not waiter.done():  # else it was cancelled, and leaves
            waiter.set_result(error)
            self._left(parcel, waiter)

    async def _run(self, parcel: Parcel[Waiter]) -> None:
        told = reported(await self._ask([*parcel.items.values()]))
        self._give_back(parcel)
        for waiter, each in zip(parcel.items, told, strict=True):
            if not waiter.done():
                waiter.set_result(each)

    async def _ask(self, ops: list[Operation[Any]]) -> Sequence[Told]:
        try:
            if len(ops) == 1:
                return (Done(await self._one(ops[0])),)
            try:
                return _checked(await self._many(self._kind.many.gather(tuple(ops))), len(ops))
            except StorageError as error:
                if not is_split(error, writes=self._writes):
                    raise
            self.groups.split += 1
            return await ask_each(ops, self._one, self._runtime, self._name)
        except StorageError as error:
            return [Failed(error)] * len(ops)
        except Exception as error:  # such as Closed: each one's own
            return [_own(error) for _ in ops]

    def _give_back(self, parcel: Parcel[Waiter]) -> None:
        """Let the next write what these have written."""
        parcel.ended = True
        self._stop(parcel)
        if self._writes:
            for op in parcel.items.values():
                self.turns.give(self._kind.target(op))

    def _ended(self, parcel: Parcel[Waiter], task: asyncio.Task[None]) -> None:
        """Let the group end, after those who were told had a turn to ask for more."""
        del self._tasks[parcel]
        if not parcel.ended:  # cancelled: nobody waits, or the store is closed
            self._give_back(parcel)
            for waiter in parcel.items:
                if not waiter.done():
                    waiter.set_result(Closed(_CLOSED))
        del task
        self.groups.end(parcel.group)


def _checked(outcomes: object, count: int) -> Sequence[Told]:
    if not _are_outcomes(outcomes):
        msg = f"a batch was answered by {type(outcomes).__name__}"
        raise Corrupt(msg)
    if len(outcomes) != count:
        msg = f"{len(outcomes)} answers to a batch of {count}"
        raise Corrupt(msg)
    return outcomes


def _are_outcomes(outcomes: object) -> TypeGuard[tuple[Told, ...]]:
    return isinstance(outcomes, tuple)


def _own(error: Exception) -> Exception:
    made = own_copy(error)
    made.__cause__ = error
    return made
