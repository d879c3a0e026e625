"""A timer for the current deadline, where what stands below might not end by itself."""

from __future__ import annotations

from asyncio import CancelledError
from typing import TYPE_CHECKING, Any, final

from lamina.context import ends, note_late
from lamina.errors import DeadlineExceeded
from lamina.timers import Timers, resumed

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from lamina.operation import Handler, Op, Operation, R


@final
class Timed:
    """Cancels what is still waited for when the deadline of its ``Call`` has passed.

    Attributes:
        late: How many answered all the same.
    """

    def __init__(self) -> None:
        self.timers = Timers(last=True)
        self.late = 0

    def around(self, inner: Handler[Op, R]) -> Handler[Op, R]:
        """Return *inner* with the timer, which costs nothing unless the call suspends."""

        async def handler(op: Op) -> R:
            until = ends()  # while a call is suspended, the context is that of what it waits in
            call = inner(op)
            try:
                waits_for = call.send(None)
            except StopIteration as answered:
                answer: R = answered.value
                return answer
            return await self._limited(op, call, waits_for, until)

        return handler

    async def _limited(
        self, op: Operation[Any], call: Coroutine[Any, Any, R], waits_for: Any, until: float
    ) -> R:
        entry = self.timers.start(until)
        try:
            answer: R = await resumed(call, waits_for)
        except CancelledError as cancelled:
            if not entry.was_ours():
                raise
            msg = "the deadline has passed"
            raise DeadlineExceeded(msg, layer="deadline") from cancelled
        else:
            if entry.expired:
                self.late += 1
                note_late(op.brief())
            return answer
        finally:
            self.timers.end(entry)
