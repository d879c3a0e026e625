"""The indexes of one store: one for each scope and namespace, fed with changes in order."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, final

import numpy as np

from lamina.index.bulk import check_dimension, matrix_of
from lamina.index.core import VectorIndex
from lamina.index.dense import DenseRows
from lamina.index.kinds import check_written

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lamina.filters import Filter
    from lamina.index.dense import Metric
    from lamina.index.kinds import Kind
    from lamina.index.ranking import Hit
    from lamina.values import SparseVector, Vector

Space: TypeAlias = tuple[str, str]
"""Scope and namespace."""


class Change(NamedTuple):
    """A record that was written, or dropped (then it has no vector); *number* grows with time."""

    number: int
    space: Space
    id: str
    vector: bytes | None = None
    sparse: SparseVector | None = None
    metadata: Mapping[str, Any] | None = None

    @property
    def dropped(self) -> bool:
        return self.vector is None and self.sparse is None


def check_length(vector: Vector, metric: Metric) -> None:
    """Refuse a vector that is too long for *metric*.

    Raises:
        Invalid: Longer than 1e18, unless the metric is cosine.
    """
    if metric != "cosine":
        DenseRows(vector.dimension, metric).prepared(matrix_of((vector,), None))


@final
class Spaces:
    """Follows a store's changes and searches what they amount to; for one thread only."""

    def __init__(self, kind: Kind, metric: Metric, *, ann: bool) -> None:
        self.kind: Final[Kind] = kind
        self.metric: Final[Metric] = metric
        self.ann = ann
        self.forget()

    def forget(self) -> None:
        """Begin anew, before the first change."""
        self.seen = 0
        self._indexes: dict[Space, VectorIndex] = {}

    def follow(self, changes: Iterable[Change]) -> None:
        """Apply *changes* in order; those that were seen before are left out."""
        new = [change for change in changes if change.number > self.seen]
        for (space, dropped), group in groupby(new, lambda change: (change.space, change.dropped)):
            changed = list(group)
            if not dropped:
                self._put(space, changed)
            elif (index := self._indexes.get(space)) is not None:
                for change in changed:
                    index.drop(change.id)
            self.seen = changed[-1].number

    def check(self, change: Change) -> None:
        """Refuse a record that the index could not take.

        Raises:
            Invalid: A vector is missing, or of the wrong kind or dimension.
        """
        dense = change.vector
        check_written(self.kind, dense=dense is not None, sparse=change.sparse is not None)
        index = self._indexes.get(change.space)
        alone = index is not None and len(index) == 1 and change.id in index
        if dense is not None and not alone:
            found = len(dense) // 4
            check_dimension(found, self.dimension(change.space) or found)

    def dimension(self, space: Space) -> int | None:
        """Return how many numbers a dense vector of that space has, None while it is empty."""
        index = self._indexes.get(space)
        return index.dimension if index is not None and len(index) else None

    def nearest(
        self,
        space: Space,
        vector: Vector | None,
        sparse: SparseVector | None,
        top_k: int,
        filter: Filter | None,  # noqa: A002  # the domain's word
    ) -> list[Hit]:
        """Return the ids and scores of what is nearest in one space, best first.

        Raises:
            Invalid: A vector is missing, or of the wrong kind or dimension.
        """
        index = self._indexes.get(space)
        if index is None or not len(index):
            index = VectorIndex(self.kind, metric=self.metric)  # refuses what makes no sense
        return index.search(vector, sparse, top_k, filter)

    def _index(self, space: Space, dimension: int | None) -> VectorIndex:
        """Return the index of one space, a new one for another *dimension*.

        A store holds one dimension at a time, but only the last change of a record is seen: those
        still here in the old one were dropped, or a later change writes them again.
        """
        index = self._indexes.get(space)
        if index is None or not len(index) or dimension not in {None, index.dimension}:
            index = VectorIndex(self.kind, metric=self.metric, ann=self.ann)
            self._indexes[space] = index
        return index

    def _put(self, space: Space, changes: Sequence[Change]) -> None:
        ids = [change.id for change in changes]
        metadatas = [change.metadata for change in changes]
        vectors = [change.vector for change in changes if change.vector is not None]
        matrix = np.frombuffer(b"".join(vectors), dtype="<f4").reshape(len(vectors), -1)
        sparse = [change.sparse for change in changes if change.sparse is not None]
        index = self._index(space, matrix.shape[1] if vectors else None)
        index.put_many(ids, matrix if vectors else None, metadatas, sparse=sparse or None)
