"""Writes that searches may still miss, and when each of them must be shown at the latest."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, TypeAlias, final

if TYPE_CHECKING:
    from collections.abc import Iterable

Span: TypeAlias = tuple[float, float]

_MOST: Final = 16
"""How many writes of one tag are told apart; the newest are taken together from there on."""


@final
class Lags:
    """By tag, the spans of time in which some write begins to be shown.

    A search does not tell what it misses. So one that was asked before a span is no longer true
    when that begins, and one that was asked inside is of no use to others at all.
    """

    def __init__(self) -> None:
        self._spans: OrderedDict[str, list[Span]] = OrderedDict()  # the first noted first

    def note(self, tags: Iterable[str], now: float, lag: float, doubt: float) -> None:
        """Note a write to *tags* that arrives now, or within *doubt*, and is shown *lag* later."""
        new = (now if doubt else now + lag, now + doubt + lag)
        noted = self._spans
        for tag in tags:
            spans = [span for span in noted.get(tag, ()) if span[1] > now]
            if len(spans) < _MOST:
                spans.append(new)
            else:
                spans[-1] = (min(spans[-1][0], new[0]), max(spans[-1][1], new[1]))
            noted[tag] = spans
            noted.move_to_end(tag)
        while noted and all(last <= now for _, last in next(iter(noted.values()))):
            noted.popitem(last=False)

    def until(self, tags: Iterable[str], now: float) -> float | None:
        """Return how long a search of *tags* asked *now* may be kept; None if it misses nothing."""
        noted = self._spans
        begins = [
            max(first, now) for tag in tags for first, last in noted.get(tag, ()) if last > now
        ]
        return min(begins, default=None)

    def __len__(self) -> int:
        return len(self._spans)
