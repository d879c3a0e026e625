"""Which key has which bytes: a table in SQLite, so that each change is whole or not at all."""

from __future__ import annotations

import re
import sqlite3
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, final

from lamina.backends.sqlite.connection import Schema, connect_reader, connect_writer
from lamina.errors import Closed, Corrupt

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_BUSY: Final = 10.0  # seconds to wait for the writes of other processes
_LAST: Final = sys.maxunicode
_FIND: Final = "SELECT * FROM media_objects WHERE scope = ? AND key = ?"
_PAGE: Final = (
    "SELECT * FROM media_objects WHERE scope = ? AND key > ? AND key >= ? "
    "AND (? IS NULL OR key < ?) ORDER BY key LIMIT ?"
)
_SCHEMA: Final = Schema(
    "media",
    1,
    (
        """CREATE TABLE media_objects (
            scope TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,
            type TEXT NOT NULL, metadata BLOB NOT NULL, modified REAL NOT NULL, upload TEXT,
            PRIMARY KEY (scope, key))""",
        "CREATE INDEX media_objects_digest ON media_objects (digest)",
        """CREATE TABLE media_uploads (
            id TEXT PRIMARY KEY, scope TEXT NOT NULL, key TEXT NOT NULL, type TEXT NOT NULL,
            metadata BLOB NOT NULL, touched REAL NOT NULL)""",
    ),
)


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """One key; *digest* names the blob, *upload* the upload that made it, if one did."""

    scope: str
    key: str
    digest: str
    size: int
    type: str
    metadata: bytes
    modified: float
    upload: str | None = None


@final
@dataclass(frozen=True, slots=True)
class Upload:
    """An upload that is not finished; *touched* is when its last part came, in Unix seconds."""

    id: str
    scope: str
    key: str
    type: str
    metadata: bytes
    touched: float


@final
class Index:
    """The table in one file; its methods may be called from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reading = Lock()
        self._writing = Lock()
        self._reader: sqlite3.Connection | None = None
        self._writer: sqlite3.Connection | None = None

    def open(self) -> None:
        """Make the tables if they are missing, and connect."""
        self._writer = connect_writer(self._path, _SCHEMA, _BUSY)
        self._reader = connect_reader(self._path, _BUSY)

    def close(self) -> None:
        """Let go of the file."""
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.close()
        self._reader = self._writer = None

    def find(self, scope: str, key: str) -> Entry | None:
        """Return what is known of one key."""
        rows = self._read(_FIND, scope, key)
        return _entry(rows[0]) if rows else None

    def page(self, scope: str, prefix: str, after: str, limit: int) -> list[Entry]:
        """Return at most *limit* keys that begin with *prefix*, in order, from behind *after*."""
        end = _behind(prefix)
        return [_entry(row) for row in self._read(_PAGE, scope, after, prefix, end, end, limit)]

    def upload(self, scope: str, key: str, name: str) -> Upload | None:
        """Return an upload that is not finished."""
        query = "SELECT * FROM media_uploads WHERE id = ? AND scope = ? AND key = ?"
        rows = self._read(query, name, scope, key)
        return Upload(*rows[0]) if rows else None

    @contextmanager
    def writing(self) -> Generator[Change, None, None]:
        """Change the table, alone among all processes: whole, or not at all if it raises."""
        with self._writing:
            writer = _connected(self._writer)
            writer.execute("BEGIN IMMEDIATE")
            try:
                yield Change(writer)
                writer.execute("COMMIT")
            finally:
                if writer.in_transaction:
                    writer.execute("ROLLBACK")

    def _read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._reading:
            return _connected(self._reader).execute(query, values).fetchall()


@final
class Change:
    """What may be done inside of ``Index.writing``."""

    def __init__(self, writer: sqlite3.Connection) -> None:
        self._run = writer.execute

    def put(self, entry: Entry) -> str | None:
        """Write an entry; return the digest of the one it replaces."""
        old = self.remove(entry.scope, entry.key)
        values = (entry.scope, entry.key, entry.digest, entry.size)
        more = (entry.type, entry.metadata, entry.modified, entry.upload)
        self._run("INSERT INTO media_objects VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values + more)
        return old

    def remove(self, scope: str, key: str) -> str | None:
        """Remove an entry; return its digest if there was one."""
        query = "DELETE FROM media_objects WHERE scope = ? AND key = ? RETURNING digest"
        rows = self._run(query, (scope, key)).fetchall()
        return str(rows[0][0]) if rows else None

    def is_used(self, digest: str) -> bool:
        """Tell whether any key has these bytes."""
        query = "SELECT 1 FROM media_objects WHERE digest = ? LIMIT 1"
        return self._run(query, (digest,)).fetchone() is not None

    def begin(self, upload: Upload) -> None:
        """Write an upload."""
        values = (upload.id, upload.scope, upload.key, upload.type, upload.metadata, upload.touched)
        self._run("INSERT INTO media_uploads VALUES (?, ?, ?, ?, ?, ?)", values)

    def touch(self, scope: str, key: str, name: str, when: float) -> bool:
        """Note that an upload goes on; False if there is none."""
        query = "UPDATE media_uploads SET touched = ? WHERE id = ? AND scope = ? AND key = ?"
        return self._run(query, (when, name, scope, key)).rowcount > 0

    def end(self, scope: str, key: str, name: str) -> bool:
        """Remove an upload; False if there is none, or another was quicker."""
        query = "DELETE FROM media_uploads WHERE id = ? AND scope = ? AND key = ?"
        return self._run(query, (name, scope, key)).rowcount > 0

    def end_before(self, when: float) -> None:
        """Remove the uploads whose last part came before *when*."""
        self._run("DELETE FROM media_uploads WHERE touched < ?", (when,))

    def uploads(self) -> set[str]:
        """Return the names of all uploads."""
        return {str(row[0]) for row in self._run("SELECT id FROM media_uploads")}


def _connected(connection: sqlite3.Connection | None) -> sqlite3.Connection:
    if connection is None:
        msg = "files is not open"
        raise Closed(msg)
    return connection


def _entry(row: tuple[Any, ...]) -> Entry:
    """Check what was stored: its digest becomes a path."""
    found = Entry(*row)
    kinds = zip((str, str, str, int, str, bytes, float), row, strict=False)
    if not all(isinstance(value, kind) for kind, value in kinds) or not is_digest(found.digest):
        msg = "an entry of the index is damaged"
        raise Corrupt(msg)
    return found


def is_digest(text: str) -> bool:
    """Tell whether *text* is a SHA-256 in hexadecimal, and so may be part of a path."""
    return _DIGEST.fullmatch(text) is not None


def _behind(prefix: str) -> str | None:
    """Return the first text that sorts behind all that begin with *prefix*; None for no end."""
    bare = prefix.rstrip(chr(_LAST))
    if not bare:
        return None
    last = ord(bare[-1]) + 1
    return bare[:-1] + chr(0xE000 if last == 0xD800 else last)  # between: surrogates, no text
