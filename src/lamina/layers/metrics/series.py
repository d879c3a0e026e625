"""Counts and durations of one operation type."""

from __future__ import annotations

from typing import Any, Final, final

BOUNDS: Final = tuple(1e-6 * 2 ** (step / 4) for step in range(108))
"""Upper ends of the histogram's buckets in seconds: 1 us to 2 min, each 19 % wider."""


@final
class Series:
    """What happened to the calls of one operation type; bounded memory, no lock.

    Attributes:
        counts: Successful calls for each bucket of ``BOUNDS``, one more for longer ones.
        seconds: Sum of the durations of successful calls.
        errors: Failed calls by the name of their error; ``CancelledError`` among them.
    """

    __slots__ = ("counts", "errors", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0
        self.errors: dict[str, int] = {}

    @property
    def succeeded(self) -> int:
        """How many calls were answered."""
        return sum(self.counts)

    @property
    def failed(self) -> int:
        """How many calls raised."""
        return sum(self.errors.values())

    def fail(self, error: BaseException) -> None:
        """Count one failed call."""
        name = type(error).__name__
        self.errors[name] = self.errors.get(name, 0) + 1

    def quantile(self, share: float) -> float | None:
        """Return the duration in seconds that *share* (0 to 1) of the answered calls stayed under.

        Within 19 %; None if there were none.
        """
        wanted = share * self.succeeded
        seen = 0
        for place, count in enumerate(self.counts):
            seen += count
            if count and seen >= wanted:
                return BOUNDS[min(place, len(BOUNDS) - 1)]
        return None

    def summary(self) -> dict[str, Any]:
        """Return counts, errors and latencies in seconds as plain data."""
        return {
            "succeeded": self.succeeded,
            "failed": self.failed,
            "errors": dict(self.errors),
            "seconds": self.seconds,
            "p50": self.quantile(0.5),
            "p95": self.quantile(0.95),
            "p99": self.quantile(0.99),
        }
