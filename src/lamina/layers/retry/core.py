"""When to repeat, how long to wait, and what pays for it; no clock, no IO."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

from lamina.budget import COST, THROTTLED_COST
from lamina.errors import CircuitOpen, LimitReached, RateLimited, Rejected, Throttled

if TYPE_CHECKING:
    from lamina.errors import StorageError
    from lamina.operation import Operation

EXTRA: Final = 5.0
"""Most seconds that a server may add to a wait of ours (AWS SDKs, 2026)."""

_STEEPEST: Final = 1000  # 2.0**1000 is finite, and past every cap


class RetryStatus(NamedTuple):
    """What a ``Retry`` has done: attempts after the first, calls given up on, its budget.

    *tokens* is infinite where the budget is unlimited.
    """

    retried: int
    gave_up: int
    denied: int
    tokens: float


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
