"""Open one connection to a database file, and make sure that the file is ours."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from lamina.errors import Invalid, Unavailable

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION: Final = 0x4C616D6E
"""What the header of each file of ours says: ``Lamn``."""

FORMAT: Final = 1
"""The file's ``user_version``: how the table of schemas is laid out."""

_WAL_KEPT: Final = 64 * 2**20  # bytes of write-ahead log that stay on the disk when it is idle


@final
@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one backend: *statements* make version *version* of them.

    Backends with different names may share one file.
    """

    name: str
    version: int
    statements: tuple[str, ...]


def make_folder(path: Path) -> None:
    """Make the folders above *path*.

    Raises:
        Unavailable: They cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"no folder can be made for {path}: give a path that this user may write"
        raise Unavailable(msg, transient=False, sent="no") from error


def connect_writer(path: Path, schema: Schema, busy: float) -> sqlite3.Connection:
    """Connect to the file for writing, and make the tables if it is new.

    Raises:
        Invalid: It is another program's database, or a newer Lamina's.
        sqlite3.Error: It cannot be opened; nothing is left open.
    """
    connection = _connect(path, busy)
    try:
        connection.execute("BEGIN")  # one view of the header: others may be making the same file
        try:
            _check_owner(connection, path)
        finally:
            connection.execute("ROLLBACK")
        _use_wal(connection, busy)
        # FULL: a commit is on the disk before it is acknowledged, so that a power failure loses
        # nothing; NORMAL would save the sync of each commit and lose the last ones.
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA journal_size_limit={_WAL_KEPT}")
        connection.execute("BEGIN IMMEDIATE")
        try:
            _prepare(connection, path, schema)
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(path: Path, busy: float) -> sqlite3.Connection:
    """Connect to a file that the writer has opened, for reading only."""
    connection = _connect(path, busy)
    try:
        connection.execute("PRAGMA query_only=ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(path: Path, busy: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=busy, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        connection.execute("PRAGMA foreign_keys=ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _check_owner(connection: sqlite3.Connection, path: Path) -> None:
    application = _number(connection, "PRAGMA application_id")
    made = _number(connection, "PRAGMA user_version")
    if application == APPLICATION:
        if made != FORMAT:
            msg = f"{path} has format {made}, this Lamina reads {FORMAT}: upgrade Lamina"
            raise Invalid(msg)
    elif application or made or _number(connection, "SELECT count(*) FROM sqlite_master"):
        msg = f"{path} is a database of another program: give another path"
        raise Invalid(msg)


def _use_wal(connection: sqlite3.Connection, busy: float) -> None:
    """Switch to the write-ahead log; SQLite itself does not wait when others switch as well."""
    ends = time.monotonic() + busy
    while True:
        try:
            with closing(connection.execute("PRAGMA journal_mode=WAL")) as told:
                mode = told.fetchone()[0]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > ends:
                raise
            time.sleep(0.01)  # in the writing thread, which has nothing else to do
            continue
        if mode != "wal":
            msg = f"the file system has no shared memory for SQLite (journal mode {mode})"
            raise Unavailable(msg, transient=False, sent="no")
        return


def _prepare(connection: sqlite3.Connection, path: Path, schema: Schema) -> None:
    _check_owner(connection, path)  # again: now nobody else writes
    connection.execute(f"PRAGMA application_id={APPLICATION}")
    connection.execute(f"PRAGMA user_version={FORMAT}")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS lamina_schemas "
        "(name TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID"
    )
    found = connection.execute(
        "SELECT version FROM lamina_schemas WHERE name = ?", (schema.name,)
    ).fetchone()
    if found is None:
        for statement in schema.statements:
            connection.execute(statement)
        connection.execute(
            "INSERT INTO lamina_schemas VALUES (?, ?)", (schema.name, schema.version)
        )
    elif found[0] != schema.version:
        msg = (
            f"{path} holds version {found[0]} of the {schema.name} tables, "
            f"this Lamina reads {schema.version}: upgrade Lamina, or give another path"
        )
        raise Invalid(msg)


def _number(connection: sqlite3.Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])
