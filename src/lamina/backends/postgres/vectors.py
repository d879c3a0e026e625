"""Vectors in a PostgreSQL table, searched by pgvector."""

from __future__ import annotations

import sys
from array import array
from typing import TYPE_CHECKING, Any, Final, final

from asyncpg import Connection
from asyncpg.prepared_stmt import PreparedStatement

from lamina.backend import serves
from lamina.backends.postgres.bulk import write_each
from lamina.backends.postgres.conditions import compiled
from lamina.backends.postgres.embedding import Embedding, Ready, Values
from lamina.backends.postgres.facts import Facts
from lamina.backends.postgres.finding import Row
from lamina.backends.postgres.nearest import Search
from lamina.backends.postgres.pool import Pool
from lamina.backends.postgres.schema import check_schema
from lamina.backends.postgres.written import decoded
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
from lamina.domains.vectors.pages import so_far
from lamina.errors import StackError, StorageError
from lamina.threads import OneThread
from lamina.values import Done, Failed, Outcome, Page, Vector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.embed import Embedder
    from lamina.index.dense import Metric

_LONGEST_PAGE: Final = 10_000


@final
class PostgresVectors(VectorsBackend):
    """Records in the table ``lamina_vectors`` of a schema of the database at *url*, by pgvector.

    All vectors of one schema have one dimension, given or decided by the first record, and one
    *metric*. Text is embedded by *embedder*, the best that is installed without. Searches with a
    filter, in a namespace of fewer than *exact_below* records, or page by page are exact; others
    use an HNSW index with *ef_search* candidates, for vectors of up to 2,000 numbers. *create*
    makes what is missing when it opens. At most so many *connections* are held; *timeout* bounds
    each statement, transaction and wait for a connection, *connect_timeout* a new connection, in
    seconds. *pooler* says that a pooler in transaction mode stands between.

    Raises:
        StackError: The URL is none of PostgreSQL's, the schema is no name, there is no such
            metric, or a number is not above 0.
    """

    name = "postgres"
    needs_open = True

    def __init__(
        self,
        url: str,
        *,
        schema: str = "lamina",
        create: bool = True,
        connections: int = 10,
        timeout: float = 10.0,
        connect_timeout: float = 5.0,
        pooler: bool = False,
        dimension: int | None = None,
        metric: Metric = "cosine",
        embedder: Embedder | None = None,
        exact_below: int = 10_000,
        ef_search: int = 100,
    ) -> None:
        check_schema(schema)
        check_options("dense", metric)
        if min(dimension or 1, exact_below, ef_search) < 1 or dimension == 0:
            msg = "dimension, exact_below and ef_search must be at least 1"
            raise StackError(msg)
        self.metric: Metric = metric
        self._pool = Pool(
            url,
            connections=connections,
            timeout=timeout,
            connect_timeout=connect_timeout,
            pooler=pooler,
        )
        self._thread = OneThread("postgres vectors")
        self._facts = Facts(self._pool, schema, metric, dimension, create=create)
        self._embedding = Embedding(embedder, self._facts, self._thread)
        self._search = Search(
            self._pool, self._facts, metric, exact_below=exact_below, ef_search=ef_search
        )
        self._ask = self._pool.ask
        self._run = self._pool.run

    async def open(self) -> None:
        await self._pool.open(self.runtime, self._facts.prepare)

    async def close(self) -> None:
        try:
            await self._thread.close()
        finally:
            await self._pool.close()

    @serves(Fetch)
    async def fetch(self, op: Fetch) -> Record | None:
        query = self._facts.sql.fetch
        row = await self._run(PreparedStatement.fetchrow, query, op.scope, op.namespace, op.id)
        return None if row is None else _record(row)

    @serves(FetchMany)
    async def fetch_many(self, op: FetchMany) -> tuple[Outcome[Record | None], ...]:
        wanted = (op.scope, op.namespace, [*set(op.ids)])
        rows = await self._ask(Connection.fetch, self._facts.sql.fetch_many, *wanted)
        found = {row[0]: _record(row) for row in rows}
        return tuple(Done(found.get(id_)) for id_ in op.ids)

    @serves(Upsert, "dense", "text")
    async def upsert(self, op: Upsert) -> None:
        (told,) = await self._upsert((op,))
        if isinstance(told, Failed):
            raise told.error

    @serves(UpsertMany)
    async def upsert_many(self, op: UpsertMany) -> tuple[Outcome[None], ...]:
        return await self._upsert(op.singles())

    @serves(Drop)
    async def drop(self, op: Drop) -> bool:
        query = self._facts.sql.drop
        return bool(
            await self._run(PreparedStatement.fetchval, query, op.scope, op.namespace, op.id)
        )

    @serves(DropWhere)
    async def drop_where(self, op: DropWhere) -> int:
        values: list[Any] = [op.scope, op.namespace]
        where = "" if op.filter is None else f" AND {compiled(op.filter, values)}"
        query = f"{self._facts.sql.drop_where}{where}"
        told = await self._ask(Connection.execute, query, *values)
        return int(told.rpartition(" ")[2])  # "DELETE 3"

    @serves(Nearest, "dense", "text", "filter")
    async def nearest(self, op: Nearest) -> tuple[Match, ...]:
        vector = await self._embedding.asked(op)
        return tuple(await self._search.nearest(op, vector, self.runtime))

    @serves(NearestPage)
    async def nearest_page(self, op: NearestPage) -> Page[Match]:
        asked = so_far(op)
        before, limit = asked.top_k - op.limit - 1, min(op.limit, _LONGEST_PAGE)
        vector = await self._embedding.asked(asked)
        found = await self._search.page(asked, vector, before, limit + 1)
        following = str(before + limit) if len(found) > limit else None
        return Page(tuple(found[:limit]), following)

    @serves(Namespaces)
    async def namespaces(self, op: Namespaces) -> tuple[str, ...]:
        rows = await self._ask(Connection.fetch, self._facts.sql.namespaces, op.scope)
        return tuple(row[0] for row in rows)

    @serves(Info)
    async def info(self, op: Info) -> IndexInfo:
        count: int = await self._run(
            PreparedStatement.fetchval, self._facts.sql.count, op.scope, op.namespace
        )
        if self._facts.dimension is None:
            await self._facts.look()
        return IndexInfo(count, self._facts.dimension, self.metric, self._embedding.embedder.name)

    @serves(ListIds, "ordered", "unique")
    async def list_ids(self, op: ListIds) -> Page[str]:
        limit, end = min(op.limit, _LONGEST_PAGE), end_of(op.prefix)
        sql = self._facts.sql
        query, last = (sql.ids, ()) if end is None else (sql.ids_until, (end,))
        wanted = (op.scope, op.namespace, op.prefix, op.cursor or "", limit, *last)
        ids = tuple(row[0] for row in await self._ask(Connection.fetch, query, *wanted))
        return Page(ids, ids[-1] if len(ids) == limit else None)

    @serves(Check)
    async def check(self, op: Check) -> None:
        del op
        await self._run(PreparedStatement.fetchval, self._facts.sql.holds, "", "", 1)

    async def _upsert(self, ops: Sequence[Upsert]) -> tuple[Outcome[None], ...]:
        """Write records; those that are refused do not hinder others."""
        if not ops:
            return ()
        made = await self._embedding.written(ops)
        good = [one for one in made if isinstance(one, tuple)]
        if len(good) == 1 and isinstance(values := self._values(good[0]), tuple):
            status = await self._ask(Connection.execute, self._facts.sql.upsert, *values)
            if status == "INSERT 0 1":  # its namespace is there, most often
                return tuple(Done(None) if isinstance(one, tuple) else Failed(one) for one in made)
        spaces = sorted({op.namespace for op, _ in good})  # in one order: no deadlocks
        await self._ask(Connection.execute, self._facts.sql.make_spaces, ops[0].scope, spaces)
        return await write_each(self._pool, self._facts.sql.upsert, made, _key, self._values)

    def _values(self, one: Ready | StorageError) -> Values | StorageError:
        return self._embedding.values(*one) if isinstance(one, tuple) else one


def _key(one: Ready | StorageError) -> tuple[str, ...]:
    return (one[0].namespace, one[0].id) if isinstance(one, tuple) else ()


def _record(row: Row) -> Record:
    numbers = array("f", row[1][4:])  # after the dimension and a spare, of 16 bits each
    if sys.byteorder == "little":
        numbers.byteswap()
    return Record(row[0], Vector(numbers.tobytes()), None, row[2], decoded(row[3]))
