"""What SQLite's failures mean: the only place that maps them."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lamina.errors import BackendError, Corrupt, Invalid, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.errors import Sent


@dataclass(frozen=True, slots=True)
class _Meaning:
    kind: type[BackendError]
    text: str
    transient: bool
    sent: Sent = "no"


_LOCKED: Final = _Meaning(Unavailable, "the database is locked by another process", transient=True)
_DAMAGED: Final = _Meaning(
    Corrupt, "the database file is damaged: restore it from a backup", transient=False
)
_MEANINGS: Final[dict[int, _Meaning]] = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_PROTOCOL: _LOCKED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _Meaning(
        Corrupt, "the file is no SQLite database: restore it, or give another path", transient=False
    ),
    # Nothing is kept of a transaction that found no room; space may be made.
    sqlite3.SQLITE_FULL: _Meaning(
        Unavailable, "the disk is full: nothing was written", transient=True
    ),
    # A failed sync of the commit may still be on the disk after a crash.
    sqlite3.SQLITE_IOERR: _Meaning(
        Unavailable, "the disk failed to read or write", transient=True, sent="maybe"
    ),
    sqlite3.SQLITE_NOMEM: _Meaning(Unavailable, "SQLite is out of memory", transient=True),
    sqlite3.SQLITE_INTERRUPT: _Meaning(Unavailable, "SQLite was interrupted", transient=True),
    sqlite3.SQLITE_READONLY: _Meaning(
        Unavailable,
        "the database may not be written: give this user write permission on file and folder",
        transient=False,
    ),
    sqlite3.SQLITE_PERM: _Meaning(
        Unavailable, "the database may not be used: give this user permission", transient=False
    ),
    sqlite3.SQLITE_CANTOPEN: _Meaning(
        Unavailable,
        "the database cannot be opened: the path must be a file that this user may write",
        transient=False,
    ),
    sqlite3.SQLITE_TOOBIG: _Meaning(
        Invalid, "a value is too big for SQLite, which holds at most 1 GB", transient=False
    ),
}


def mapped(error: sqlite3.Error) -> BackendError:
    """Return what *error* means; the caller raises it ``from`` the original."""
    code = getattr(error, "sqlite_errorcode", None)
    found = None if code is None else _MEANINGS.get(code & 0xFF)
    if found is not None:
        return found.kind(found.text, transient=found.transient, sent=found.sent)
    if isinstance(error, sqlite3.DataError):  # raised by Python itself, before SQLite
        meaning = _MEANINGS[sqlite3.SQLITE_TOOBIG]
        return meaning.kind(meaning.text)
    told = getattr(error, "sqlite_errorname", None) or type(error).__name__
    msg = f"SQLite failed with {told}"
    return BackendError(msg)


def codes() -> Iterator[int]:
    """Give the result codes whose meaning is known."""
    return iter(_MEANINGS)
