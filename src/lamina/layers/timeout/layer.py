"""End an attempt that takes too long."""

from __future__ import annotations

import math
from asyncio import CancelledError
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, final

from lamina.context import current, note_late
from lamina.errors import DeadlineExceeded, TimedOut
from lamina.layer import Layer
from lamina.options import check_number
from lamina.timers import Timers, resumed

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from lamina.errors import StorageError
    from lamina.operation import Handler, Op, Operation, R
    from lamina.plan import Worst
    from lamina.site import Site


class TimeoutStatus(NamedTuple):
    """What a ``Timeout`` has done: attempts ended, ended by the deadline, answered late."""

    timed_out: int
    cut_short: int
    late: int


@final
class Timeout(Layer):
    """Cancel an attempt after *seconds*, or at the caller's deadline if that comes first.

    Costs no timer unless the attempt suspends; then all attempts share one timer of the loop.
    The attempt is cancelled and waited for, so an attempt that takes long to clean up ends late;
    one that answers in spite of the cancellation has its answer delivered, counted in
    ``status().late`` and told in ``Call.late``, so that no cache keeps it. A cancellation by the
    caller wins over the limit.

    Raises:
        TimedOut: No answer within *seconds*; whether a write happened is unknown.
        DeadlineExceeded: The caller's own budget ended first; with ``sent="no"`` if it had
            ended before the attempt.
    """

    slot = "timeout"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        check_number(self, "seconds", above=0)

    def setup(self, site: Site) -> None:
        self._runtime = site.runtime
        self._timers = Timers()
        self._timed_out = self._cut_short = self._late = 0

    async def around(self, op: Op, inner: Handler[Op, R]) -> R:
        call = current.get()
        deadline = None if call is None else call.deadline
        if deadline is not None and deadline <= self._runtime.now():
            self._cut_short += 1
            msg = "the caller's deadline had passed before the attempt"
            raise DeadlineExceeded(msg, layer="timeout", sent="no")
        attempt = inner(op)
        try:
            waits_for = attempt.send(None)
        except StopIteration as answered:  # it never suspended: no timer
            answer: R = answered.value
            return answer
        return await self._limited(op, attempt, waits_for, deadline)

    def worst(self, op: type[Operation[Any]], below: Worst) -> Worst:
        del op
        return replace(below, seconds=min(self.seconds, below.seconds or math.inf))

    def status(self) -> TimeoutStatus:
        """Return what it has done since the stack was built."""
        return TimeoutStatus(self._timed_out, self._cut_short, self._late)

    async def close(self) -> None:
        self._timers.close()

    async def _limited(
        self,
        op: Operation[Any],
        attempt: Coroutine[Any, Any, R],
        waits_for: Any,
        deadline: float | None,
    ) -> R:
        limit = self._runtime.now() + self.seconds
        when = limit if deadline is None else min(deadline, limit)
        entry = self._timers.start(when)
        try:
            answer: R = await resumed(attempt, waits_for)
        except CancelledError as cancelled:
            if not entry.was_ours():
                raise
            raise self._ended(is_cut=when < limit) from cancelled
        else:
            if entry.expired:
                self._late += 1
                note_late(op.brief())
            return answer
        finally:
            self._timers.end(entry)

    def _ended(self, *, is_cut: bool) -> StorageError:
        if is_cut:
            self._cut_short += 1
            return DeadlineExceeded("the caller's deadline has passed", layer="timeout")
        self._timed_out += 1
        return TimedOut(f"no answer within {self.seconds:g} s", layer="timeout")
