"""The same stores on each backend, and small helpers of these tests."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from lamina.backends.memory import MemoryDocuments, MemoryKeyValue
from lamina.backends.sqlite import SqliteDocuments, SqliteKeyValue
from lamina.stack import Stack

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.domains.documents import Documents
    from lamina.domains.keyvalue import KeyValue

KINDS = ("memory", "sqlite")


def keyvalue(kind: str, folder: Path) -> KeyValue:
    made = MemoryKeyValue() if kind == "memory" else SqliteKeyValue(folder / "data.db")
    return Stack().over(made)


def documents(kind: str, folder: Path) -> Documents:
    made = MemoryDocuments() if kind == "memory" else SqliteDocuments(folder / "data.db")
    return Stack().over(made)


def ask(path: Path, query: str) -> Any:
    """Return the first column of the first row, on a connection of its own."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchone()[0]
