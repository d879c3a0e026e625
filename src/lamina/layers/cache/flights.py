"""Single-flight: one reader asks below, the others wait for its answer."""

from __future__ import annotations

import asyncio
import copy
from enum import Enum
from typing import TYPE_CHECKING, Any, final

from lamina.context import Call, current
from lamina.errors import BackendError, DeadlineExceeded
from lamina.layers.cache.core import Fill

if TYPE_CHECKING:
    from types import TracebackType

    from lamina.layers.cache.core import Core, Identity, Table
    from lamina.layers.cache.marks import Mark
    from lamina.runtime import Runtime


class Told(Enum):
    """Why a follower woke."""

    ENDED = "the answer or the error is there"
    LEAD = "the leader left, ask yourself"
    LATE = "the follower's own deadline is over"


@final
class Flight(Fill):
    """A fill with those who wait for it, in the order they came."""

    __slots__ = ("answer", "call", "ended", "error", "waiters")

    def __init__(
        self,
        table: Table,
        identity: Identity,
        marks: tuple[Mark, ...],
        *,
        began: float = 0.0,
        clip: float | None = None,
    ) -> None:
        super().__init__(table, identity, marks, began=began, clip=clip)
        self.waiters: dict[asyncio.Future[Told], None] = {}
        self.ended = False
        self.answer: Any = None
        self.error: Exception | None = None
        self.call: Call | None = None

    def land(self, answer: Any, call: Call) -> None:
        """Give the answer to all who wait, with what *call* collected about it."""
        self.answer = answer
        self._end(call)

    def fail(self, error: Exception, call: Call) -> None:
        """Give each who waits a copy of the leader's error."""
        self.error = error
        self._end(call)

    def left(self) -> bool:
        """Tell whether it ended without an answer or an error: whoever still wants one must ask."""
        return self.ended and self.call is None

    def hand_over(self, core: Core) -> None:
        """Let the first who still waits ask instead; end if nobody does."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(Told.LEAD)
                return
        self.ended = True
        core.end(self)

    def _end(self, call: Call) -> None:
        self.call = call
        self.ended = True
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(Told.ENDED)

    async def follow(self, core: Core, runtime: Runtime) -> bool:
        """Wait for the end; True if there is none and the caller has to lead instead.

        Raises:
            DeadlineExceeded: The caller's own deadline came first.
        """
        if self.ended:
            return self.left()
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Told] = loop.create_future()
        context, timer, told = current.get(), None, None
        if context is not None and context.deadline is not None:
            left = context.deadline - runtime.now()
            timer = loop.call_later(max(left, 0.0), _expire, waiter)
        self.waiters[waiter] = None
        try:
            told = await waiter
        finally:
            if timer is not None:
                timer.cancel()
            del self.waiters[waiter]
            if told is None and not waiter.cancelled() and waiter.result() is Told.LEAD:
                self.hand_over(core)  # cancelled just after it was to lead
        if told is Told.LATE:
            msg = "the deadline came before the answer that another reader asked for"
            raise DeadlineExceeded(msg, layer="cache", sent="no")
        return told is Told.LEAD

    def result(self) -> Any:
        """Return the answer to a follower, or raise its own copy of the error."""
        if self.call is not None:
            tell(self.call, current.get())
        if self.error is not None:
            raise own_copy(self.error) from self.error
        return self.answer


@final
class Asking:
    """A context of its own for what is asked below: what it collects is told to every reader."""

    __slots__ = ("_before", "_call")

    def __enter__(self) -> Call:
        self._before = current.get()
        self._call = Call(deadline=None if self._before is None else self._before.deadline)
        current.set(self._call)
        return self._call

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        current.set(self._before)
        tell(self._call, self._before)


def tell(call: Call, reader: Call | None) -> None:
    """Add what *call* collected to a reader's own context."""
    if reader is not None:
        call.tell(reader)


def own_copy(error: Exception) -> Exception:
    """Return a copy that can be raised and noted without touching the original."""
    try:
        made = copy.copy(error)
    except Exception:  # whatever a foreign constructor does
        made = BackendError(f"the shared read failed: {type(error).__name__}", sent="maybe")
    notes: list[str] = getattr(error, "__notes__", [])
    if notes:
        made.__notes__ = [*notes]
    return made


def _expire(waiter: asyncio.Future[Told]) -> None:
    if not waiter.done():
        waiter.set_result(Told.LATE)
