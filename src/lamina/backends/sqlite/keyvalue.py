"""Key-value in a SQLite table."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Final, final

from lamina.backend import serves
from lamina.backends.sqlite.database import Database, Schema
from lamina.domains.keyvalue import (
    Append,
    CompareAndSet,
    Delete,
    Expire,
    Get,
    GetMany,
    GetStamped,
    Increment,
    KeyValueBackend,
    Scan,
    Set,
    SetMany,
    TimeToLive,
)
from lamina.domains.lists import appended, counted
from lamina.domains.prefixes import end_of
from lamina.domains.store import Check
from lamina.errors import Conflict
from lamina.values import Done, Outcome, Page, Stamped

if TYPE_CHECKING:
    from sqlite3 import Connection

_KEPT_APPENDS: Final = 10_000
_SWEPT: Final = 8  # expired rows deleted along with each write, at most
_LONGEST_PAGE: Final = 10_000
_SCHEMA: Final = Schema(
    "keyvalue",
    1,
    (
        # With rowid: against WITHOUT ROWID half the file and a third of the read time at 2 kB.
        "CREATE TABLE keyvalue (scope TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, "
        "expires_at REAL, PRIMARY KEY (scope, key))",
        "CREATE INDEX keyvalue_expiry ON keyvalue (expires_at) WHERE expires_at IS NOT NULL",
        "CREATE TABLE keyvalue_appends (number INTEGER PRIMARY KEY AUTOINCREMENT, "
        "scope TEXT NOT NULL, key TEXT NOT NULL, idempotency TEXT NOT NULL, "
        "length INTEGER NOT NULL, UNIQUE (scope, key, idempotency))",
    ),
)
_FIND: Final = (
    "SELECT value, expires_at FROM keyvalue "
    "WHERE scope = ? AND key = ? AND (expires_at IS NULL OR expires_at > ?)"
)
_PUT: Final = (
    "INSERT INTO keyvalue (scope, key, value, expires_at) VALUES (?, ?, ?, ?) "
    "ON CONFLICT DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at"
)
_SWEEP: Final = (
    "DELETE FROM keyvalue WHERE rowid IN (SELECT rowid FROM keyvalue WHERE expires_at <= ? LIMIT ?)"
)
_SCAN: Final = (
    "SELECT key FROM keyvalue WHERE scope = ? AND key > ? AND key >= ? AND (? IS NULL OR key < ?) "
    "AND (expires_at IS NULL OR expires_at > ?) ORDER BY key LIMIT ?"
)


@final
class SqliteKeyValue(KeyValueBackend):
    """Values in the database file *path*; whoever reads an expired one finds nothing.

    Expired rows are deleted a few at a time, along with writes. The 10,000 newest idempotency
    keys are remembered. Several processes may use one file. *busy* is how long to wait for
    another that writes, in seconds.

    Raises:
        StackError: *path* is not that of a file.
    """

    name = "sqlite"
    needs_open = True

    def __init__(self, path: str | os.PathLike[str], *, busy: float = 5.0) -> None:
        self._database = Database(path, _SCHEMA, busy=busy)

    async def open(self) -> None:
        await self._database.open()

    async def close(self) -> None:
        await self._database.close()

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        now = self.runtime.wall()
        found = await self._database.read(lambda rows: _found(rows, op.scope, op.key, now))
        return None if found is None else found[0]

    @serves(GetStamped)
    async def get_stamped(self, op: GetStamped) -> Stamped[bytes | None]:
        now = self.runtime.wall()
        found = await self._database.read(lambda rows: _found(rows, op.scope, op.key, now))
        return Stamped(None) if found is None else Stamped(*found)

    @serves(GetMany)
    async def get_many(self, op: GetMany) -> tuple[Outcome[bytes | None], ...]:
        now = self.runtime.wall()

        def work(rows: Connection) -> tuple[Outcome[bytes | None], ...]:
            found = (_found(rows, op.scope, key, now) for key in op.keys)
            return tuple(Done(None if one is None else one[0]) for one in found)

        return await self._database.read(work)

    @serves(Set)
    async def set(self, op: Set) -> None:
        now = self.runtime.wall()

        def work(rows: Connection) -> None:
            _put(rows, (op.scope, op.key), op.value, _ends(now, op.ttl))
            _sweep(rows, now)

        await self._database.write(work)

    @serves(SetMany)
    async def set_many(self, op: SetMany) -> tuple[Outcome[None], ...]:
        now = self.runtime.wall()

        def work(rows: Connection) -> None:
            ends = _ends(now, op.ttl)
            rows.executemany(_PUT, ((op.scope, key, value, ends) for key, value in op.items))
            _sweep(rows, now)

        await self._database.write(work)
        return (Done(None),) * len(op.items)

    @serves(Delete)
    async def delete(self, op: Delete) -> bool:
        now = self.runtime.wall()

        def work(rows: Connection) -> bool:
            there = _found(rows, op.scope, op.key, now) is not None
            rows.execute("DELETE FROM keyvalue WHERE scope = ? AND key = ?", (op.scope, op.key))
            _sweep(rows, now)
            return there

        return await self._database.write(work)

    @serves(CompareAndSet)
    async def compare_and_set(self, op: CompareAndSet) -> None:
        now = self.runtime.wall()

        def work(rows: Connection) -> None:
            found = _found(rows, op.scope, op.key, now)
            if (None if found is None else found[0]) != op.expect:
                msg = "the key holds another value than expected"
                raise Conflict(msg)
            _put(rows, (op.scope, op.key), op.value, _ends(now, op.ttl))

        await self._database.write(work)

    @serves(Append, "idempotency")
    async def append(self, op: Append) -> int:
        now = self.runtime.wall()
        return await self._database.write(lambda rows: _append(rows, op, now))

    @serves(Increment)
    async def increment(self, op: Increment) -> int:
        now = self.runtime.wall()

        def work(rows: Connection) -> int:
            found = _found(rows, op.scope, op.key, now)
            value = counted(None if found is None else found[0], op.by)
            ends = _kept(found, now, op.ttl)
            _put(rows, (op.scope, op.key), str(value).encode(), ends)
            return value

        return await self._database.write(work)

    @serves(Expire)
    async def expire(self, op: Expire) -> bool:
        now = self.runtime.wall()

        def work(rows: Connection) -> bool:
            changed = rows.execute(
                "UPDATE keyvalue SET expires_at = ? "
                "WHERE scope = ? AND key = ? AND (expires_at IS NULL OR expires_at > ?)",
                (_ends(now, op.ttl), op.scope, op.key, now),
            )
            return changed.rowcount > 0

        return await self._database.write(work)

    @serves(TimeToLive)
    async def time_to_live(self, op: TimeToLive) -> float | None:
        now = self.runtime.wall()
        found = await self._database.read(lambda rows: _found(rows, op.scope, op.key, now))
        if found is None:
            return None
        return math.inf if found[1] is None else found[1] - now

    @serves(Scan, "ordered", "unique")
    async def scan(self, op: Scan) -> Page[str]:
        now = self.runtime.wall()
        limit = min(int(op.limit), _LONGEST_PAGE)
        end = end_of(op.prefix)
        wanted = (op.scope, op.cursor or "", op.prefix, end, end, now, limit)
        found = await self._database.read(lambda rows: rows.execute(_SCAN, wanted).fetchall())
        keys = tuple(key for (key,) in found)
        return Page(keys, keys[-1] if len(keys) == limit else None)

    @serves(Check)
    async def check(self, op: Check) -> None:
        del op
        await self._database.check()


def _found(rows: Connection, scope: str, key: str, now: float) -> tuple[bytes, float | None] | None:
    found: tuple[bytes, float | None] | None = rows.execute(_FIND, (scope, key, now)).fetchone()
    return found


def _put(rows: Connection, key: tuple[str, str], value: bytes, ends: float | None) -> None:
    rows.execute(_PUT, (*key, value, ends))


def _append(rows: Connection, op: Append, now: float) -> int:
    once = (op.scope, op.key, op.idempotency)
    if op.idempotency is not None:
        before = rows.execute(
            "SELECT length FROM keyvalue_appends WHERE scope = ? AND key = ? AND idempotency = ?",
            once,
        ).fetchone()
        if before is not None:
            return int(before[0])
    found = _found(rows, op.scope, op.key, now)
    data, length = appended(None if found is None else found[0], op.item, op.keep_last)
    _put(rows, (op.scope, op.key), data, _kept(found, now, op.ttl))
    if op.idempotency is not None:
        added = rows.execute(
            "INSERT INTO keyvalue_appends (scope, key, idempotency, length) VALUES (?, ?, ?, ?)",
            (*once, length),
        )
        oldest = (added.lastrowid or 0) - _KEPT_APPENDS
        rows.execute("DELETE FROM keyvalue_appends WHERE number <= ?", (oldest,))
    _sweep(rows, now)
    return length


def _sweep(rows: Connection, now: float) -> None:
    rows.execute(_SWEEP, (now, _SWEPT))


def _ends(now: float, ttl: float | None) -> float | None:
    return None if ttl is None else now + ttl


def _kept(found: tuple[bytes, float | None] | None, now: float, ttl: float | None) -> float | None:
    """Return when a changed value ends: as before, unless *ttl* is given or it is new."""
    return _ends(now, ttl) if ttl is not None or found is None else found[1]
