"""Which of some names is most like a wrong one, as PostgREST's hints tell."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_LEAST: Final = 0.33
_SIZES: Final = (3, 2)


def closest(name: str, choices: Iterable[str]) -> str | None:
    """Return the choice most like *name*, None if none is like it."""
    every = [*choices]
    for size in _SIZES:
        alike = [each for each in every if _cosine(name, each, size) > 0]
        scored = sorted(((_ratio(name, each), each) for each in alike), key=lambda pair: -pair[0])
        if scored and scored[0][0] > _LEAST:
            return scored[0][1]
    return None


def _plain(text: str) -> str:
    return "".join(each for each in text.lower() if each.isalnum() or each in ", _")


def _grams(text: str, size: int) -> Counter[str]:
    padded = f"-{_plain(text)}-"
    return Counter(padded[at : at + size] for at in range(max(1, len(padded) - size + 1)))


def _cosine(one: str, other: str, size: int) -> float:
    left, right = _grams(one, size), _grams(other, size)
    dot = sum(count * right[gram] for gram, count in left.items())
    return dot / math.sqrt(_square(left) * _square(right))


def _square(grams: Counter[str]) -> int:
    return sum(count * count for count in grams.values())


def _ratio(one: str, other: str) -> float:
    """Return 1 less the share of characters to change."""
    left, right = one.lower(), other.lower()
    row = list(range(len(right) + 1))
    for at, a in enumerate(left, 1):
        before, row[0] = row[0], at
        for to, b in enumerate(right, 1):
            before, row[to] = row[to], min(row[to] + 1, row[to - 1] + 1, before + (a != b))
    return 1 - row[-1] / max(len(left), len(right), 1)
