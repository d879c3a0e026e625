"""The table of vector records: what is written, and what has changed since."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from lamina.backends.sqlite.connection import Schema
from lamina.domains.vectors import Match, Record, Upsert
from lamina.errors import Invalid
from lamina.values import Json, SparseVector, Vector

if TYPE_CHECKING:
    from collections.abc import Sequence
    from sqlite3 import Connection

    from lamina.domains.vectors import DropWhere
    from lamina.index.kinds import Kind

Row: TypeAlias = tuple[int, str, str, str, bytes | None, bytes | None, str | None]

SCHEMA: Final = Schema(
    "vectors",
    1,
    (
        # A record that is written again, or dropped, gets a new and higher number: whoever has
        # read up to a number finds all changes since behind it. A dropped one has no vector.
        """
        CREATE TABLE vectors (
          number INTEGER PRIMARY KEY AUTOINCREMENT,
          scope TEXT NOT NULL,
          namespace TEXT NOT NULL,
          id TEXT NOT NULL,
          vector BLOB,
          sparse BLOB,
          text TEXT,
          metadata TEXT,
          UNIQUE (scope, namespace, id)
        )
        """,
        "CREATE INDEX vectors_drops ON vectors (number) WHERE vector IS NULL AND sparse IS NULL",
        "CREATE TABLE vectors_facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    ),
)

_LIVE: Final = "(vector IS NOT NULL OR sparse IS NOT NULL)"
_DROPPED: Final = "vector IS NULL AND sparse IS NULL"  # word for word as in the index of drops
_PUT: Final = """
    INSERT OR REPLACE INTO vectors (scope, namespace, id, vector, sparse, text, metadata)
    VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_KEPT_DROPS: Final = 10_000
_NOTHING: Final = Json(b"{}").value()


class Written(NamedTuple):
    """A record with what its text became."""

    op: Upsert
    vector: Vector | None


def put(rows: Connection, written: Written) -> None:
    """Write one record.

    Raises:
        Invalid: Its dimension is not that of the others in its namespace.
    """
    op, vector = written
    if vector is not None:
        found = rows.execute(
            "SELECT length(vector) / 4 FROM vectors WHERE scope = ? AND namespace = ? "
            "AND id <> ? AND vector IS NOT NULL LIMIT 1",
            (op.scope, op.namespace, op.id),
        ).fetchone()
        if found is not None and found[0] != vector.dimension:
            msg = f"invalid vector dimension: {vector.dimension}, expected: {found[0]}"
            raise Invalid(msg)
    dense = None if vector is None else vector.data
    sparse = None if op.sparse is None else _packed(op.sparse)
    values = (op.scope, op.namespace, op.id, dense, sparse, op.text, op.metadata.data.decode())
    rows.execute(_PUT, values)


def drop(rows: Connection, scope: str, namespace: str, id_: str) -> bool:
    """Leave only the number of what was dropped; tell whether it was there."""
    found = rows.execute(
        f"SELECT 1 FROM vectors WHERE scope = ? AND namespace = ? AND id = ? AND {_LIVE}",  # noqa: S608  # a constant
        (scope, namespace, id_),
    ).fetchone()
    if found is None:
        return False
    rows.execute(_PUT, (scope, namespace, id_, None, None, None, None))
    return True


def drop_where(rows: Connection, op: DropWhere) -> int:
    """Drop every record that meets the filter; tell how many."""
    held = rows.execute(
        f"SELECT id, metadata FROM vectors WHERE scope = ? AND namespace = ? AND {_LIVE}",  # noqa: S608  # a constant
        (op.scope, op.namespace),
    ).fetchall()
    where = op.filter
    ids = [id_ for id_, text in held if where is None or where.matches(_decoded(text))]
    for id_ in ids:
        drop(rows, op.scope, op.namespace, id_)
    return len(ids)


def prune(rows: Connection) -> None:
    """Forget old drops once there are many; who has not read so far begins anew."""
    (drops,) = rows.execute(f"SELECT count(*) FROM vectors WHERE {_DROPPED}").fetchone()  # noqa: S608  # a constant
    if drops > 2 * _KEPT_DROPS:
        (last,) = rows.execute(
            f"SELECT number FROM vectors WHERE {_DROPPED} ORDER BY number DESC LIMIT 1 OFFSET ?",  # noqa: S608  # a constant
            (_KEPT_DROPS,),
        ).fetchone()
        rows.execute(f"DELETE FROM vectors WHERE number <= ? AND {_DROPPED}", (last,))  # noqa: S608  # a constant
        rows.execute("INSERT OR REPLACE INTO vectors_facts VALUES ('pruned', ?)", (last,))


def changes(rows: Connection, after: int, most: int) -> tuple[list[Row], int]:
    """Return at most *most* changes after a number, and up to which number drops were forgotten."""
    found = rows.execute(
        "SELECT number, scope, namespace, id, vector, sparse, metadata FROM vectors "
        "WHERE number > ? ORDER BY number LIMIT ?",
        (after, most),
    ).fetchall()
    return found, int(fact(rows, "pruned") or 0)


def fetch(rows: Connection, scope: str, namespace: str, id_: str) -> Record | None:
    """Return one record."""
    found = rows.execute(
        f"SELECT vector, sparse, text, metadata FROM vectors "  # noqa: S608  # a constant
        f"WHERE scope = ? AND namespace = ? AND id = ? AND {_LIVE}",
        (scope, namespace, id_),
    ).fetchone()
    if found is None:
        return None
    vector, sparse, text, metadata = found
    dense = None if vector is None else Vector(vector)
    return Record(id_, dense, unpacked(sparse), text, Json(metadata.encode()).value())


def match(rows: Connection, scope: str, namespace: str, id_: str, score: float) -> Match | None:
    """Return a record as a match; None if it was dropped meanwhile."""
    found = rows.execute(
        f"SELECT text, metadata FROM vectors "  # noqa: S608  # a constant
        f"WHERE scope = ? AND namespace = ? AND id = ? AND {_LIVE}",
        (scope, namespace, id_),
    ).fetchone()
    return None if found is None else Match(id_, score, found[0], _decoded(found[1]))


def check_kind(rows: Connection, kind: Kind) -> None:
    """Refuse a file whose records are of another *kind*.

    Raises:
        Invalid: They are.
    """
    found = rows.execute(
        f"SELECT vector IS NOT NULL, sparse IS NOT NULL FROM vectors WHERE {_LIVE} LIMIT 1"  # noqa: S608  # a constant
    ).fetchone()
    if found not in {None, (kind != "sparse", kind != "dense")}:
        held = {(1, 0): "dense", (0, 1): "sparse", (1, 1): "hybrid"}[found]
        msg = f"the records here are {held}, not {kind}: give kind={held!r}, or another file"
        raise Invalid(msg)


def namespaces(rows: Connection, scope: str) -> tuple[str, ...]:
    """Return the namespaces that hold records, sorted."""
    found = rows.execute(
        f"SELECT DISTINCT namespace FROM vectors WHERE scope = ? AND {_LIVE} ORDER BY 1",  # noqa: S608  # a constant
        (scope,),
    ).fetchall()
    return tuple(name for (name,) in found)


def described(rows: Connection, scope: str, namespace: str) -> tuple[int, int | None]:
    """Return how many records there are, and their dimension."""
    count, size = rows.execute(
        f"SELECT count(*), max(length(vector)) FROM vectors "  # noqa: S608  # a constant
        f"WHERE scope = ? AND namespace = ? AND {_LIVE}",
        (scope, namespace),
    ).fetchone()
    return count, None if size is None else size // 4


def ids(
    rows: Connection, space: tuple[str, str], begin: tuple[str, str], end: str | None, most: int
) -> Sequence[str]:
    """Return at most *most* ids, in order: *begin* has the least, and one to come after."""
    bound, values = ("", ()) if end is None else ("AND id < ?", (end,))
    found = rows.execute(
        f"SELECT id FROM vectors WHERE scope = ? AND namespace = ? AND {_LIVE} "  # noqa: S608  # constants
        f"AND id >= ? AND id > ? {bound} ORDER BY id LIMIT ?",
        (*space, *begin, *values, most),
    ).fetchall()
    return [id_ for (id_,) in found]


def fact(rows: Connection, name: str) -> Any:
    """Return what is noted under *name*, None if nothing is."""
    found = rows.execute("SELECT value FROM vectors_facts WHERE name = ?", (name,)).fetchone()
    return None if found is None else found[0]


def note(rows: Connection, name: str, value: Any) -> None:
    """Note *value* under *name*."""
    rows.execute("INSERT OR REPLACE INTO vectors_facts VALUES (?, ?)", (name, value))


def unpacked(data: bytes | None) -> SparseVector | None:
    """Return a sparse vector as it was given."""
    if data is None:
        return None
    half = len(data) // 2
    indices, values = array("i"), array("f")
    indices.frombytes(data[:half])
    values.frombytes(data[half:])
    return SparseVector(tuple(indices), tuple(values))


def _packed(sparse: SparseVector) -> bytes:
    return array("i", sparse.indices).tobytes() + array("f", sparse.values).tobytes()


def _decoded(metadata: str) -> Any:
    return _NOTHING if metadata == "{}" else Json(metadata.encode()).value()
