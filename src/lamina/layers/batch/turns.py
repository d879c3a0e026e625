"""Turns at what is written: one who writes the same waits for the one before."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import TYPE_CHECKING, Final, TypeAlias, final

from lamina.context import ends
from lamina.errors import DeadlineExceeded

if TYPE_CHECKING:
    from collections.abc import Hashable

Place: TypeAlias = "asyncio.Future[bool]"
_LATE: Final = "the deadline came while an earlier write of the same key was under way"


@final
class Turns:
    """Gives a target to one write at a time, first come first served."""

    def __init__(self) -> None:
        self._lines: dict[Hashable, deque[Place] | None] = {}

    def take(self, target: Hashable) -> bool:
        """Take *target* if nobody has it; else ``wait`` for it. It must be given back."""
        if target in self._lines:
            return False
        self._lines[target] = None
        return True

    async def wait(self, target: Hashable) -> None:
        """Take *target* once those before have given it back.

        Raises:
            DeadlineExceeded: The caller's deadline came first.
        """
        loop = asyncio.get_running_loop()
        place: Place = loop.create_future()
        line = self._lines[target]
        if line is None:
            line = self._lines[target] = deque()
        line.append(place)
        end, timer, taken = ends(), None, False
        if not math.isinf(end):
            timer = loop.call_at(end, _expire, place)
        try:
            taken = await place
        finally:
            if timer is not None:
                timer.cancel()
            if not taken and place.done() and not place.cancelled() and place.result():
                self.give(target)  # cancelled just after it was given
        if not taken:
            raise DeadlineExceeded(_LATE, layer="batch", sent="no")

    def give(self, target: Hashable) -> None:
        """Give *target* back, to the next in line if there is one."""
        line = self._lines[target]
        while line:
            place = line.popleft()
            if not place.done():
                place.set_result(True)
                return
        del self._lines[target]

    def __len__(self) -> int:
        return len(self._lines)


def _expire(place: Place) -> None:
    if not place.done():
        place.set_result(False)
