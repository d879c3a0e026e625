"""Documents in a SQLite table, found by FTS5."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, final

from lamina.backend import serves
from lamina.backends.sqlite import document_rows as stored
from lamina.backends.sqlite.conditions import condition
from lamina.backends.sqlite.database import Database
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
from lamina.domains.words import counted, words
from lamina.errors import Invalid, StorageError
from lamina.values import Done, Failed, Outcome, Page

if TYPE_CHECKING:
    import os
    from sqlite3 import Connection

    from lamina.filters import Filter

_LONGEST_PAGE: Final = 10_000
_MOST_WORDS: Final = 1_000
_SORTED_BY: Final = {
    "rank": "rank",
    "created_at": "created_at",
    "updated_at": "updated_at",
    "id": "id",
    "path": "ifnull(path, '')",
}


@final
class SqliteDocuments(DocumentsBackend):
    """Documents in the database file *path*, with full-text search over their content.

    Words are those of FTS5's ``unicode61`` tokenizer, scores BM25 over the documents of all
    scopes. Several processes may use one file. *busy* is how long to wait for another that
    writes, in seconds.

    Raises:
        StackError: *path* is not that of a file.
    """

    name = "sqlite"
    needs_open = True

    def __init__(self, path: str | os.PathLike[str], *, busy: float = 5.0) -> None:
        self._database = Database(path, stored.SCHEMA, busy=busy)

    async def open(self) -> None:
        await self._database.open()

    async def close(self) -> None:
        await self._database.close()

    @serves(Read)
    async def read(self, op: Read) -> Document | None:
        return await self._database.read(lambda rows: stored.read(rows, op.scope, op.id))

    @serves(ReadAt)
    async def read_at(self, op: ReadAt) -> Document | None:
        return await self._database.read(lambda rows: stored.read_at(rows, op.scope, op.path))

    @serves(ReadMany)
    async def read_many(self, op: ReadMany) -> tuple[Outcome[Document | None], ...]:
        return await self._database.read(
            lambda rows: tuple(Done(stored.read(rows, op.scope, id_)) for id_ in op.ids)
        )

    @serves(Write)
    async def write(self, op: Write) -> None:
        now = self.runtime.wall()
        await self._database.write(lambda rows: stored.write(rows, op, op.scope, now))

    @serves(WriteAt)
    async def write_at(self, op: WriteAt) -> str:
        now = self.runtime.wall()
        return await self._database.write(lambda rows: stored.write_at(rows, op, now))

    @serves(WriteMany)
    async def write_many(self, op: WriteMany) -> tuple[Outcome[None], ...]:
        now = self.runtime.wall()
        return await self._database.write(
            lambda rows: tuple(_outcome(rows, item, op.scope, now) for item in op.items)
        )

    @serves(Update)
    async def update(self, op: Update) -> int | None:
        now = self.runtime.wall()
        return await self._database.write(lambda rows: stored.update(rows, op, now))

    @serves(Remove)
    async def remove(self, op: Remove) -> bool:
        query = "DELETE FROM documents WHERE scope = ? AND id = ?"
        key = (op.scope, op.id)
        return await self._database.write(lambda rows: rows.execute(query, key).rowcount > 0)

    @serves(Find, "text", "filter", "order")
    async def find(self, op: Find) -> Page[Found]:
        sorting = Sorting.of(op)
        after = None if op.cursor is None else sorting.place(op.cursor)
        asked = list({counted(word): word for word in words(op.text)}.values()) if op.text else None
        if asked is not None and len(asked) > _MOST_WORDS:
            msg = f"a search takes at most {_MOST_WORDS} words, got {len(asked)}"
            raise Invalid(msg)
        if asked == []:  # nothing but punctuation: no document has such a word
            return Page(())
        return await self._database.read(lambda rows: _find(rows, op, sorting, after, asked))

    @serves(Check)
    async def check(self, op: Check) -> None:
        del op
        await self._database.check()


def _outcome(rows: Connection, op: Write, scope: str, now: float) -> Outcome[None]:
    try:
        stored.write(rows, op, scope, now)
    except StorageError as error:
        return Failed(error)
    return Done(None)


def _find(
    rows: Connection, op: Find, sorting: Sorting, after: Place | None, asked: list[str] | None
) -> Page[Found]:
    values: list[Any] = []
    source, rank, wheres = "documents", "0.0", ["scope = ?"]
    if asked is not None:
        source = "documents_words JOIN documents ON number = documents_words.rowid"
        rank = "documents_words.rank"
        wheres.insert(0, "documents_words MATCH ?")
        values.append(" ".join(f'"{word}"' for word in asked))
    values.append(op.scope)
    if op.filter is not None:
        wheres.append(_filtered(rows, op.filter, op.scope, values))
    by = _SORTED_BY[sorting.by]
    if after is not None:
        wheres.append(f"({by}, id) {'<' if sorting.descending else '>'} (?, ?)")
        values += after
    way = "DESC" if sorting.descending else "ASC"
    limit = min(int(op.limit), _LONGEST_PAGE)
    found = rows.execute(
        f"SELECT number, {rank}, {by}, id FROM {source} WHERE {' AND '.join(wheres)} "  # noqa: S608  # only constants and compiled filters
        f"ORDER BY {by} {way}, id {way} LIMIT ?",
        (*values, limit + 1),
    ).fetchall()
    items = tuple(
        Found(stored.read_number(rows, number), -rank if rank else 0.0)
        for number, rank, _, _ in found[:limit]
    )
    following = sorting.cursor(found[limit - 1][2:]) if len(found) > limit else None
    return Page(items, following)


def _filtered(rows: Connection, wanted: Filter, scope: str, values: list[Any]) -> str:
    """Return the condition of *wanted*; what SQL would judge differently is left to Python."""
    found = condition(wanted)
    query = "SELECT 1 FROM documents WHERE scope = ? AND odd LIMIT 1"
    odd = rows.execute(query, (scope,)).fetchall()  # to the end: else no function can be made
    if found is not None and not odd:
        values += found[1]
        return found[0]

    def matches(metadata: str) -> bool:
        return wanted.matches(json.loads(metadata))

    rows.create_function("lamina_matches", 1, matches)
    if found is None:
        return "lamina_matches(metadata)"
    values += found[1]
    return f"CASE WHEN odd THEN lamina_matches(metadata) ELSE {found[0]} END"
