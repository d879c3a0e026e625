"""A bucket of tokens for each tenant, in bounded memory; no clock, no IO."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.bucket import Bucket

MOST: Final = 10_000
"""How many tenants have a bucket of their own at the same time."""


@final
class Tenants:
    """Takes each tenant's tokens from a bucket of its own.

    A bucket that is full again is as good as a new one, and is forgotten. While *most* are not,
    all further tenants share one more bucket: memory is bounded, and those who have a bucket of
    their own feel nothing of it.
    """

    def __init__(self, make: Callable[[], Bucket], most: int = MOST) -> None:
        self.make = make
        self.most = most
        self.refused = 0
        self._buckets: dict[str, Bucket] = {}
        self._rest: Bucket = make()
        self._looked = -math.inf

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, tenant: str, now: float) -> float | None:
        """Take a token of *tenant*; return the seconds until the next one if there is none."""
        bucket = self._buckets.get(tenant) or self._new(tenant, now)
        if bucket.take(now):
            return None
        self.refused += 1
        return bucket.wait(now)

    def _new(self, tenant: str, now: float) -> Bucket:
        if len(self._buckets) >= self.most:
            self._forget(now)
            if len(self._buckets) >= self.most:
                return self._rest
        bucket = self._buckets[tenant] = self.make()
        return bucket

    def _forget(self, now: float) -> None:
        """Forget the full ones; looked for at most once in the time of a token."""
        if now - self._looked < self._rest.interval:
            return
        self._looked = now
        kept = {name: bucket for name, bucket in self._buckets.items() if not bucket.is_full(now)}
        self._buckets = kept
