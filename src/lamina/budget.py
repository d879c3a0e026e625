"""What pays for more than one attempt; no clock, no IO."""

from __future__ import annotations

import math
from typing import Final, final

CAPACITY: Final = 500
"""Tokens of a budget (AWS SDKs, 2026)."""
COST: Final = 14
"""Tokens for one retry, and for one hedge (AWS SDKs, 2026)."""
THROTTLED_COST: Final = 5
"""Tokens for one retry after being asked for fewer calls (AWS SDKs, 2026)."""


@final
class Budget:
    """Tokens that retries and hedges spend, so that an outage is not answered with a storm.

    Full at first. A retry takes its cost, gets it back when it succeeds, and is denied when too
    few are left; a call that succeeds at once adds one token. With *capacity* None nothing is
    ever denied.
    """

    __slots__ = ("capacity", "denied", "tokens")

    def __init__(self, capacity: int | None = CAPACITY) -> None:
        self.capacity = math.inf if capacity is None else capacity
        self.tokens = self.capacity
        self.denied = 0

    def take(self, cost: int) -> bool:
        """Pay for one attempt more; tell whether there was enough."""
        if cost > self.tokens:
            self.denied += 1
            return False
        self.tokens -= cost
        return True

    def give(self, tokens: int) -> None:
        """Put tokens in, up to the capacity."""
        self.tokens = min(self.tokens + tokens, self.capacity)
