"""Order passages by meaning and by words at once."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from lamina.bot.answer.words import keywords, stem, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lamina.bot.answer.passage import Passage

_BASE: Final = 10
"""Of reciprocal rank fusion: 60 is for lists of hundreds, these have dozens."""
_TITLE: Final = 1.5
_PATH: Final = 0.75


def ranked(query: str, found: Iterable[Passage], *, asked: str = "") -> tuple[Passage, ...]:
    """Return the passages best first, with their share of the query's words.

    Two rankings are joined by reciprocal rank fusion: nearness of meaning, which is blind to word
    order and names, and words, where the rare ones, the headings and the file's name count more,
    and those of *asked*, the part of the query that was asked just now, count double.
    """
    passages = tuple(found)
    terms = tuple(dict.fromkeys(map(stem, keywords(query))))
    bodies = [Counter(words(one.text)) for one in passages]
    places = [(_last(one.heading), set(words(f"{one.name} {one.heading}"))) for one in passages]
    held = [{*body, *path} for body, (_, path) in zip(bodies, places, strict=True)]
    weights = _weights(terms, held)
    for term in set(map(stem, keywords(asked))):
        weights[term] = 2 * weights.get(term, 0.0)
    whole = sum(weights.values()) or 1.0
    shares = [sum(weights[term] for term in terms if term in one) / whole for one in held]
    points = [
        _points(weights, body, title, path)
        for body, (title, path) in zip(bodies, places, strict=True)
    ]
    sums = _fused(passages, points)
    order = sorted(
        range(len(passages)), key=lambda place: (-sums[place], -points[place], passages[place].id)
    )
    return tuple(replace(passages[place], words=round(shares[place], 4)) for place in order)


def _weights(terms: Sequence[str], held: Sequence[set[str]]) -> dict[str, float]:
    """Return how much each word tells: the fewer passages hold it, the more."""
    return {
        word: math.log(1 + len(held) / (1 + sum(word in one for one in held))) for word in terms
    }


def _points(
    weights: Mapping[str, float], body: Counter[str], title: set[str], path: set[str]
) -> float:
    points = 0.0
    for word, weight in weights.items():
        often = body[word]
        points += weight * (often / (often + 0.5))
        points += weight * (_TITLE if word in title else _PATH if word in path else 0.0)
    return points


def _fused(passages: Sequence[Passage], points: Sequence[float]) -> list[float]:
    sums = [0.0] * len(passages)
    for scores in ([one.meaning for one in passages], points):
        best = sorted(
            (place for place, score in enumerate(scores) if score > 0),
            key=lambda place: -scores[place],
        )
        for rank, place in enumerate(best, start=1):
            sums[place] += 1 / (_BASE + rank)
    return sums


def _last(heading: str) -> set[str]:
    return set(words(heading.rpartition(" > ")[2]))
