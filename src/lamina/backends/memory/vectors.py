"""Vectors in dicts and matrices."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final, final

from lamina.backend import serves
from lamina.domains.documents.metadata import metadata_of
from lamina.domains.store import Check
from lamina.domains.vectors import (
    Drop,
    DropWhere,
    Fetch,
    FetchMany,
    IndexInfo,
    Info,
    ListIds,
    Match,
    Namespaces,
    Nearest,
    NearestMany,
    NearestPage,
    Record,
    Upsert,
    UpsertMany,
    VectorsBackend,
)
from lamina.domains.vectors.options import check_options
from lamina.domains.vectors.pages import page_of, so_far
from lamina.embed import default_embedder, embedded
from lamina.errors import StorageError
from lamina.threads import OneThread
from lamina.values import Done, Failed, Outcome, Page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.embed import Embedder
    from lamina.index.dense import Metric
    from lamina.index.kinds import Kind
    from lamina.index.spaces import Space, Spaces

_AT_ONCE: Final = 16


@final
class MemoryVectors(VectorsBackend):
    """Records in this process, searched exactly, in a thread of its own.

    Text is embedded by *embedder*, the best that is installed without. *kind* says which vectors
    a record has: ``"dense"``, ``"sparse"`` or both (``"hybrid"``); *metric* is that of the dense.

    Raises:
        StackError: There is no such kind or metric.
    """

    name = "memory"

    def __init__(
        self, *, embedder: Embedder | None = None, metric: Metric = "cosine", kind: Kind = "dense"
    ) -> None:
        check_options(kind, metric)
        self.embedder = embedder or default_embedder()
        self.metric: Metric = metric
        self.kind: Kind = kind
        self._records: dict[Space, dict[str, Record]] = {}
        self._spaces: Spaces | None = None  # numpy is loaded with the first
        self._changes = 0
        self._thread = OneThread("memory vectors")

    async def close(self) -> None:
        await self._thread.close()

    @serves(Fetch)
    async def fetch(self, op: Fetch) -> Record | None:
        return self._records.get((op.scope, op.namespace), {}).get(op.id)

    @serves(FetchMany)
    async def fetch_many(self, op: FetchMany) -> tuple[Outcome[Record | None], ...]:
        found = self._records.get((op.scope, op.namespace), {})
        return tuple(Done(found.get(id_)) for id_ in op.ids)

    @serves(Upsert, "dense", "sparse", "text")
    async def upsert(self, op: Upsert) -> None:
        await self._thread.run(self._put, op)

    @serves(UpsertMany)
    async def upsert_many(self, op: UpsertMany) -> tuple[Outcome[None], ...]:
        return await self._thread.run(self._put_each, op.singles())

    @serves(Drop)
    async def drop(self, op: Drop) -> bool:
        return await self._thread.run(self._drop, (op.scope, op.namespace), op.id)

    @serves(DropWhere)
    async def drop_where(self, op: DropWhere) -> int:
        return await self._thread.run(self._drop_where, op)

    @serves(Nearest, "dense", "sparse", "text", "filter")
    async def nearest(self, op: Nearest) -> tuple[Match, ...]:
        return await self._thread.run(self._search, op)

    @serves(NearestMany)
    async def nearest_many(self, op: NearestMany) -> tuple[Outcome[tuple[Match, ...]], ...]:
        queries, told = op.singles(), list[Outcome[tuple[Match, ...]]]()
        for start in range(0, len(queries), _AT_ONCE):  # others have their turn between
            told += await self._thread.run(self._search_each, queries[start : start + _AT_ONCE])
        return tuple(told)

    @serves(NearestPage)
    async def nearest_page(self, op: NearestPage) -> Page[Match]:
        return page_of(op, await self.nearest(so_far(op)))

    @serves(Namespaces)
    async def namespaces(self, op: Namespaces) -> tuple[str, ...]:
        held = list(self._records.items())  # the thread may add to it meanwhile
        return tuple(sorted(name for (scope, name), of in held if scope == op.scope and of))

    @serves(Info)
    async def info(self, op: Info) -> IndexInfo:
        space = (op.scope, op.namespace)
        count = len(self._records.get(space, {}))
        dimension = self._spaces.dimension(space) if self._spaces else None
        return IndexInfo(count, dimension, self.metric, self.embedder.name)

    @serves(ListIds, "ordered", "unique")
    async def list_ids(self, op: ListIds) -> Page[str]:
        after = op.cursor or ""
        held = self._records.get((op.scope, op.namespace), {})
        matching = (id_ for id_ in list(held) if id_ > after and id_.startswith(op.prefix))
        ids = heapq.nsmallest(op.limit, matching)
        return Page(tuple(ids), ids[-1] if len(ids) == op.limit else None)

    @serves(Check)
    async def check(self, op: Check) -> None:
        del op
        await self._thread.run(self._made)

    def _made(self) -> Spaces:
        """Run in the thread, as all below."""
        from lamina.index.spaces import Spaces

        if self._spaces is None:
            self._spaces = Spaces(self.kind, self.metric, ann=False)
        return self._spaces

    def _put(self, op: Upsert) -> None:
        from lamina.index.spaces import Change

        space, vector = (op.scope, op.namespace), op.vector
        if vector is None and op.text is not None and self.kind != "sparse":
            (vector,) = embedded(self.embedder, [op.text])
        metadata = metadata_of(op.metadata)
        data = None if vector is None else vector.data
        change = Change(self._changes + 1, space, op.id, data, op.sparse, metadata)
        spaces = self._made()
        spaces.check(change)
        spaces.follow([change])
        self._changes += 1
        self._records.setdefault(space, {})[op.id] = Record(
            op.id, vector, op.sparse, op.text, metadata
        )

    def _put_each(self, ops: tuple[Upsert, ...]) -> tuple[Outcome[None], ...]:
        outcomes: list[Outcome[None]] = []
        for op in ops:
            try:
                self._put(op)
                outcomes.append(Done(None))
            except StorageError as error:
                outcomes.append(Failed(error))
        return tuple(outcomes)

    def _drop(self, space: Space, id_: str) -> bool:
        from lamina.index.spaces import Change

        if self._records.get(space, {}).pop(id_, None) is None:
            return False
        self._changes += 1
        self._made().follow([Change(self._changes, space, id_)])
        return True

    def _drop_where(self, op: DropWhere) -> int:
        space, where = (op.scope, op.namespace), op.filter
        held = self._records.get(space, {}).values()
        ids = [one.id for one in held if where is None or where.matches(one.metadata)]
        return sum(self._drop(space, id_) for id_ in ids)

    def _search(self, op: Nearest) -> tuple[Match, ...]:
        space, vector = (op.scope, op.namespace), op.vector
        if vector is None and op.text is not None:
            (vector,) = embedded(self.embedder, [op.text])
        hits = self._made().nearest(space, vector, op.sparse, op.top_k, op.filter)
        held = self._records.get(space, {})
        found = ((held[hit.id], hit.score) for hit in hits)
        return tuple(Match(one.id, score, one.text, one.metadata) for one, score in found)

    def _search_each(self, queries: Sequence[Nearest]) -> list[Outcome[tuple[Match, ...]]]:
        told: list[Outcome[tuple[Match, ...]]] = []
        for query in queries:
            try:
                told.append(Done(self._search(query)))
            except StorageError as error:
                told.append(Failed(error))
        return told
