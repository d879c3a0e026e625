"""End an attempt that takes too long."""

from __future__ import annotations

import math
from asyncio import CancelledError
from dataclasses import replace
from typing import TYPE_CHECKING, Any, final

from lamina.context import remaining
from lamina.errors import DeadlineExceeded, TimedOut
from lamina.layer import Layer
from lamina.options import check_number
from lamina.timers import Timers, resumed

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from lamina.operation import Handler, Op, Operation, R
    from lamina.plan import Worst
    from lamina.site import Site


@final
class Timeout(Layer):
    """Cancel an attempt after *seconds*, or at the caller's deadline if that comes first.

    Costs no timer unless the attempt suspends; then all attempts share one timer of the loop.
    The attempt is cancelled and waited for, so an attempt that takes long to clean up ends late;
    one that answers in spite of the cancellation has its answer delivered.

    Raises:
        TimedOut: No answer within *seconds*; whether a write happened is unknown.
        DeadlineExceeded: The caller's own budget ended first.
    """

    slot = "timeout"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        check_number(self, "seconds", above=0)

    def setup(self, site: Site) -> None:
        self._runtime = site.runtime
        self._timers = Timers()

    async def around(self, op: Op, inner: Handler[Op, R]) -> R:
        attempt = inner(op)
        try:
            waits_for = attempt.send(None)
        except StopIteration as answered:  # it never suspended: no timer
            answer: R = answered.value
            return answer
        return await self._limited(attempt, waits_for)

    def worst(self, op: type[Operation[Any]], below: Worst) -> Worst:
        del op
        return replace(below, seconds=min(self.seconds, below.seconds or math.inf))

    async def close(self) -> None:
        self._timers.stop()

    async def _limited(self, attempt: Coroutine[Any, Any, R], waits_for: Any) -> R:
        now = self._runtime.now()
        left = remaining(now)
        limit = min(self.seconds, left)
        entry = self._timers.start(now + limit)
        try:
            answer: R = await resumed(attempt, waits_for)
            return answer
        except CancelledError as cancelled:
            if not entry.was_ours():
                raise
            if left < self.seconds:
                msg = "the caller's deadline has passed"
                raise DeadlineExceeded(msg, layer="timeout") from cancelled
            msg = f"no answer within {self.seconds:g} s"
            raise TimedOut(msg, layer="timeout") from cancelled
        finally:
            self._timers.end(entry)
