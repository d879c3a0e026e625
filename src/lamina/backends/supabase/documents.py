"""Documents in a table of a Supabase project."""

from __future__ import annotations

import json
from typing import Any, Final, final

from lamina.backend import serves
from lamina.backends.postgres.conditions import told
from lamina.backends.postgres.written import asked, stored
from lamina.backends.supabase.client import Client
from lamina.backends.supabase.document_rows import (
    COLUMNS,
    document_of,
    found_of,
    item_of,
    rows_of,
    text_of,
    whole_of,
    words_of,
)
from lamina.backends.supabase.writing import write_each
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
from lamina.domains.documents.pages import Place, Sorting
from lamina.domains.store import Check
from lamina.errors import Conflict
from lamina.values import Done, Outcome, Page

_TABLE: Final = "lamina_documents"
_VERSIONS: Final = "lamina_versions"
_LONGEST_PAGE: Final = 1_000


@final
class SupabaseDocuments(DocumentsBackend):
    """Documents in the table ``lamina_documents`` of the project at *url*.

    The table and its functions come from the SQL that ``lamina sql supabase`` prints. *key* is
    the project's service key; with an anon key and a user's *token*, row-level security confines
    all to the scope in that token. *schema* is where the table is, and must be exposed.
    *timeout* and *connect_timeout* in seconds bound each wait, *connections* how many there are.

    Raises:
        StackError: An option is wrong.
    """

    name = "supabase"
    needs_open = True

    def __init__(
        self,
        url: str,
        key: str,
        *,
        token: str | None = None,
        schema: str = "public",
        timeout: float = 30.0,
        connect_timeout: float = 5.0,
        connections: int = 20,
    ) -> None:
        self._client = Client(
            url,
            key,
            token=token,
            schema=schema,
            timeout=timeout,
            connect_timeout=connect_timeout,
            most=connections,
        )

    async def open(self) -> None:
        """Connect, and see that the table is there.

        Raises:
            StorageError: Says what is missing, or why the project does not answer.
        """
        self._client.wall = self.runtime.wall
        await self._client.open()
        await self.check(Check())

    async def close(self) -> None:
        await self._client.close()

    @serves(Read)
    async def read(self, op: Read) -> Document | None:
        return await self._read_by("id", op.id, op.scope)

    @serves(ReadAt)
    async def read_at(self, op: ReadAt) -> Document | None:
        return await self._read_by("path", op.path, op.scope)

    @serves(ReadMany)
    async def read_many(self, op: ReadMany) -> tuple[Outcome[Document | None], ...]:
        if not op.ids:
            return ()
        given = {"_scope": op.scope, "_ids": list(dict.fromkeys(op.ids))}
        rows = rows_of(await self._client.call("lamina_documents_read", given))
        found = {document.id: document for document in map(document_of, rows)}
        return tuple(Done(found.get(id_)) for id_ in op.ids)

    @serves(Write)
    async def write(self, op: Write) -> None:
        (outcome,) = await write_each(self._client, (op,), op.scope)
        if not isinstance(outcome, Done):
            raise outcome.error

    @serves(WriteMany)
    async def write_many(self, op: WriteMany) -> tuple[Outcome[None], ...]:
        return await write_each(self._client, op.items, op.scope)

    @serves(WriteAt)
    async def write_at(self, op: WriteAt) -> str:
        item = await item_of(op)
        given = {f"_{name}": value for name, value in item.items()}
        id_ = await self._client.call("lamina_documents_write_at", {"_scope": op.scope, **given})
        if id_ is None:
            msg = "the document with this id has another path"
            raise Conflict(msg)
        return text_of(id_)

    @serves(Update)
    async def update(self, op: Update) -> int | None:
        metadata = None if op.metadata is None else stored(op.metadata)
        words = None if op.content is None else await words_of(op.content)
        given = {
            "_scope": op.scope,
            "_id": op.id,
            "_expected": op.expected_version,
            "_content": op.content,
            "_words": words and words.words,
            "_weights": words and words.weights,
            "_metadata": metadata and json.loads(metadata.plain),
            "_exact": metadata and metadata.exact,
        }
        told_version = await self._client.call("lamina_documents_update", given)
        version = None if told_version is None else whole_of(told_version)
        if version is not None and version < 0:
            msg = f"the document has version {-version}, not {op.expected_version}"
            raise Conflict(msg)
        return version

    @serves(Remove)
    async def remove(self, op: Remove) -> bool:
        query = self._client.supabase.table(_TABLE).delete()
        query = query.eq("scope", op.scope).eq("id", op.id).select("version")
        return bool(rows_of(await self._client.told(query)))

    @serves(Find, "text", "filter", "order")
    async def find(self, op: Find) -> Page[Found]:
        sorting = Sorting.of(op)
        after: Place | None = None if op.cursor is None else sorting.place(op.cursor)
        words = asked(op.text) if op.text else None
        if words == []:  # nothing but punctuation: no document has such a word
            return Page(())
        limit = min(op.limit, _LONGEST_PAGE)
        given = {
            "_scope": op.scope,
            "_words": words,
            "_condition": None if op.filter is None else json.loads(told(op.filter)),
            "_sorted_by": sorting.by,
            "_descending": sorting.descending,
            "_after_value": None if after is None else after[0],
            "_after_id": None if after is None else after[1],
            "_most": limit + 1,
        }
        rows = rows_of(await self._client.call("lamina_documents_page", given))
        found = [found_of(row) for row in rows[:limit]]
        last = _place(sorting, found[-1]) if len(rows) > limit else None
        return Page(tuple(found), None if last is None else sorting.cursor(last))

    @serves(Check)
    async def check(self, op: Check) -> None:
        from lamina.backends.supabase.failures import FAILURES

        del op
        query = self._client.supabase.table(_VERSIONS).select("version").eq("name", "documents")
        rows = rows_of(await self._client.told(query))
        if not rows:
            raise FAILURES["no table"].error()
        if whole_of(rows[0].get("version")) != 1:
            raise FAILURES["no column"].error()

    async def _read_by(self, column: str, value: str, scope: str) -> Document | None:
        query = self._client.supabase.table(_TABLE).select(COLUMNS)
        rows = rows_of(await self._client.told(query.eq("scope", scope).eq(column, value)))
        return document_of(rows[0]) if rows else None


def _place(sorting: Sorting, found: Found) -> Place:
    if sorting.by == "rank":
        return -found.score, found.document.id
    value: Any = getattr(found.document, sorting.by)
    return "" if value is None else value, found.document.id
