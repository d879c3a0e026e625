"""Many time limits on one timer of the loop, for what was started by hand."""

from __future__ import annotations

import asyncio
import heapq
import types
from asyncio import current_task
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator

R = TypeVar("R")

_TURNS: Final = 4  # in which a wait that ends by itself has told why, through tasks between, too
_GRACE: Final = 1.0  # seconds for what is being cancelled already
_FEW: Final = 64  # ended entries that are never worth sweeping


@final
class Entry:
    """One limited attempt; cancels its task when the time has come."""

    expired = False  # these two live in the class until they are set: most entries never set them
    spared = False

    def __init__(self, when: float) -> None:
        task = current_task()
        if task is None:
            msg = "operations run inside a task"
            raise RuntimeError(msg)
        self.when = when
        self.task: asyncio.Task[Any] | None = task
        self.cancelling = task.cancelling()

    def was_ours(self) -> bool:
        """Tell whether the cancellation that arrived is this entry's alone.

        An outer cancellation, in the same turn of the loop too, wins.
        """
        return self.expired and self.take_back() <= self.cancelling

    def expire(self) -> None:
        """Cancel the task."""
        if self.task is not None:
            self.expired = True
            self.task.cancel()

    def spare(self) -> bool:
        """Tell, once, whether the task is being cancelled already and needs time to clean up."""
        if self.spared or self.task is None or self.task.cancelling() <= self.cancelling:
            return False
        self.spared = True
        return True

    def take_back(self) -> int:
        """Take the cancellation back; return how many others the task has."""
        task = self.task
        if task is None:
            return 0
        self.expired = False
        return task.uncancel()


@final
class Timers:
    """First in, first out while the limits are equal; a heap for those that end sooner.

    With *last*, what bounds itself by the same moment is heard first: the limit comes a few turns
    of the loop later, and a second later for a task that is being cancelled already.
    """

    def __init__(self, *, last: bool = False) -> None:
        self._last = last
        self._line: deque[Entry] = deque()
        self._sooner: list[tuple[float, int, Entry]] = []
        self._numbers = count()
        self._ended = 0  # entries that ended, less those that left
        self._timer: asyncio.Handle | None = None
        self._next = 0.0  # when the timer fires

    def start(self, when: float) -> Entry:
        """Begin to limit the current task's attempt, until *when* in loop time."""
        entry = Entry(when)
        line = self._line
        if not line or when >= line[-1].when:
            line.append(entry)
        else:
            self._push(entry)
        if self._timer is None or when < self._next:
            self._set(when)
        return entry

    def end(self, entry: Entry) -> None:
        """Stop limiting; the timer stays, the next attempt will want it."""
        if entry.expired:
            entry.take_back()
        entry.task = None
        self._ended += 1
        line = self._line
        while line and line[0].task is None:
            line.popleft()
            self._ended -= 1
        sooner = self._sooner
        while sooner and sooner[0][2].task is None:
            heapq.heappop(sooner)
            self._ended -= 1
        if self._ended > _FEW and 2 * self._ended > len(line) + len(sooner):
            self._sweep()

    def close(self) -> None:
        """Give the timer back, unless something is limited still, which ends in time even so."""
        if self._ended == len(self):
            self.stop()

    def stop(self) -> None:
        """Give the timer back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def __len__(self) -> int:
        return len(self._line) + len(self._sooner)

    def _push(self, entry: Entry) -> None:
        heapq.heappush(self._sooner, (entry.when, next(self._numbers), entry))

    def _set(self, when: float) -> None:
        self.stop()
        self._timer = asyncio.get_running_loop().call_at(when, self._fire, when)
        self._next = when

    def _fire(self, when: float, turns: int = 0) -> None:
        loop = asyncio.get_running_loop()
        if self._last and turns < _TURNS:
            self._timer = loop.call_soon(self._fire, when, turns + 1)
            return
        now = max(loop.time(), when)  # a timer may fire a hair too soon
        for entry in self._due(now):
            if self._last and entry.spare():
                entry.when = now + _GRACE
                self._push(entry)
                self._ended += 1  # it has not left
            else:
                entry.expire()
        self._timer = None
        nearest = [self._line[0].when] if self._line else []
        nearest += [when for when, _, _ in self._sooner[:1]]
        if nearest:
            self._set(min(nearest))

    def _due(self, now: float) -> list[Entry]:
        """Take out what is due, and what ended before it."""
        line, sooner = self._line, self._sooner
        due: list[Entry] = []
        while line and (line[0].task is None or line[0].when <= now):
            due.append(line.popleft())
        while sooner and (sooner[0][2].task is None or sooner[0][0] <= now):
            due.append(heapq.heappop(sooner)[2])
        self._ended -= len(due)
        return due

    def _sweep(self) -> None:
        """Let go of what has ended behind one that has not."""
        before = len(self)
        self._line = deque(entry for entry in self._line if entry.task is not None)
        self._sooner = [item for item in self._sooner if item[2].task is not None]
        heapq.heapify(self._sooner)
        self._ended -= before - len(self)


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
