"""How much a cache keeps, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, slots=True)
class Bounds:
    """How long and how much a cache keeps; times in seconds.

    *stale_while_revalidate* and *stale_if_error* count from the end of *ttl*; *lag* is how long
    after a write searches below may miss it; *oldest* is how old an answer that was kept
    elsewhere may become here, None for *ttl*.
    """

    ttl: float
    max_entries: int
    max_bytes: int
    jitter: float
    doubt: float
    negative_ttl: float | None
    stale_while_revalidate: float = 0.0
    stale_if_error: float = 0.0
    idle: float | None = None
    lag: float = 0.0
    oldest: float | None = None


def lifetime(
    bounds: Bounds, now: float, age: float, clip: float | None, chance: float, *, absent: bool
) -> tuple[float, float]:
    """Return until when an answer is given at once, and until when it may be given past that.

    It was true *age* seconds ago for sure. Past *clip* it is not given at all; nor is an answer
    that nothing is there, past its time. *chance* from 0 to 1 shortens it.
    """
    ttl, oldest = bounds.ttl, bounds.ttl if bounds.oldest is None else bounds.oldest
    if absent:
        ttl = oldest = min(bounds.negative_ttl or 0.0, ttl)
    cap = min(now + ttl * (1 - bounds.jitter * chance), now - age + oldest)
    spare = 0.0 if absent else max(bounds.stale_while_revalidate, bounds.stale_if_error)
    if clip is None:
        return cap, cap + spare
    return min(cap, clip), min(cap + spare, clip)
