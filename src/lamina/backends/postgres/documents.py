"""Documents in a PostgreSQL table, found by words and by conditions on their metadata."""

from __future__ import annotations

from typing import Final, final

from asyncpg import Connection
from asyncpg.prepared_stmt import PreparedStatement

from lamina.backend import serves
from lamina.backends.postgres.bulk import write_documents
from lamina.backends.postgres.documents_sql import Statements, row
from lamina.backends.postgres.finding import document, page, statement
from lamina.backends.postgres.pool import Pool
from lamina.backends.postgres.schema import Tables, check_schema, statements
from lamina.backends.postgres.written import Indexed, asked, indexed, stored
from lamina.domains.documents import (
    Document,
    DocumentsBackend,
    Find,
    Found,
    Read,
    ReadAt,
    ReadMany,
    Remove,
    Update,
    Write,
    WriteAt,
    WriteMany,
)
from lamina.domains.documents.pages import Sorting
from lamina.domains.store import Check
from lamina.errors import Conflict
from lamina.threads import OneThread
from lamina.values import Done, Outcome, Page

_LARGE: Final = 64 * 2**10  # characters whose words are not looked for in the loop's thread
_MOST_VERSION: Final = 2**63 - 1


@final
class PostgresDocuments(DocumentsBackend):
    """Documents in the table ``lamina_documents`` of a schema of the database at *url*.

    Words are the same as on every backend. A score depends on the document alone: how often it
    holds the words and how long it is, not how rare they are; so pages by score are exact while
    others write. Times are the server's. *create* makes what is missing when it opens. At most so
    many *connections* are held; *timeout* bounds each statement, transaction and wait for a
    connection, *connect_timeout* a new connection, in seconds. *pooler* says that a pooler in
    transaction mode stands between.

    Raises:
        StackError: The URL is none of PostgreSQL's, the schema is no name, or a number is not
            above 0.
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
    ) -> None:
        check_schema(schema)
        self.schema = schema
        self.create = create
        self._pool = Pool(
            url,
            connections=connections,
            timeout=timeout,
            connect_timeout=connect_timeout,
            pooler=pooler,
        )
        self._sql = statements(Statements, schema)
        self._thread = OneThread("postgres documents")
        self._ask = self._pool.ask
        self._run = self._pool.run

    async def open(self) -> None:
        tables = Tables("documents", 1, self.schema)
        await self._pool.open(self.runtime, lambda one: tables.prepare(one, create=self.create))

    async def close(self) -> None:
        try:
            await self._thread.close()
        finally:
            await self._pool.close()

    @serves(Read)
    async def read(self, op: Read) -> Document | None:
        found = await self._run(PreparedStatement.fetchrow, self._sql.read, op.scope, op.id)
        return None if found is None else document(found)

    @serves(ReadAt)
    async def read_at(self, op: ReadAt) -> Document | None:
        found = await self._run(PreparedStatement.fetchrow, self._sql.read_at, op.scope, op.path)
        return None if found is None else document(found)

    @serves(ReadMany)
    async def read_many(self, op: ReadMany) -> tuple[Outcome[Document | None], ...]:
        rows = await self._run(
            PreparedStatement.fetch, self._sql.read_many, op.scope, [*set(op.ids)]
        )
        found = {row[0]: document(row) for row in rows}
        return tuple(Done(found.get(id_)) for id_ in op.ids)

    @serves(Write)
    async def write(self, op: Write) -> None:
        values = row(op.scope, op, stored(op.metadata), await self._indexed(op.content))
        await self._run(PreparedStatement.fetchval, self._sql.write, *values)

    @serves(WriteAt)
    async def write_at(self, op: WriteAt) -> str:
        values = (op.content, *stored(op.metadata), *await self._indexed(op.content))
        written: str | None = await self._run(
            PreparedStatement.fetchval, self._sql.write_at, op.scope, op.path, op.id, *values
        )
        if written is None:
            msg = "the document with this id has another path"
            raise Conflict(msg)
        return written

    @serves(WriteMany)
    async def write_many(self, op: WriteMany) -> tuple[Outcome[None], ...]:
        return await write_documents(self._pool, self._sql.write, op.scope, op.items)

    @serves(Update)
    async def update(self, op: Update) -> int | None:
        expected = None if op.expected_version is None else min(op.expected_version, _MOST_VERSION)
        words = (None, None) if op.content is None else await self._indexed(op.content)
        metadata = (None, None) if op.metadata is None else stored(op.metadata)
        told: int | None = await self._run(
            PreparedStatement.fetchval,
            self._sql.update,
            *(op.scope, op.id, expected, op.content, *words, *metadata),
        )
        if told is not None and told < 0:
            msg = f"the document has version {-told}, not {op.expected_version}"
            raise Conflict(msg)
        return told

    @serves(Remove)
    async def remove(self, op: Remove) -> bool:
        return bool(await self._run(PreparedStatement.fetchval, self._sql.remove, op.scope, op.id))

    @serves(Find, "text", "filter", "order")
    async def find(self, op: Find) -> Page[Found]:
        sorting = Sorting.of(op)
        words = asked(op.text) if op.text else None
        query, values = statement(op, self._sql, sorting, words)
        if words == []:  # nothing but punctuation: no document has such a word
            return Page(())
        return page(op, sorting, await self._ask(Connection.fetch, query, *values))

    @serves(Check)
    async def check(self, op: Check) -> None:
        del op
        await self._run(PreparedStatement.fetchval, self._sql.check)

    async def _indexed(self, content: str) -> Indexed:
        if len(content) < _LARGE:
            return indexed(content)
        return await self._thread.run(indexed, content)
