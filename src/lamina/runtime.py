"""Time, chance and tasks for the layers of one stack."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Final, TypeVar, final

from lamina.context import current, remaining
from lamina.errors import DeadlineExceeded

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from lamina.context import Call

T = TypeVar("T")
_log: Final = logging.getLogger("lamina.runtime")


@final
class Runtime:
    """What a layer may know of the world; bound to the loop of its stack's first call.

    *rng* makes chance repeatable. Closing waits *grace* seconds for tasks, then cancels them and
    waits as long again. At most *room* optional tasks run at once.
    """

    def __init__(
        self, *, rng: random.Random | None = None, grace: float = 5.0, room: int = 256
    ) -> None:
        self.rng = rng or random.Random()  # jitter, no secret
        self.grace = grace
        self.room = room
        self.skipped = 0
        self.failed = 0
        self.abandoned = 0
        self.stopped = False
        self.now: Callable[[], float] = _now
        self.wall: Callable[[], float] = _wall
        self._tasks: set[asyncio.Task[Any]] = set()
        self._needed: set[asyncio.Task[Any]] = set()
        self._stuck: set[asyncio.Task[Any]] = set()
        self._kept: list[object] = []

    def keep(self, state: object) -> None:
        """Hold *state*, which is shared by name, as long as this runtime lives."""
        self._kept.append(state)

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take time from *loop* from now on."""
        plain = getattr(type(loop), "time", None) is asyncio.BaseEventLoop.time
        self.now = time.monotonic if plain else loop.time  # what BaseEventLoop.time itself calls
        self.wall = getattr(loop, "wall", time.time)

    async def sleep(self, seconds: float) -> None:
        """Sleep, unless the caller's deadline comes first.

        Raises:
            DeadlineExceeded: At once, when *seconds* do not fit before the deadline.
        """
        left = remaining(self.now())
        if seconds > left:
            msg = f"a wait of {seconds:.3g} s does not fit before the deadline"
            raise DeadlineExceeded(msg, sent="no")
        await asyncio.sleep(seconds)

    def spawn(
        self,
        work: Coroutine[Any, Any, T],
        name: str,
        *,
        call: Call | None = None,
        inherits: bool = False,
        needed: bool = False,
    ) -> asyncio.Task[T]:
        """Run *work* as a task in a clean context that carries only *call*.

        With *inherits*, for what ends with the caller's call, the rest is as in the caller's. One
        that is *needed* takes no room from the optional ones.
        The reference is kept until it ends; a failure that nobody awaits is logged and counted.
        """
        context = copy_context() if inherits else Context()
        context.run(current.set, call)
        task = asyncio.get_running_loop().create_task(work, name=name, context=context)
        self._tasks.add(task)
        if needed:
            self._needed.add(task)
        task.add_done_callback(self._ended)
        return task

    def has_room(self) -> bool:
        """Tell whether an optional task may start; count it as skipped if not."""
        if len(self._tasks) - len(self._needed) < self.room:
            return True
        self.skipped += 1
        return False

    def abandon(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        """Wait no longer for *tasks*, which were cancelled; what they raise is retrieved.

        Each is logged and counted. They take room, and closing waits for them too.
        """
        for task in tasks:
            self.abandoned += 1
            self._needed.discard(task)
            _log.warning("task %s was cancelled and does not end", task.get_name())

    async def drain(self) -> None:
        """Wait for the tasks within the grace time, then cancel and await the rest."""
        try:
            if self._tasks:
                await asyncio.wait(set(self._tasks), timeout=self.grace)
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Cancel the tasks and wait for their end, at most the grace time; log what stays."""
        self.stopped = True
        left = self._tasks - self._stuck
        for task in left:
            task.cancel()
        if left:
            _, stuck = await asyncio.wait(left, timeout=self.grace)
            self._stuck |= stuck
            self.abandon(stuck)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._needed.discard(task)
        self._stuck.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failed += 1
            _log.debug("task %s failed: %s", task.get_name(), type(error).__name__)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _wall() -> float:
    wall: Callable[[], float] = getattr(asyncio.get_running_loop(), "wall", time.time)
    return wall()
