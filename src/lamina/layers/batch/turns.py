"""Turns at what is written: one who writes the same waits for the one before."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeAlias, final

from lamina.context import ends
from lamina.errors import Closed, DeadlineExceeded

if TYPE_CHECKING:
    from collections.abc import Hashable

Place: TypeAlias = "asyncio.Future[_Told]"
_LATE: Final = "the deadline came while an earlier write of the same key was under way"
_CLOSED: Final = "the store was closed while an earlier write of the same key was under way"


class _Told(Enum):
    """Why one who waited woke."""

    TAKEN = "the target is his"
    LATE = "his deadline is over"
    CLOSED = "the store is closed"


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
            Closed: The store was closed first.
        """
        loop = asyncio.get_running_loop()
        place: Place = loop.create_future()
        line = self._lines[target]
        if line is None:
            line = self._lines[target] = deque()
        line.append(place)
        end, timer, told = ends(), None, None
        if not math.isinf(end):
            timer = loop.call_at(end, _tell, place, _Told.LATE)
        try:
            told = await place
        finally:
            if timer is not None:
                timer.cancel()
            if told is None and _is_taken(place):
                self.give(target)  # cancelled just after it was given
        if told is _Told.LATE:
            raise DeadlineExceeded(_LATE, layer="batch", sent="no")
        if told is _Told.CLOSED:
            raise Closed(_CLOSED)

    def give(self, target: Hashable) -> None:
        """Give *target* back, to the next in line if there is one."""
        line = self._lines[target]
        while line:
            place = line.popleft()
            if not place.done():
                place.set_result(_Told.TAKEN)
                return
        del self._lines[target]

    def close(self) -> None:
        """Let nobody wait any longer."""
        for line in self._lines.values():
            for place in line or ():
                _tell(place, _Told.CLOSED)


def _is_taken(place: Place) -> bool:
    return place.done() and not place.cancelled() and place.result() is _Told.TAKEN


def _tell(place: Place, told: _Told) -> None:
    if not place.done():
        place.set_result(told)
