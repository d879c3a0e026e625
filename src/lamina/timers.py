"""Many time limits on one timer of the loop, for what was started by hand."""

from __future__ import annotations

import asyncio
import heapq
import types
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar, cast, final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator

R = TypeVar("R")


@final
class Entry:
    """One limited attempt; cancels its task when the time has come."""

    __slots__ = ("cancelling", "expired", "task", "when")

    def __init__(self, when: float) -> None:
        task = asyncio.current_task()
        if task is None:
            msg = "operations run inside a task"
            raise RuntimeError(msg)
        self.when = when
        self.task: asyncio.Task[Any] | None = task
        self.cancelling = task.cancelling()
        self.expired = False

    def was_ours(self) -> bool:
        """Tell whether the cancellation that arrived is this entry's alone.

        An outer cancellation, in the same turn of the loop too, wins.
        """
        return self.expired and self._taken_back() <= self.cancelling

    def expire(self) -> None:
        """Cancel the task."""
        if self.task is not None:
            self.expired = True
            self.task.cancel()

    def finish(self) -> None:
        """Forget the task; take a cancellation back that nobody has."""
        if self.expired:
            self._taken_back()
        self.task = None

    def _taken_back(self) -> int:
        task = self.task
        if task is None:
            return 0
        self.expired = False
        return task.uncancel()


@final
class Timers:
    """First in, first out while the limits are equal; a heap for those that end sooner."""

    def __init__(self) -> None:
        self._line: deque[Entry] = deque()
        self._sooner: list[tuple[float, int, Entry]] = []
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None

    def start(self, when: float) -> Entry:
        """Begin to limit the current task's attempt, until *when* in loop time."""
        entry = Entry(when)
        line = self._line
        if not line or when >= line[-1].when:
            line.append(entry)
        else:
            heapq.heappush(self._sooner, (when, next(self._numbers), entry))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(when, self._fire)
        elif when < self._timer.when():
            self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_at(when, self._fire)
        return entry

    def end(self, entry: Entry) -> None:
        """Stop limiting; the timer stays, the next attempt will want it."""
        entry.finish()
        line = self._line
        while line and line[0].task is None:
            line.popleft()

    def stop(self) -> None:
        """Give the timer back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        loop = asyncio.get_running_loop()
        fired = self._timer
        now = max(loop.time(), fired.when() if fired is not None else 0.0)
        line, sooner = self._line, self._sooner
        while line and (line[0].task is None or line[0].when <= now):
            line.popleft().expire()
        while sooner and (sooner[0][2].task is None or sooner[0][0] <= now):
            heapq.heappop(sooner)[2].expire()
        nearest = [entry.when for entry in (*list(line)[:1], *(e for _, _, e in sooner[:1]))]
        self._timer = loop.call_at(min(nearest), self._fire) if nearest else None


def _resumed(started: Coroutine[Any, Any, R], waits_for: Any) -> Generator[Any, Any, R]:
    while True:
        try:
            yield waits_for
        except GeneratorExit:
            started.close()
            raise
        except BaseException as thrown:  # passed inwards, as await would
            try:
                waits_for = started.throw(thrown)
            except StopIteration as answered:
                return cast("R", answered.value)
        else:
            return (yield from cast("Generator[Any, Any, R]", started))


resumed = cast(
    "Callable[[Coroutine[Any, Any, Any], Any], Awaitable[Any]]", types.coroutine(_resumed)
)
"""Await the rest of *started*, whose first ``send`` gave *waits_for*."""
