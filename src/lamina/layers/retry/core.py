"""When to repeat, how long to wait, and what pays for it; no clock, no IO."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

from lamina.errors import CircuitOpen, LimitReached, RateLimited, Rejected, Throttled

if TYPE_CHECKING:
    from lamina.errors import StorageError
    from lamina.operation import Operation

COST: Final = 14
"""Tokens for one retry (AWS SDKs, 2026)."""
THROTTLED_COST: Final = 5
"""Tokens for one retry after being asked for fewer calls (AWS SDKs, 2026)."""
EXTRA: Final = 5.0
"""Most seconds that a server may add to a wait of ours (AWS SDKs, 2026)."""

_STEEPEST: Final = 1000  # 2.0**1000 is finite, and past every cap


class RetryStatus(NamedTuple):
    """What a ``Retry`` has done: attempts after the first, calls given up on, its budget."""

    retried: int
    gave_up: int
    denied: int
    tokens: int | None


@final
class Budget:
    """Tokens that retries spend, so that an outage is not answered with a storm.

    Full at first. A retry takes its cost, gets it back when it succeeds, and is denied when too
    few are left; a call that succeeds at once adds one token.
    """

    __slots__ = ("capacity", "denied", "tokens")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.tokens = capacity
        self.denied = 0

    def take(self, cost: int) -> bool:
        """Pay for one retry; tell whether there was enough."""
        if cost > self.tokens:
            self.denied += 1
            return False
        self.tokens -= cost
        return True

    def give(self, tokens: int) -> None:
        """Put tokens in, up to the capacity."""
        self.tokens = min(self.tokens + tokens, self.capacity)


@final
@dataclass(frozen=True, slots=True)
class Policy:
    """What the options of one ``Retry`` decide about a failure."""

    attempts: int
    base: float
    cap: float
    throttled_base: float
    patient: bool

    def repeats(self, op: Operation[Any], error: StorageError) -> bool:
        """Tell whether sending *op* again is safe and may help."""
        asked = error.retry_after
        if asked is not None and not 0 <= asked < math.inf:
            return False  # a negative or unreadable wait means: do not
        if isinstance(error, CircuitOpen):
            return self.patient and asked is not None
        if isinstance(error, Rejected):
            return asked is not None and asked <= EXTRA
        return error.transient and (error.sent == "no" or op.repeatable())

    def longest(self, error: StorageError | None, retry: int) -> float:
        """Return the most seconds of our own to wait before the retry number *retry*, from 0.

        Without an *error* it is the most after any.
        """
        throttled = error is None or isinstance(error, Throttled)
        base = self.throttled_base if throttled else self.base
        if error is None:
            base = max(base, self.base)
        return min(base * 2.0 ** min(retry, _STEEPEST), self.cap)

    def delay(self, error: StorageError, retry: int, chance: float) -> float:
        """Return the seconds to wait: full jitter, *chance* from 0 to 1, and what the error asks.

        What it asks is kept within our own wait and 5 s more; an open circuit's is exact.
        """
        own = chance * self.longest(error, retry)
        asked = error.retry_after
        if asked is None:
            return own
        if isinstance(error, CircuitOpen):
            return asked
        return min(max(asked, own), own + EXTRA)

    def waits(self) -> float:
        """Return the most seconds that one call can wait in all, an open circuit apart."""
        return sum(self.longest(None, retry) + EXTRA for retry in range(self.attempts - 1))

    def cost(self, error: StorageError) -> int:
        """Return the tokens that a retry after *error* costs."""
        throttled = isinstance(error, Throttled | RateLimited | LimitReached)
        return THROTTLED_COST if throttled else COST
