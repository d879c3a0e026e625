"""Join a dense and a sparse ranking into one.

Formulas as Upstash Vector documents them: reciprocal rank fusion sums ``1 / (60 + rank)``, ranks
from 1; distribution-based fusion sums ``0.5 + (score - mean) / (6 * deviation)`` of each list,
with the population's standard deviation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from lamina.index.ranking import rank

if TYPE_CHECKING:
    from lamina.index.ranking import Doubles, Floats, Ranked

Fusion: TypeAlias = Literal["rrf", "dbsf"]

_RRF_BASE: Final = 60


def depth(top_k: int) -> int:
    """Return how many of each list to fuse: a record may be middling in both and win."""
    return max(100, 4 * top_k)


def fuse(first: Ranked, second: Ranked, top_k: int, fusion: Fusion) -> Ranked:
    """Return the best *top_k* of both lists by the sum of what each gives."""
    give = _by_rank if fusion == "rrf" else _by_distribution
    slots, places = np.unique(np.concatenate((first[0], second[0])), return_inverse=True)
    given = np.concatenate((give(first[1]), give(second[1])))
    sums = np.zeros(len(slots))
    np.add.at(sums, places, given)
    return rank(slots, sums, top_k)


def _by_rank(scores: Floats) -> Doubles:
    return 1.0 / (_RRF_BASE + np.arange(1, len(scores) + 1, dtype=np.float64))


def _by_distribution(scores: Floats) -> Doubles:
    exact = scores.astype(np.float64)
    mean = float(exact.mean()) if len(exact) else 0.0
    deviation = float(exact.std()) if len(exact) else 0.0
    return 0.5 + (exact - mean) / (6.0 * deviation or 1.0)
