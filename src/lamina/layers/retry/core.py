"""When to repeat, how long to wait, and what pays for it; no clock, no IO."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

from lamina.budget import COST, THROTTLED_COST
from lamina.errors import CircuitOpen, LimitReached, RateLimited, Rejected, Throttled

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.errors import StorageError
    from lamina.operation import Operation

EXTRA: Final = 5.0
"""Most seconds that a server may add to a wait of ours (AWS SDKs, 2026)."""

JITTERS: Final = ("full", "equal", "decorrelated", "none")
"""How chance spreads the waits; see ``Policy.own``."""

_STEEPEST: Final = 1000  # 2.0**1000 is finite, and past every cap


class RetryStatus(NamedTuple):
    """What a ``Retry`` has done: attempts after the first, calls given up on, its budget.

    *tokens* is infinite where the budget is unlimited; *raised* is how often functions of the
    user's raised.
    """

    retried: int
    gave_up: int
    denied: int
    tokens: float
    raised: int = 0


@final
@dataclass(frozen=True, slots=True)
class Policy:
    """What the options of one ``Retry`` decide about a failure.

    *asked*, if given, tells the longest wait before each retry; None leaves it to *base*.
    """

    attempts: int
    base: float
    cap: float
    throttled_base: float
    patient: bool
    jitter: str = "full"
    asked: Callable[[int], float | None] | None = None

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

    def own(self, error: StorageError | None, retry: int, chance: float, before: float) -> float:
        """Return the seconds of our own to wait before the retry number *retry*, from 0.

        *chance* from 0 to 1 and *before*, that of the retry before, place it: full jitter is any
        part of the longest wait, equal jitter its upper half, none the whole; decorrelated is
        Polly's second, a smooth curve of which each wait takes the piece after the last one's.
        Without an *error* it is told for the longest base.
        """
        if self.jitter == "decorrelated":
            return min(_piece(retry, chance, before) * self._base(error), self.cap)
        longest = self._longest(error, retry)
        if self.jitter == "none":
            return longest
        return (0.5 + chance / 2 if self.jitter == "equal" else chance) * longest

    def _base(self, error: StorageError | None) -> float:
        if error is None:
            return max(self.base, self.throttled_base)
        return self.throttled_base if isinstance(error, Throttled) else self.base

    def _longest(self, error: StorageError | None, retry: int) -> float:
        """Return the wait of which chance takes a part."""
        told = None
        if self.asked is not None and not isinstance(error, Throttled):
            told = self.cap if error is None else self.asked(retry)
        if told is not None:
            return min(told, self.cap)
        return min(self._base(error) * 2.0 ** min(retry, _STEEPEST), self.cap)

    def delay(self, error: StorageError, retry: int, chance: float, before: float = 0.0) -> float:
        """Return the seconds to wait: our own, and what the error asks.

        What it asks is kept within our own wait and 5 s more; an open circuit's is exact.
        """
        asked = error.retry_after
        if asked is not None and isinstance(error, CircuitOpen):
            return asked
        own = self.own(error, retry, chance, before)
        return own if asked is None else min(max(asked, own), own + EXTRA)

    def waits(self) -> float:
        """Return the most seconds that one call can wait in all, an open circuit apart."""
        return sum(self.own(None, retry, 1.0, 0.0) + EXTRA for retry in range(self.attempts - 1))

    def cost(self, error: StorageError) -> int:
        """Return the tokens that a retry after *error* costs."""
        throttled = isinstance(error, Throttled | RateLimited | LimitReached)
        return THROTTLED_COST if throttled else COST


def _piece(retry: int, chance: float, before: float) -> float:
    """Return a wait in bases: Polly's decorrelated jitter, whose first is about one."""
    if retry >= _STEEPEST:
        return 2.0**_STEEPEST
    reached = _curve(retry - 1 + before) if retry else 0.0
    return max(_curve(retry + chance) - reached, 0.0) / 1.4


def _curve(place: float) -> float:
    return math.exp2(place) * math.tanh(math.sqrt(4.0 * place))
