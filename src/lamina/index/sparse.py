"""Score sparse vectors through inverted lists, in float32 as Upstash Vector does."""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING, final

import numpy as np

from lamina.index.ranking import rank, single

if TYPE_CHECKING:
    from lamina.index.ranking import Doubles, Mask, Ranked, Slots
    from lamina.values import SparseVector


@final
class SparseRows:
    """Sparse vectors by slot: for each index, the slots that have it and their values.

    Slots only grow, so every list is sorted; a dead slot stays until `renumber`.
    """

    def __init__(self) -> None:
        self._lists: dict[int, _List] = {}

    def append(self, slot: int, vector: SparseVector) -> None:
        """Add the vector of a new *slot*."""
        for index, value in _summed(vector).items():
            found = self._lists.get(index)
            if found is None:
                found = self._lists[index] = _List()
            found.slots.append(slot)
            found.values.append(value)

    def best(
        self, query: SparseVector, top_k: int, alive: Mask, chosen: Mask, *, idf: bool
    ) -> Ranked:
        """Return the best of *chosen* by inner product; no common index means no result.

        Every product and sum is rounded to float32. With *idf*, a query value counts
        ``ln((N - n + 0.5) / (n + 0.5) + 1)`` times, where N is how many vectors are *alive* and n
        how many of them have that index.
        """
        total = int(np.count_nonzero(alive)) if idf else 0
        scores = np.zeros(len(chosen))
        common = np.zeros(len(chosen), dtype=np.bool_)
        for index, weight in _summed(query).items():
            found = self._lists.get(index)
            if found is None:
                continue
            slots, values = found.arrays()
            having = int(np.count_nonzero(alive[slots])) if idf else 0
            rare = single(_idf(total, having) * weight) if idf else weight
            scores[slots] = single(scores[slots] + single(rare * values))
            common[slots] = True
        hits = np.flatnonzero(common & chosen)
        return rank(hits, scores[hits], top_k)

    def renumber(self, new: Slots) -> None:
        """Move every slot to ``new[slot]``; -1 drops it."""
        for index in list(self._lists):
            slots, values = self._lists[index].arrays()
            kept = new[slots] >= 0
            if kept.any():
                self._lists[index] = _List(new[slots[kept]], values[kept])
            else:
                del self._lists[index]


@final
class _List:
    def __init__(self, slots: Slots | None = None, values: Doubles | None = None) -> None:
        self.slots = array("i", b"" if slots is None else slots.astype(np.int32).tobytes())
        self.values = array("d", b"" if values is None else values.tobytes())

    def arrays(self) -> tuple[Slots, Doubles]:
        # copies: an array that is being looked at cannot grow
        return np.array(self.slots, dtype=np.intp), np.array(self.values, dtype=np.float64)


def _summed(vector: SparseVector) -> dict[int, float]:
    sums: dict[int, float] = {}
    for index, value in zip(vector.indices, array("f", vector.values), strict=True):
        sums[index] = sums.get(index, 0.0) + value
    return sums


def _idf(total: int, having: int) -> float:
    return math.log((total - having + 0.5) / (having + 0.5) + 1.0)
