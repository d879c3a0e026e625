"""Keep vectors and metadata, and find the nearest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, final

import numpy as np

from lamina.errors import Invalid
from lamina.index.bulk import check_dimension, matrix_of
from lamina.index.dense import DenseRows
from lamina.index.fuse import depth, fuse
from lamina.index.kinds import check_asked, check_written
from lamina.index.postings import Postings
from lamina.index.ranking import Hit
from lamina.index.records import Records
from lamina.index.sparse import SparseRows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence, Sized

    from lamina.filters import Filter
    from lamina.index.ann import Graph
    from lamina.index.dense import Metric
    from lamina.index.fuse import Fusion
    from lamina.index.kinds import Kind
    from lamina.index.ranking import Floats, Mask, Ranked
    from lamina.values import SparseVector, Vector

_ANN_FROM: Final = 20_000  # below, the exact product takes a millisecond or two


@final
class VectorIndex:
    """Vectors by id, searched exactly.

    Insertion order breaks ties and orders `select`; putting an id again moves it to the end.
    Records lie in slots; dropped and replaced ones leave dead slots, which are squeezed out when
    they are a fifth of all.

    Scores: cosine ``(1 + cos) / 2``, dot ``(1 + dot) / 2``, euclidean ``1 / (1 + distance**2)``,
    sparse the inner product; rounded to float32 before sorting. A zero vector's cosine is 0.

    *dimension* is the first vector's unless given. With *ann* (cosine only, extra ``[ann]``),
    unfiltered searches among 20,000 or more guess by a graph and score the guesses exactly.

    Not thread-safe: searches may overlap with each other, writes with nothing.

    Raises:
        Invalid: The options do not go together.
    """

    def __init__(
        self,
        kind: Kind = "dense",
        dimension: int | None = None,
        metric: Metric = "cosine",
        *,
        ann: bool = False,
    ) -> None:
        if dimension is not None:
            check_dimension(dimension, dimension)
        if ann and (metric != "cosine" or kind == "sparse"):
            msg = "ann needs dense vectors and the cosine metric"
            raise Invalid(msg)
        self.kind: Kind = kind
        self.metric: Metric = metric
        self._given = dimension
        self._graph_of: type[Graph] | None = None
        if ann:
            from lamina.index.ann import Graph  # an extra, loaded only if asked for

            self._graph_of = Graph
        self.clear()

    @property
    def dimension(self) -> int | None:
        """How many numbers a dense vector has; None while that is open."""
        return self._given if self._dense is None else self._dense.dimension

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, key: object) -> bool:
        return key in self._records

    def clear(self) -> None:
        """Forget every record, and a dimension that was not given."""
        self._records = Records()
        self._postings = Postings()
        self._sparse = SparseRows()
        self._dense: DenseRows | None = None
        self._graph: Graph | None = None

    def put(
        self,
        key: str,
        vector: Vector | None = None,
        sparse: SparseVector | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Write one record in place of the whole old one.

        Raises:
            Invalid: A vector is missing, of the wrong kind or dimension, or too long.
        """
        dense = None if vector is None else (vector,)
        self.put_many((key,), dense, (metadata,), sparse=None if sparse is None else (sparse,))

    def put_many(
        self,
        ids: Sequence[str],
        vectors: Sequence[Vector] | Floats | None = None,
        metadatas: Sequence[Mapping[str, Any] | None] | None = None,
        *,
        sparse: Sequence[SparseVector] | None = None,
    ) -> None:
        """Write many records, as `put` one after the other; all are checked first.

        *vectors* may be a float32 matrix with a row for each id. It is copied: to keep memory
        low, load some thousands at a time.

        Raises:
            Invalid: As for `put`, or the lengths differ. Nothing was written.
        """
        check_written(self.kind, dense=vectors is not None, sparse=sparse is not None)
        _check_lengths(len(ids), vectors, metadatas, sparse)
        if not ids:
            return
        if vectors is not None:
            self._append(matrix_of(vectors, self.dimension))
        first = self._records.reserve(ids)
        self._link(first)
        for slot, vector in enumerate(sparse or (), first):
            self._sparse.append(slot, vector)
        for slot, metadata in enumerate(metadatas or (), first):
            self._postings.append(slot, metadata)
        self._records.enter(first, ids)  # last: whatever failed before leaves dead slots only
        self._squeeze()

    def drop(self, key: str) -> bool:
        """Forget one record, and tell whether it was there."""
        dropped = self._records.drop(key)
        self._squeeze()
        return dropped

    def select(self, filter: Filter) -> list[str]:  # noqa: A002  # the domain's word
        """Return the ids of all records that *filter* holds for, in insertion order."""
        slots = np.flatnonzero(self._chosen(filter)).tolist()
        return [self._records.ids[slot] for slot in slots]

    def search(
        self,
        vector: Vector | None = None,
        sparse: SparseVector | None = None,
        top_k: int = 10,
        filter: Filter | None = None,  # noqa: A002  # the domain's word
        *,
        among: Iterable[str] | None = None,
        weighting: Literal["idf"] | None = None,
        fusion: Fusion = "rrf",
    ) -> list[Hit]:
        """Return the *top_k* nearest records that *filter* holds for, best first.

        *among* leaves out all other ids. A hybrid index takes either vector, or both and joins
        them by *fusion*; *weighting* concerns the sparse one. A record without metadata is
        filtered as if it were empty.

        Raises:
            Invalid: *top_k* is below 1, or a vector is missing or of the wrong kind or dimension.
        """
        check_asked(self.kind, dense=vector is not None, sparse=sparse is not None)
        if top_k < 1:
            msg = f"top_k must be at least 1, got {top_k}"
            raise Invalid(msg)
        wide = top_k if vector is None or sparse is None else depth(top_k)
        chosen = None if filter is None and among is None else self._chosen(filter, among)
        lists: list[Ranked] = []
        if vector is not None:
            lists.append(self._nearest(vector, wide, chosen))
        if sparse is not None:
            alive, idf = self._records.alive(), weighting == "idf"
            kept = alive if chosen is None else chosen
            lists.append(self._sparse.best(sparse, wide, alive, kept, idf=idf))
        return self._hits(lists[0] if len(lists) == 1 else fuse(lists[0], lists[1], top_k, fusion))

    def _append(self, rows: Floats) -> None:
        dense = self._dense or DenseRows(rows.shape[1], self.metric)
        dense.append(*dense.prepared(rows))
        self._dense = dense

    def _link(self, first: int) -> None:
        if self._graph_of is None or self._dense is None:
            return
        self._graph = self._graph or self._graph_of(self._dense.dimension)
        self._graph.append(first, *self._dense.since(first))

    def _nearest(self, vector: Vector, top_k: int, chosen: Mask | None) -> Ranked:
        query = matrix_of((vector,), self.dimension)[0]
        dense = self._dense
        if dense is None:
            return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.float32)
        if chosen is not None:
            return dense.best(query, top_k, chosen)
        if self._graph is not None and len(self) >= _ANN_FROM:
            near = self._graph.near(query, top_k)
            near = near[self._records.alive()[near]]
            if len(near) >= top_k:
                return dense.scored(near, query, top_k)
        return dense.best(query, top_k, self._records.alive() if self._records.dead else None)

    def _chosen(self, where: Filter | None, among: Iterable[str] | None = None) -> Mask:
        alive = self._records.alive() if among is None else self._records.mask(among)
        return alive if where is None else alive & self._postings.mask(where, len(alive))

    def _hits(self, ranked: Ranked) -> list[Hit]:
        slots: list[int] = ranked[0].tolist()
        scores: list[float] = ranked[1].tolist()
        ids = self._records.ids
        return [Hit(ids[slot], score) for slot, score in zip(slots, scores, strict=True)]

    def _squeeze(self) -> None:
        new = self._records.squeeze()
        if new is None:
            return
        for part in (self._dense, self._sparse, self._postings, self._graph):
            if part is not None:
                part.renumber(new)


def _check_lengths(ids: int, *parts: Sized | None) -> None:
    for part in parts:
        if part is not None and len(part) != ids:
            msg = f"{ids} ids, but {len(part)} vectors or metadata"
            raise Invalid(msg)
