"""Count requests by second and by day."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, final

from lamina.testing.servers.upstash.refusals import Refused

if TYPE_CHECKING:
    from lamina.testing.servers.upstash.limits import Limits

_WINDOWS: Final = (("second", 1), ("day", 86_400))


@final
class Rates:
    """Refuses with 429 what goes beyond the quotas."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, int]] = Counter()
        self._windows: dict[str, int] = {}

    def admit(self, limits: Limits, now: float, *, writes: bool) -> None:
        """Count one request at *now* seconds, or refuse it.

        Raises:
            Refused: A quota is spent; says after how many seconds to come again.
        """
        sort = "updates" if writes else "queries"
        for unit, seconds in _WINDOWS:
            most: int = getattr(limits, f"max_{sort}_per_{unit}")
            key = (f"{sort}/{unit}", int(now // seconds))
            if self._counts[key] >= most:
                after = {"Retry-After": str(max(1, round(seconds - now % seconds)))}
                raise Refused(429, f"Exceeded the limit of {sort} per {unit}: {most}", after)
        for unit, seconds in _WINDOWS:
            name, window = f"{sort}/{unit}", int(now // seconds)
            if self._windows.get(name) != window:
                self._counts.pop((name, self._windows.get(name, -1)), None)
                self._windows[name] = window
            self._counts[name, window] += 1
