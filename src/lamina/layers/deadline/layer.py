"""Give each call one budget of time for all that it does."""

from __future__ import annotations

import math
from asyncio import CancelledError
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

from lamina.context import Call, current, ends, note_late
from lamina.errors import DeadlineExceeded
from lamina.layer import Layer
from lamina.options import check_number
from lamina.timers import Timers, resumed

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from lamina.operation import Handler, Op, Operation, R
    from lamina.plan import Worst
    from lamina.site import Site

_BOUNDED: Final = frozenset(
    ("cache", "squeeze", "seal", "retry", "hedge", "throttle", "breaker", "limit")
)
"""Slots whose layers end each wait of theirs at the deadline."""


class DeadlineStatus(NamedTuple):
    """What a ``Deadline`` has done: calls refused on arrival, ended, answered late all the same."""

    refused: int
    ended: int
    late: int


@final
class Deadline(Layer):
    """Let one call take *seconds* in all: attempts, the waits between them, queues.

    Where the caller's own ``lamina.call(deadline=...)`` ends sooner, that holds. Layers below see
    the moment in ``Call.deadline``: ``Timeout`` cuts an attempt short by it, and ``Cache``,
    ``Retry``, ``Hedge``, ``Throttle`` and ``Limit`` wait no longer. Where anything else may wait,
    or there is no ``Timeout``, calls that suspend share one timer of the loop; what has not given
    up by itself then is cancelled and waited for. So what takes long to clean up ends late; what
    answers in spite of it has its answer delivered, counted in ``status().late`` and told in
    ``Call.late``. What is being cancelled already, as an attempt cut short, has a second more.

    A cancellation by the caller wins over the deadline.

    Raises:
        DeadlineExceeded: The time was over; with ``sent="no"`` if it was so on arrival.
    """

    slot = "deadline"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        check_number(self, "seconds", above=0)

    def setup(self, site: Site) -> None:
        self._timers = Timers(last=True)
        outside = takewhile(lambda slot: slot != "timeout", site.slots_below)
        self._has_timer = "timeout" not in site.slots_below or not _BOUNDED.issuperset(outside)
        self._refused = self._cancelled = self._late = 0

    def bind(self, op: type[Op], inner: Handler[Op, R], site: Site) -> Handler[Op, R]:
        del op
        runtime, seconds = site.runtime, self.seconds
        get, put = current.get, current.set  # looked up once: they are on every call's way
        if self._has_timer:
            inner = self._limited(inner)

        async def handler(op: Op) -> R:
            now = runtime.now()
            before = get()
            latest = now + seconds
            if before is None or before.deadline is None or before.deadline > latest:
                put(Call(latest, before))
                try:
                    return await inner(op)
                finally:
                    put(before)
            if before.deadline > now:
                return await inner(op)
            raise self._refusal()

        return handler

    def worst(self, op: type[Operation[Any]], below: Worst) -> Worst:
        del op
        return replace(below, seconds=min(self.seconds, below.seconds or math.inf))

    def status(self) -> DeadlineStatus:
        """Return what it has done since the stack was built."""
        return DeadlineStatus(self._refused, self._cancelled, self._late)

    async def close(self) -> None:
        self._timers.stop()

    def _limited(self, inner: Handler[Op, R]) -> Handler[Op, R]:
        """Return a handler with a timer for the current deadline."""

        async def handler(op: Op) -> R:
            call = inner(op)
            try:
                waits_for = call.send(None)
            except StopIteration as answered:  # it never suspended: no timer
                answer: R = answered.value
                return answer
            return await self._ended(op, call, waits_for)

        return handler

    async def _ended(self, op: Operation[Any], call: Coroutine[Any, Any, R], waits_for: Any) -> R:
        entry = self._timers.start(ends())
        try:
            answer: R = await resumed(call, waits_for)
        except CancelledError as cancelled:
            if not entry.was_ours():
                raise
            self._cancelled += 1
            msg = "the deadline has passed"
            raise DeadlineExceeded(msg, layer="deadline") from cancelled
        else:
            if entry.expired:
                self._late += 1
                note_late(op.brief())
            return answer
        finally:
            self._timers.end(entry)

    def _refusal(self) -> DeadlineExceeded:
        self._refused += 1
        msg = "the deadline had passed before it was asked"
        return DeadlineExceeded(msg, layer="deadline", sent="no")
