"""Join a dense and a sparse ranking into one.

Formulas as Upstash Vector documents them: reciprocal rank fusion sums ``1 / (60 + rank)``,
distribution-based fusion sums ``0.5 + (score - mean) / (6 * deviation)`` of each list. Its
scores show that ranks begin with 0: a record that is first in both lists gets 2 / 60. They leave
open which deviation is meant: the population's in ``dbsf``, the sample's in ``dbsf-of-sample``.
``rrf-from-1`` is the usual formula, whose ranks begin with 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from lamina.index.ranking import rank

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.index.ranking import Doubles, Floats, Ranked

Fusion: TypeAlias = Literal["rrf", "dbsf", "rrf-from-1", "dbsf-of-sample"]

_RRF_BASE: Final = 60


def depth(top_k: int) -> int:
    """Return how many of each list to fuse: a record may be middling in both and win."""
    return max(100, 4 * top_k)


def fuse(first: Ranked, second: Ranked, top_k: int, fusion: Fusion) -> Ranked:
    """Return the best *top_k* of both lists by the sum of what each gives."""
    give = _GIVES[fusion]
    slots, places = np.unique(np.concatenate((first[0], second[0])), return_inverse=True)
    given = np.concatenate((give(first[1]), give(second[1])))
    sums = np.zeros(len(slots))
    np.add.at(sums, places, given)
    return rank(slots, sums, top_k)


def _by_rank(scores: Floats, first: int = 0) -> Doubles:
    return 1.0 / (_RRF_BASE + np.arange(first, len(scores) + first, dtype=np.float64))


def _by_rank_from_1(scores: Floats) -> Doubles:
    return _by_rank(scores, 1)


def _by_distribution(scores: Floats, less: int = 0) -> Doubles:
    exact = scores.astype(np.float64)
    mean = float(exact.mean()) if len(exact) else 0.0
    deviation = float(exact.std(ddof=less)) if len(exact) > less else 0.0
    return 0.5 + (exact - mean) / (6.0 * deviation or 1.0)


def _by_sample(scores: Floats) -> Doubles:
    return _by_distribution(scores, 1)


_GIVES: Final[dict[Fusion, Callable[[Floats], Doubles]]] = {
    "rrf": _by_rank,
    "rrf-from-1": _by_rank_from_1,
    "dbsf": _by_distribution,
    "dbsf-of-sample": _by_sample,
}
