"""The legs of a call, how long one takes, how many more may be sent; no clock, no IO."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import accumulate
from operator import add
from typing import TYPE_CHECKING, Final, final

from lamina.layers.hedge.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

KEPT: Final = 1000
"""Samples of one generation; two are kept, so that what is older than 2000 calls is forgotten."""
RESERVE: Final = 10.0
"""Hedges that may be sent before the calls that earn them."""
BUCKETS: Final = 300
"""Of times up to 216 s."""

_LEAST: Final = 1e-4  # seconds; what is quicker is all the same
_STEP: Final = math.log(1.05)  # buckets are 5 % wide


@final
class Legs:
    """The legs of one call by number, 0 the primary.

    Attributes:
        left: Hedges that may still be sent.
        out: Legs under way.
        sent: Legs sent so far.
        hurry: Whether the next hedge is wanted at once.
        chosen: The leg whose outcome is the call's, once that is decided.
    """

    __slots__ = ("chosen", "hurry", "left", "out", "sent")

    def __init__(self, hedges: int) -> None:
        self.left = hedges
        self.out: set[int] = set()
        self.sent = 0
        self.hurry = False
        self.chosen: int | None = None

    def send(self) -> int:
        """Note that another leg is sent; return its number."""
        number = self.sent
        if number:
            self.left -= 1
        self.sent += 1
        self.out.add(number)
        self.hurry = False
        return number

    def end(self, ended: Mapping[int, Verdict]) -> None:
        """Take note of the legs that ended in one moment; the earlier leg wins."""
        self.out -= ended.keys()
        verdicts = ended.values()
        for deciding in (Verdict.ANSWERED, Verdict.FATAL):
            if deciding in verdicts:
                self.chosen = min(leg for leg, told in ended.items() if told is deciding)
                return
        if Verdict.REFUSED in verdicts:
            self.left = 0
        self.hurry = Verdict.FAILED in verdicts and self.left > 0
        self._decide()

    def deny(self) -> None:
        """Send nothing more."""
        self.left = 0
        self.hurry = False
        self._decide()

    def give_up(self) -> None:
        """Wait for nothing more."""
        if self.chosen is None:
            self.chosen = 0

    def _decide(self) -> None:
        if not self.out and not self.hurry:
            self.give_up()


@final
class Delays:
    """The quantiles of how long calls take, of the last one to two thousand of them.

    Attributes:
        instant: Calls that took no time, since it was last looked.
    """

    __slots__ = ("_kept", "_known", "_least", "_new", "_old", "_quantile", "_recent", "instant")

    def __init__(self, quantile: float, min_samples: int) -> None:
        self._quantile = quantile
        self._least = min_samples
        self._kept = max(KEPT, min_samples)
        self._old = [0] * BUCKETS
        self._recent = [0] * BUCKETS
        self._new = 0  # samples among the recent
        self._known: tuple[int, float, float] | None = None  # when it is stale; quantile, median
        self.instant = 0

    def record(self, seconds: float) -> None:
        """Take in how long a call took."""
        self._fold()
        self._add(_bucket(seconds), 1)

    def record_at_least(self, seconds: float) -> None:
        """Take in that a call took longer than that; no news if most do."""
        delay = self.delay()
        if delay is None or seconds >= delay:
            self.record(seconds)

    def delay(self) -> float | None:
        """Return the quantile in seconds, None while there are too few samples."""
        known = self._look()
        return None if known is None else known[1]

    def median(self) -> float:
        """Return what half of the calls take at the most, 0 while there are too few samples."""
        known = self._look()
        return 0.0 if known is None else known[2]

    def _look(self) -> tuple[int, float, float] | None:
        self._fold()
        if self._known is not None and self._new < self._known[0]:
            return self._known
        sums = list(accumulate(map(add, self._old, self._recent)))
        if sums[-1] < self._least:
            return None
        stale = self._new + 1 + sums[-1] // 64
        self._known = (stale, _edge(sums, self._quantile), _edge(sums, 0.5))
        return self._known

    def _fold(self) -> None:
        if self.instant:
            self._add(0, min(self.instant, self._kept))
            self.instant = 0

    def _add(self, bucket: int, count: int) -> None:
        self._recent[bucket] += count
        self._new += count
        if self._new >= self._kept:
            self._old, self._recent = self._recent, [0] * BUCKETS
            self._new = 0
            self._known = None


def _bucket(seconds: float) -> int:
    if seconds <= _LEAST:
        return 0
    return min(math.ceil(math.log(seconds / _LEAST) / _STEP), BUCKETS - 1)


def _edge(sums: list[int], quantile: float) -> float:
    """Return the upper edge of the bucket that holds the quantile."""
    bucket = bisect_left(sums, max(1, math.ceil(quantile * sums[-1])))
    return _LEAST * math.exp(_STEP * bucket)


@final
class Load:
    """Lets hedges be only so small a part of the calls, and a few before there were calls.

    Attributes:
        calls: Calls that were answered since it was last asked.
        credit: Hedges that may be sent now.
    """

    __slots__ = ("calls", "credit", "part")

    def __init__(self, part: float | None) -> None:
        self.part = part
        self.calls = 0
        self.credit = math.inf if part is None else RESERVE if part else 0.0

    def earn(self) -> int:
        """Turn the calls since into credit; return how many there were."""
        calls, self.calls = self.calls, 0
        if self.part:
            self.credit = min(RESERVE, self.credit + calls * self.part)
        return calls

    def allows(self) -> bool:
        """Tell whether one hedge more fits."""
        return self.credit >= 1

    def spend(self) -> None:
        """Note that a hedge is sent."""
        self.credit -= 1
