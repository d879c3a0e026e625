"""Time for one store: a part of the caller's for the first, what is left for the other."""

from __future__ import annotations

from asyncio import CancelledError
from typing import TYPE_CHECKING, Any

from lamina.context import current
from lamina.errors import DeadlineExceeded
from lamina.timers import resumed

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from lamina.context import Call
    from lamina.layers.fallback.core import Policy
    from lamina.operation import Handler, Op, R
    from lamina.runtime import Runtime
    from lamina.timers import Timers


def reserving(
    inner: Handler[Op, R], policy: Policy, runtime: Runtime, timers: Timers | None
) -> Handler[Op, R]:
    """Return the first store's handler, whose deadline leaves the other its part of the time.

    Without *timers* what stands below ends it in time. It is *inner* itself with no reserve.
    """
    if not policy.reserve:
        return inner
    current_call = current.get

    def first(op: Op) -> Coroutine[Any, Any, R]:
        call = current_call()
        if call is None or call.deadline is None:
            return inner(op)
        return within(op, call, call.deadline)

    async def within(op: Op, call: Call, deadline: float) -> R:
        left = max(deadline - runtime.now(), 0.0)
        until = deadline - left * (0 if policy.stays(op) else policy.reserve)
        child = call.child()
        child.deadline = until
        current.set(child)
        try:
            if timers is None:
                return await inner(op)
            return await limited(timers, inner(op), until)
        finally:
            current.set(call)

    return first


async def limited(timers: Timers, attempt: Coroutine[Any, Any, R], until: float) -> R:
    """Return what *attempt* gives *until* then, in loop time; it is cancelled and waited for.

    Raises:
        DeadlineExceeded: It took longer.
    """
    try:
        waits_for = attempt.send(None)
    except StopIteration as answered:  # it never suspended: no timer
        answer: R = answered.value
        return answer
    entry = timers.start(until)
    try:
        ended: R = await resumed(attempt, waits_for)
    except CancelledError as cancelled:
        if not entry.was_ours():
            raise
        msg = "no answer in the part of the deadline that it had"
        raise DeadlineExceeded(msg, layer="fallback") from cancelled
    else:
        return ended
    finally:
        timers.end(entry)
