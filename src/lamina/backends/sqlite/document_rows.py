"""The rows of the documents tables, inside one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from lamina.backends.sqlite.connection import Schema
from lamina.domains.documents import Document, Write
from lamina.domains.documents.metadata import metadata_of
from lamina.errors import Conflict
from lamina.values import FrozenDict, Json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from sqlite3 import Connection

    from lamina.domains.documents import Update, WriteAt

# Emoji and currencies newer than the tokenizer's table, which takes what it lacks for letters.
_SYMBOLS: Final = "".join(map(chr, (*range(0x20A0, 0x20D0), *range(0x1F000, 0x1FB00))))
SCHEMA: Final = Schema(
    "documents",
    1,
    (
        # The long columns are the last: what stands before them is read without them.
        # odd: SQLite reads this metadata differently than Python.
        """CREATE TABLE documents (
            number INTEGER PRIMARY KEY, scope TEXT NOT NULL, id TEXT NOT NULL, path TEXT,
            version INTEGER NOT NULL, created_at REAL NOT NULL, updated_at REAL NOT NULL,
            odd INTEGER NOT NULL, metadata TEXT NOT NULL, content TEXT NOT NULL,
            UNIQUE (scope, id))""",
        "CREATE UNIQUE INDEX documents_path ON documents (scope, path) WHERE path IS NOT NULL",
        "CREATE INDEX documents_created ON documents (scope, created_at, id)",
        "CREATE INDEX documents_updated ON documents (scope, updated_at, id)",
        "CREATE INDEX documents_odd ON documents (scope) WHERE odd",
        f"""CREATE VIRTUAL TABLE documents_words USING fts5(
            content, content='documents', content_rowid='number',
            tokenize="unicode61 remove_diacritics 2 separators '{_SYMBOLS}'")""",
        """CREATE TRIGGER documents_added AFTER INSERT ON documents BEGIN
            INSERT INTO documents_words (rowid, content) VALUES (new.number, new.content);
        END""",
        """CREATE TRIGGER documents_removed AFTER DELETE ON documents BEGIN
            INSERT INTO documents_words (documents_words, rowid, content)
            VALUES ('delete', old.number, old.content);
        END""",
        """CREATE TRIGGER documents_changed AFTER UPDATE OF content ON documents
        WHEN old.content <> new.content BEGIN
            INSERT INTO documents_words (documents_words, rowid, content)
            VALUES ('delete', old.number, old.content);
            INSERT INTO documents_words (rowid, content) VALUES (new.number, new.content);
        END""",
    ),
)
_READ: Final = "SELECT id, content, metadata, version, path, created_at, updated_at FROM documents "
_WRITE: Final = """INSERT INTO documents
    (scope, id, path, version, created_at, updated_at, odd, metadata, content)
    VALUES (:scope, :id, :path, 1, :now, :now, :odd, :metadata, :content)
    ON CONFLICT (scope, id) DO UPDATE SET path = :path, version = version + 1, updated_at = :now,
    odd = :odd, metadata = :metadata, content = :content"""
_UPDATE: Final = """UPDATE documents SET version = version + 1, updated_at = :now,
    odd = ifnull(:odd, odd), metadata = ifnull(:metadata, metadata),
    content = ifnull(:content, content) WHERE scope = :scope AND id = :id"""


def read(rows: Connection, scope: str, id_: str) -> Document | None:
    """Return the document of that id."""
    query = _READ + "WHERE scope = ? AND id = ?"
    return _document(rows.execute(query, (scope, id_)).fetchone())


def read_at(rows: Connection, scope: str, path: str) -> Document | None:
    """Return the document at that path."""
    query = _READ + "WHERE scope = ? AND path = ?"
    return _document(rows.execute(query, (scope, path)).fetchone())


def read_number(rows: Connection, number: int) -> Document:
    """Return the document in that row, which exists."""
    query = _READ + "WHERE number = ?"
    found = _document(rows.execute(query, (number,)).fetchone())
    assert found is not None  # noqa: S101  # the same transaction has just found it
    return found


def write(rows: Connection, op: Write, scope: str, now: float) -> None:
    """Write a whole document.

    Raises:
        Conflict: Another document has its path.
        Invalid: Its metadata is not an object.
    """
    metadata, odd = _stored(rows, op.metadata)
    if op.path is not None:
        taken = rows.execute(
            "SELECT 1 FROM documents WHERE scope = ? AND path = ? AND id <> ?",
            (scope, op.path, op.id),
        ).fetchone()
        if taken:
            msg = "another document has this path"
            raise Conflict(msg)
    values = {"scope": scope, "id": op.id, "path": op.path, "now": now, "content": op.content}
    rows.execute(_WRITE, {**values, "metadata": metadata, "odd": odd})


def write_at(rows: Connection, op: WriteAt, now: float) -> str:
    """Write a whole document at a path; return its id.

    Raises:
        Conflict: The id is that of a document elsewhere.
        Invalid: Its metadata is not an object.
    """
    query = "SELECT id FROM documents WHERE scope = ? AND path = ?"
    found = rows.execute(query, (op.scope, op.path)).fetchone()
    if found is None and read(rows, op.scope, op.id) is not None:
        msg = "the document with this id has another path"
        raise Conflict(msg)
    id_ = op.id if found is None else str(found[0])
    write(rows, Write(id_, op.content, op.metadata, op.path), op.scope, now)
    return id_


def update(rows: Connection, op: Update, now: float) -> int | None:
    """Change a document; return its new version, None if there is none.

    Raises:
        Conflict: It has another version than expected.
        Invalid: Its metadata is not an object.
    """
    metadata, odd = (None, None) if op.metadata is None else _stored(rows, op.metadata)
    found = rows.execute(
        "SELECT version FROM documents WHERE scope = ? AND id = ?", (op.scope, op.id)
    ).fetchone()
    if found is None:
        return None
    version = int(found[0])
    if op.expected_version not in (None, version):
        msg = f"the document has version {version}, not {op.expected_version}"
        raise Conflict(msg)
    values = {"scope": op.scope, "id": op.id, "now": now, "content": op.content}
    rows.execute(_UPDATE, {**values, "metadata": metadata, "odd": odd})
    return version + 1


def _document(row: tuple[Any, ...] | None) -> Document | None:
    if row is None:
        return None
    id_, content, metadata, *rest = row
    return Document(id_, content, Json(metadata.encode()).value(), *rest)


def _stored(rows: Connection, given: Json) -> tuple[str, bool]:
    """Return metadata as it is stored, and whether SQLite reads it differently than Python."""
    value = metadata_of(given)
    text = Json.of(value).data.decode()
    floats: list[float] = []
    for leaf in _leaves(value):
        if isinstance(leaf, float):
            floats.append(leaf)
        elif isinstance(leaf, str):
            if "\0" in leaf:
                return text, True
        elif isinstance(leaf, int) and not -(2**63) <= leaf < 2**63:
            return text, True
    if not floats:
        return text, False
    # SQLite before 3.43 may miss the last bit where the platform has no wider long double.
    found = rows.execute("SELECT atom FROM json_tree(?) WHERE type = 'real'", (text,))
    return text, [atom for (atom,) in found] != floats


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, FrozenDict):
        for name in sorted(value):
            yield from _leaves(value[name])
    elif isinstance(value, tuple):
        for item in cast("Iterable[Any]", value):
            yield from _leaves(item)
    else:
        yield value
