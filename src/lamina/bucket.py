"""A token bucket told by one time, as in the generic cell rate algorithm; no IO."""

from __future__ import annotations

import math
from typing import Final, Self, final

from lamina.errors import StackError

_CLOSE: Final = 1e-9  # seconds: a wait that is told is slept, and the sum may round down
_FAR: Final = 1e9  # seconds: thirty years


@final
class Bucket:
    """Full at first with *burst* tokens; one comes back every *interval* seconds.

    In any time *t* at most ``t / interval + burst`` tokens are taken. Only *full_at* is kept: when
    the bucket will be full again (ITU-T I.371's theoretical arrival time).
    """

    __slots__ = ("_now", "_span", "burst", "full_at", "interval")

    def __init__(self, interval: float, burst: int) -> None:
        self.interval = interval
        self.burst = burst
        self.full_at = -math.inf
        self._span = burst * interval
        self._now = -math.inf

    @classmethod
    def of(cls, rate: float, per: float, burst: int | None) -> Self:
        """Return one for *rate* in *per* seconds; it holds *burst*, else *rate*, at least one."""
        return cls(per / rate, max(int(rate), 1) if burst is None else burst)

    def take(self, now: float) -> bool:
        """Take a token if there is one."""
        if now < self._now:
            self._turn_back(now)
        self._now = now
        full_at = self.full_at if self.full_at > now else now  # noqa: FURB136  # max() costs more
        full_at += self.interval
        if full_at - now > self._span and full_at - now - self._span > _close(now):
            return False
        self.full_at = full_at
        return True

    def give(self) -> None:
        """Put a token back that was taken and not used."""
        self.full_at -= self.interval

    def wait(self, now: float, ahead: int = 0) -> float:
        """Return the seconds until a token comes for one who has *ahead* others before him."""
        if now < self._now:
            self._turn_back(now)
        self._now = now
        full_at = max(self.full_at, now) + (1 + ahead) * self.interval
        return max(full_at - now - self._span, 0.0)

    def tokens(self, now: float) -> int:
        """Return how many whole tokens there are."""
        missing = max(self.full_at - now, 0.0) / self.interval
        return max(self.burst - math.ceil(missing - _CLOSE / self.interval), 0)

    def is_full(self, now: float) -> bool:
        """Tell whether it is as good as new."""
        return self.full_at <= now

    def _turn_back(self, now: float) -> None:
        """Keep what is missing as it was, when the clock went back."""
        self.full_at -= self._now - now


def check_pace(layer: str, rate: float, per: float) -> None:
    """Refuse a *rate* in *per* seconds whose tokens come too fast or too slowly to be timed.

    Raises:
        StackError: They do.
    """
    interval = per / rate
    if not _CLOSE <= interval <= _FAR:
        msg = (
            f"{layer}: rate must give a token in {_CLOSE:g} to {_FAR:g} seconds, "
            f"got {rate:g} in {per:g} seconds"
        )
        raise StackError(msg)


def _close(now: float) -> float:
    return max(_CLOSE, 4 * math.ulp(now))
