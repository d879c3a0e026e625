"""Vectors in a SQLite table, searched exactly in memory."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, final

from lamina.backend import serves
from lamina.backends.sqlite import records
from lamina.backends.sqlite.database import Database
from lamina.backends.sqlite.follower import Follower
from lamina.domains.documents.metadata import metadata_of
from lamina.domains.prefixes import end_of
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
    NearestPage,
    Record,
    Upsert,
    UpsertMany,
    VectorsBackend,
)
from lamina.domains.vectors.options import check_options
from lamina.domains.vectors.pages import page_of, so_far
from lamina.embed import default_embedder, embedded
from lamina.errors import Invalid, StackError, StorageError
from lamina.threads import OneThread
from lamina.values import Done, Failed, Outcome, Page

if TYPE_CHECKING:
    from sqlite3 import Connection

    from lamina.embed import Embedder
    from lamina.index.dense import Metric
    from lamina.index.kinds import Kind

_LONGEST_PAGE: Final = 10_000


@final
class SqliteVectors(VectorsBackend):
    """Records in the database file *path*; a search follows what was written before it began.

    The first search loads all vectors into memory, 4 bytes a number; later ones only what has
    changed, also by other processes. Searches are exact; with *ann* (extra ``[ann]``) unfiltered
    ones among 20,000 or more guess first. Text is embedded by *embedder*, the best that is
    installed without; one file keeps to one embedder. *kind* says which vectors a record has:
    ``"dense"``, ``"sparse"`` or both (``"hybrid"``); *metric* is that of the dense ones.

    Raises:
        StackError: *path* is not that of a file, there is no such kind or metric, or *ann* is not
            installed or for another kind or metric.
    """

    name = "sqlite"
    needs_open = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        embedder: Embedder | None = None,
        metric: Metric = "cosine",
        kind: Kind = "dense",
        ann: bool = False,
        busy: float = 5.0,
    ) -> None:
        check_options(kind, metric)
        if ann:
            _check_ann(kind, metric)
        self.embedder = embedder or default_embedder()
        self.metric: Metric = metric
        self.kind: Kind = kind
        self.ann = ann
        self._database = Database(path, records.SCHEMA, busy=busy)
        self._thread = OneThread("sqlite vectors")
        self._follower = Follower(self._database, self._thread, kind, metric, ann=ann)

    async def open(self) -> None:
        await self._database.open()
        await self._database.read(lambda rows: records.check_kind(rows, self.kind))

    async def close(self) -> None:
        try:
            await self._thread.close()
        finally:
            await self._database.close()

    @serves(Fetch)
    async def fetch(self, op: Fetch) -> Record | None:
        return await self._database.read(
            lambda rows: records.fetch(rows, op.scope, op.namespace, op.id)
        )

    @serves(FetchMany)
    async def fetch_many(self, op: FetchMany) -> tuple[Outcome[Record | None], ...]:
        return await self._database.read(
            lambda rows: tuple(
                Done(records.fetch(rows, op.scope, op.namespace, id_)) for id_ in op.ids
            )
        )

    @serves(Upsert, "dense", "sparse", "text")
    async def upsert(self, op: Upsert) -> None:
        (written,) = await self._embedded((op,))
        if isinstance(written, Invalid):
            raise written
        await self._database.write(lambda rows: self._put(rows, written))

    @serves(UpsertMany)
    async def upsert_many(self, op: UpsertMany) -> tuple[Outcome[None], ...]:
        written = await self._embedded(op.singles())

        def put_each(rows: Connection) -> tuple[Outcome[None], ...]:
            outcomes: list[Outcome[None]] = []
            for one in written:
                if isinstance(one, Invalid):
                    outcomes.append(Failed(one))
                    continue
                try:
                    self._put(rows, one)
                    outcomes.append(Done(None))
                except StorageError as error:  # refused before it changed anything
                    outcomes.append(Failed(error))
            return tuple(outcomes)

        return await self._database.write(put_each)

    @serves(Drop)
    async def drop(self, op: Drop) -> bool:
        def dropped(rows: Connection) -> bool:
            records.prune(rows)
            return records.drop(rows, op.scope, op.namespace, op.id)

        return await self._database.write(dropped)

    @serves(DropWhere)
    async def drop_where(self, op: DropWhere) -> int:
        return await self._database.write(lambda rows: records.drop_where(rows, op))

    @serves(Nearest, "dense", "sparse", "text", "filter")
    async def nearest(self, op: Nearest) -> tuple[Match, ...]:
        vector = op.vector
        if vector is None and op.text is not None:
            await self._database.read(self._check_embedder)
            (vector,) = await self._thread.run(embedded, self.embedder, [op.text])
        spaces = await self._follower.followed()
        space = (op.scope, op.namespace)
        hits = await self._thread.run(spaces.nearest, space, vector, op.sparse, op.top_k, op.filter)

        def told(rows: Connection) -> tuple[Match, ...]:
            found = (records.match(rows, *space, hit.id, hit.score) for hit in hits)
            return tuple(match for match in found if match is not None)

        return await self._database.read(told) if hits else ()

    @serves(NearestPage)
    async def nearest_page(self, op: NearestPage) -> Page[Match]:
        return page_of(op, await self.nearest(so_far(op)))

    @serves(Namespaces)
    async def namespaces(self, op: Namespaces) -> tuple[str, ...]:
        return await self._database.read(lambda rows: records.namespaces(rows, op.scope))

    @serves(Info)
    async def info(self, op: Info) -> IndexInfo:
        count, dimension = await self._database.read(
            lambda rows: records.described(rows, op.scope, op.namespace)
        )
        return IndexInfo(count, dimension, self.metric, self.embedder.name)

    @serves(ListIds, "ordered", "unique")
    async def list_ids(self, op: ListIds) -> Page[str]:
        limit = min(op.limit, _LONGEST_PAGE)
        space, end = (op.scope, op.namespace), end_of(op.prefix)
        begin = (op.prefix, op.cursor or "")
        ids = await self._database.read(lambda rows: records.ids(rows, space, begin, end, limit))
        return Page(tuple(ids), ids[-1] if len(ids) == limit else None)

    @serves(Check)
    async def check(self, op: Check) -> None:
        del op
        await self._database.check()

    def _put(self, rows: Connection, written: records.Written) -> None:
        if written.op.text is not None and written.op.vector is None:
            self._check_embedder(rows)
            records.note(rows, "embedder", self.embedder.name)
        if written.vector is not None and self.metric != "cosine":
            from lamina.index.spaces import check_length

            check_length(written.vector, self.metric)
        records.put(rows, written)

    def _check_embedder(self, rows: Connection) -> None:
        noted = records.fact(rows, "embedder")
        if noted not in (None, self.embedder.name):
            msg = (
                f"texts here were embedded by {noted}, not by {self.embedder.name}: "
                "use that embedder, or another file"
            )
            raise Invalid(msg)

    async def _embedded(self, ops: tuple[Upsert, ...]) -> list[records.Written | Invalid]:
        """Return each with its vector, or with why the index would refuse it."""
        from lamina.index.kinds import check_written

        texts = {at: op.text for at, op in enumerate(ops) if op.text is not None}
        if self.kind == "sparse":
            texts = {}
        texts = {at: text for at, text in texts.items() if ops[at].vector is None}
        given = list(texts.values())
        made = await self._thread.run(embedded, self.embedder, given) if texts else []
        vectors = dict(zip(texts, made, strict=True))
        written: list[records.Written | Invalid] = []
        for at, op in enumerate(ops):
            vector = vectors.get(at, op.vector)
            try:
                check_written(self.kind, dense=vector is not None, sparse=op.sparse is not None)
                metadata_of(op.metadata)
            except Invalid as error:
                written.append(error)
            else:
                written.append(records.Written(op, vector))
        return written


def _check_ann(kind: Kind, metric: Metric) -> None:
    if metric != "cosine" or kind == "sparse":
        msg = "ann needs dense vectors and the cosine metric"
    elif find_spec("usearch") is None:
        msg = "ann needs lamina[ann]"
    else:
        return
    raise StackError(msg)
