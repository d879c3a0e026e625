"""How many calls failed or were slow: of the last seconds, or of the last so many calls."""

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

    def add(self, now: float, *, failed: bool = False, slow: bool = False) -> None:
        """Count one call that ended at *now*."""
        if now >= self.ends:
            self.turn(now)
        self.calls += 1
        if failed:
            self.failures += 1
        if slow:
            self.slow += 1

    def forget(self, now: float) -> None:
        """Forget what is too old at *now*."""
        if now >= self.ends:
            self.turn(now)

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


@final
class LastCalls:
    """Totals over the last *most* calls, however long ago they were.

    Only those that failed or were slow are kept, by their numbers, so that a healthy call is
    counted at once.
    """

    __slots__ = ("_bad", "_most", "_number", "calls", "failures", "slow")

    def __init__(self, most: int) -> None:
        self._most = most
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.calls = self.failures = self.slow = 0
        self._number = 0
        self._bad: deque[tuple[int, bool, bool]] = deque()

    def add(self, now: float, *, failed: bool = False, slow: bool = False) -> None:
        """Count one call in place of the oldest; *now* is of no matter."""
        del now
        self._number += 1
        bad = self._bad
        if self.calls < self._most:
            self.calls += 1
        elif bad and bad[0][0] <= self._number - self._most:
            _, was_failed, was_slow = bad.popleft()
            self.failures -= was_failed
            self.slow -= was_slow
        if failed or slow:
            bad.append((self._number, failed, slow))
            self.failures += failed
            self.slow += slow

    def forget(self, now: float) -> None:
        """Forget nothing: no call is too old."""
