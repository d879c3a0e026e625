"""What one caller's call knows: its deadline, and what layers tell about its answers."""

from __future__ import annotations

import asyncio
import math
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, final

from lamina.errors import Invalid

if TYPE_CHECKING:
    from types import TracebackType

    from lamina.errors import Brief

_MOST: Final = sys.float_info.max

current: Final[ContextVar[Call | None]] = ContextVar("lamina.call", default=None)


@final
class Call:
    """The context of one caller, or of one operation or attempt of it (then it has a parent).

    Attributes:
        deadline: When the caller's budget ends, in loop time; None for never.
        attempt: Which attempt this is, from 1.
        queued: Seconds spent waiting for a place inside a layer.
        degraded: Operations answered with less than was asked.
        served_by: Backend by operation, where another than the first answered.
        age: Seconds since the answer was true, by operation, where it may be stale.
    """

    __slots__ = ("age", "attempt", "deadline", "degraded", "parent", "queued", "served_by")

    def __init__(self, *, deadline: float | None = None, parent: Call | None = None) -> None:
        self.deadline = deadline
        self.parent = parent
        self.attempt = 1
        self.queued = 0.0
        self.degraded: list[Brief] = parent.degraded if parent else []
        self.served_by: dict[Brief, str] = parent.served_by if parent else {}
        self.age: dict[Brief, float] = parent.age if parent else {}

    def child(self) -> Call:
        """Return a context of one operation, which reports to this one."""
        return Call(deadline=self.deadline, parent=self)


@final
class call:  # noqa: N801  # used as a statement: async with lamina.call(deadline=2.0)
    """Give the operations inside one budget of *deadline* seconds in all.

    Inside another ``call`` the earlier deadline holds. ``as`` gives the ``Call``, which collects
    what was degraded.

    Raises:
        Invalid: *deadline* is negative or not a number.
    """

    def __init__(self, *, deadline: float | None = None) -> None:
        self._seconds = math.inf if deadline is None else _seconds(deadline)
        self._before: dict[Call | None, Call | None] = {}  # of each one inside: it may be shared

    async def __aenter__(self) -> Call:
        before = current.get()
        ends = asyncio.get_running_loop().time() + self._seconds
        if before is not None and before.deadline is not None:
            ends = min(ends, before.deadline)
        made = Call(deadline=None if math.isinf(ends) else ends)
        self._before[made] = before
        current.set(made)
        return made

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        current.set(self._before.pop(current.get(), None))


def _seconds(deadline: object) -> float:
    if not isinstance(deadline, int | float):
        msg = f"deadline must be a number, got {type(deadline).__name__}"
        raise Invalid(msg)
    if not deadline >= 0:
        msg = f"deadline must be at least 0 s, got {max(deadline, -_MOST):g}"
        raise Invalid(msg)
    return math.inf if deadline > _MOST else deadline


def remaining(now: float) -> float:
    """Return the seconds until the current deadline; infinite without one."""
    context = current.get()
    if context is None or context.deadline is None:
        return math.inf
    return context.deadline - now
