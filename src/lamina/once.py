"""Make something once: whoever wants it meanwhile waits for the first to ask."""

from __future__ import annotations

import asyncio
import math
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast, final

from lamina.context import Call, current, ends
from lamina.copies import own_copy as own_copy  # noqa: PLC0414  # belongs to what is shared
from lamina.errors import DeadlineExceeded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Hashable

T = TypeVar("T")

_ITSELF: Final = "what makes the answer asks for that answer"
_LATE: Final = "the deadline came before the answer that another caller asked for"


class Told(Enum):
    """Why one who waited woke."""

    ENDED = "the answer or the error is there"
    LEAD = "the one who made it left, make it yourself"
    LATE = "the waiter's own deadline is over"


@final
class Once(Generic[T]):
    """What is being made now, by key; for one event loop.

    Attributes:
        ended: How many have ended so far. Who looked before one ended may have looked too early.
    """

    def __init__(self, layer: str = "") -> None:
        self.ended = 0
        self._layer = layer
        self._under_way: dict[Hashable, Making[T]] = {}

    async def make(
        self, key: Hashable, work: Callable[[Making[T]], Coroutine[Any, Any, T]]
    ) -> tuple[T, bool]:
        """Return what *work* makes, or another's that is under way; and whether it is another's.

        A caller who is cancelled, or out of time, leaves the others alone: the next in line makes
        it, with a *work* of its own. Each who waits for one that fails gets its own copy of the
        error, ``from`` the original.

        Raises:
            DeadlineExceeded: The caller's deadline came first.
            RecursionError: *work* asks, in its own task, for what it makes.
        """
        making = self._under_way.get(key)
        first = making is None
        if making is None:
            making = self._under_way[key] = Making()
        try:
            if first or await making.follow(self._layer):
                return await making.lead(work), False
            return making.result(), True
        finally:
            if making.ended and self._under_way.get(key) is making:
                del self._under_way[key]
                self.ended += 1

    def outdate(self, key: Hashable) -> None:
        """Let whoever comes from now on begin anew; who makes it sees it by ``Making.outdated``."""
        if self._under_way and (making := self._under_way.pop(key, None)) is not None:
            making.outdated = True

    def __len__(self) -> int:
        return len(self._under_way)


class Shared(Generic[T]):
    """What one caller makes and others wait for; it keeps their order.

    Attributes:
        ended: Whether it was made, has failed, or was left by all.
        leader: The task that makes it, which would wait for ever if it came to wait for it.
    """

    def __init__(self) -> None:
        self.ended = False
        self.leader: asyncio.Task[Any] | None = None
        self._waiters: dict[asyncio.Future[Told], None] = {}
        self._made: Any = None
        self._error: Exception | None = None
        self._call: Call | None = None

    def land(self, made: T, call: Call) -> None:
        """Give what was made to all who wait, with what *call* collected about it."""
        self._made = made
        self._end(call)

    def fail(self, error: Exception, call: Call) -> None:
        """Give each who waits a copy of the error."""
        self._error = error
        self._end(call)

    def was_left(self) -> bool:
        """Tell whether it ended without an answer or an error: who still wants one must ask."""
        return self.ended and self._call is None

    def hand_over(self) -> None:
        """Let the first who still waits make it instead; end if nobody does."""
        self.leader = None
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(Told.LEAD)
                return
        self.ended = True

    async def follow(self, layer: str) -> bool:
        """Wait for the end; True if there is none and the caller has to lead instead.

        Raises:
            DeadlineExceeded: The caller's own deadline came first.
            RecursionError: The task that makes it would wait for itself.
        """
        if self.ended:
            return self._call is None
        if self.leader is not None and self.leader is asyncio.current_task():
            raise RecursionError(_ITSELF)
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Told] = loop.create_future()
        end, timer, told = ends(), None, None
        if not math.isinf(end):
            timer = loop.call_later(max(end - loop.time(), 0.0), _expire, waiter)
        self._waiters[waiter] = None
        try:
            told = await waiter
        finally:
            if timer is not None:
                timer.cancel()
            del self._waiters[waiter]
            if told is None and not waiter.cancelled() and waiter.result() is Told.LEAD:
                self.hand_over()  # cancelled just after it was to lead
        if told is Told.LATE:
            raise DeadlineExceeded(_LATE, layer=layer, sent="no")
        return told is Told.LEAD

    def result(self) -> T:
        """Return what was made, or raise an own copy of the error."""
        tell(self._call, current.get())
        if self._error is not None:
            raise own_copy(self._error) from self._error
        return cast("T", self._made)

    def _end(self, call: Call) -> None:
        self._call = call
        self.leader = None
        self.ended = True
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(Told.ENDED)


@final
class Making(Shared[T]):
    """One value being made; *outdated* tells its maker that it must not be stored."""

    def __init__(self) -> None:
        super().__init__()
        self.outdated = False

    async def lead(self, work: Callable[[Making[T]], Coroutine[Any, Any, T]]) -> T:
        """Do the work and give what it makes to all who wait."""
        self.leader = asyncio.current_task()
        with Asking() as call:
            try:
                made = await work(self)
                self.land(made, call)
            except DeadlineExceeded:  # the leader's own, those who wait may have longer
                raise
            except Exception as error:
                self.fail(error, call)
                raise
            finally:
                if not self.ended:
                    self.hand_over()
        return made


@final
class Asking:
    """A context of its own for what is shared: what it collects is told to all who get it."""

    __slots__ = ("_before", "_call")

    def __enter__(self) -> Call:
        self._before = current.get()
        self._call = Call(deadline=None if self._before is None else self._before.deadline)
        current.set(self._call)
        return self._call

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is not GeneratorExit or current.get() is self._call:
            current.set(self._before)  # what is thrown away ends in anybody's context
        tell(self._call, self._before)


def tell(call: Call | None, reader: Call | None) -> None:
    """Add what *call* collected to a reader's own context."""
    if call is not None and reader is not None:
        call.tell(reader)


async def in_time(work: Awaitable[T], layer: str) -> T:
    """Await what is not bounded by itself, until the caller's deadline.

    Raises:
        DeadlineExceeded: It came first; *work* was cancelled.
    """
    end = ends()
    if math.isinf(end):
        return await work
    limit = asyncio.timeout_at(end)
    try:
        async with limit:
            return await work
    except TimeoutError as error:
        if not limit.expired():
            raise
        msg = "the deadline came before the answer"
        raise DeadlineExceeded(msg, layer=layer, sent="maybe") from error


def _expire(waiter: asyncio.Future[Told]) -> None:
    if not waiter.done():
        waiter.set_result(Told.LATE)
