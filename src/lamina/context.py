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

    A child tells what it collects to the outermost caller: they hold the same lists.

    Attributes:
        deadline: When the caller's budget ends, in loop time; None for never.
        attempt: Which attempt this is, from 1.
        queued: Seconds spent waiting for a place inside a layer, by it and its children.
        hedge: Which hedge this is, from 1; 0 for none.
    """

    attempt = 1  # these four live in the class until they are set: most calls never set them
    queued = 0.0
    hedge = 0
    _told: _Told | None = None

    def __init__(self, deadline: float | None = None, parent: Call | None = None) -> None:
        self.deadline = deadline
        self.parent = parent

    @property
    def degraded(self) -> list[Brief]:
        """Operations answered with less than was asked."""
        return self._answers().degraded

    @property
    def late(self) -> list[Brief]:
        """Operations whose answer came in spite of a limit that had passed."""
        return self._answers().late

    @property
    def doubtful(self) -> list[Brief]:
        """Writes repeated after an attempt whose outcome is unknown: that one may still arrive."""
        return self._answers().doubtful

    @property
    def served_by(self) -> dict[Brief, str]:
        """Backend by operation, where another than the first answered."""
        return self._answers().served_by

    @property
    def age(self) -> dict[Brief, float]:
        """Seconds since the answer was true, by operation, where it may be stale."""
        return self._answers().age

    def child(self) -> Call:
        """Return a context of one operation, which reports to this one."""
        return Call(deadline=self.deadline, parent=self)

    def is_fresh(self) -> bool:
        """Tell whether all answers so far were complete, of now, and in time."""
        told = self._told if self.parent is None else self._answers()
        return told is None or not (told.degraded or told.late or told.age)

    def tell(self, other: Call) -> None:
        """Add what this one has collected to *other*."""
        told = self._told if self.parent is None else self._answers()
        if told is not None:
            other.degraded.extend(told.degraded)
            other.late.extend(told.late)
            other.doubtful.extend(told.doubtful)
            other.served_by.update(told.served_by)
            other.age.update(told.age)

    def _answers(self) -> _Told:
        if self._told is None:
            parent = self.parent
            self._told = _Told() if parent is None else parent._answers()  # noqa: SLF001  # its own kind
        return self._told


@final
class _Told:
    __slots__ = ("age", "degraded", "doubtful", "late", "served_by")

    def __init__(self) -> None:
        self.degraded: list[Brief] = []
        self.late: list[Brief] = []
        self.doubtful: list[Brief] = []
        self.served_by: dict[Brief, str] = {}
        self.age: dict[Brief, float] = {}


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
        made = current.get()
        if made in self._before:  # else it is left elsewhere, as a generator may be
            current.set(self._before.pop(made))


def _seconds(deadline: object) -> float:
    if isinstance(deadline, bool) or not isinstance(deadline, int | float):
        msg = f"deadline must be a number, got {type(deadline).__name__}"
        raise Invalid(msg)
    if not deadline >= 0:
        msg = f"deadline must be at least 0 s, got {max(deadline, -_MOST):g}"
        raise Invalid(msg)
    return math.inf if deadline > _MOST else deadline


def ends() -> float:
    """Return when the current budget ends, in loop time; infinite without one."""
    context = current.get()
    if context is None or context.deadline is None:
        return math.inf
    return context.deadline


def remaining(now: float) -> float:
    """Return the seconds until the current deadline; infinite without one."""
    return ends() - now


def note_queued(seconds: float) -> None:
    """Tell all who measure the current operation that it has waited so long for a place."""
    context = current.get()
    while context is not None:
        context.queued += seconds
        context = context.parent


def note_late(brief: Brief) -> None:
    """Tell the caller, and a cache between, that an answer came after its limit had passed."""
    context = current.get()
    if context is not None:
        context.late.append(brief)


def note_doubtful(brief: Brief) -> None:
    """Tell the caller, and a cache between, that an earlier attempt may still be carried out."""
    context = current.get()
    if context is not None:
        context.doubtful.append(brief)
