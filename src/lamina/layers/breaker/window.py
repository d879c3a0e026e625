"""How many calls failed or were slow in the last seconds, counted in buckets."""

from __future__ import annotations

import math
from collections import deque
from typing import final


@final
class Window:
    """Totals over the last *seconds*, forgotten one of *buckets* parts at a time.

    Adding costs the same however many calls there were.
    """

    __slots__ = ("_buckets", "_index", "_past", "_width", "calls", "ends", "failures", "slow")

    def __init__(self, seconds: float, buckets: int) -> None:
        self._width = seconds / buckets
        self._buckets = buckets
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.calls = self.failures = self.slow = 0
        self._past: deque[tuple[int, int, int]] = deque()  # the totals of each past bucket
        self._index = 0
        self.ends = -math.inf  # of the current bucket: the next call opens one

    def turn(self, now: float) -> None:
        """Open the bucket of *now*, which is past the current one; forget what is too old."""
        index = int(now // self._width)
        steps = self._buckets if math.isinf(self.ends) else index - self._index
        if steps >= self._buckets:
            self.clear()
        else:
            old = [sum(column) for column in zip(*self._past, strict=True)] or [0, 0, 0]
            current = (self.calls - old[0], self.failures - old[1], self.slow - old[2])
            self._past.extend([current, *[(0, 0, 0)] * (steps - 1)])
            while len(self._past) >= self._buckets:
                calls, failures, slow = self._past.popleft()
                self.calls -= calls
                self.failures -= failures
                self.slow -= slow
        self._index = index
        self.ends = (index + 1) * self._width
