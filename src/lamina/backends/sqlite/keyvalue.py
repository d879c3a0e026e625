"""Key-value in a SQLite table."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Final, final

from lamina.backend import serves
from lamina.backends.sqlite.database import Database
from lamina.backends.sqlite.keyvalue_rows import (
    PUT,
    SCAN,
    SCHEMA,
    append,
    ends_at,
    found_in,
    kept_until,
    put,
    sweep,
)
from lamina.domains.keyvalue import (
    Append,
    CompareAndSet,
    Delete,
    Expire,
    Get,
    GetMany,
    GetStamped,
    GetStampedMany,
    Increment,
    KeyValueBackend,
    Scan,
    Set,
    SetMany,
    TimeToLive,
)
from lamina.domains.lists import counted
from lamina.domains.prefixes import end_of
from lamina.domains.store import Check
from lamina.errors import Conflict
from lamina.values import Done, Outcome, Page, Stamped

if TYPE_CHECKING:
    from sqlite3 import Connection

_LONGEST_PAGE: Final = 10_000


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
        self._database = Database(path, SCHEMA, busy=busy)

    async def open(self) -> None:
        await self._database.open()

    async def close(self) -> None:
        await self._database.close()

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        now = self.runtime.wall()
        found = await self._database.read(lambda rows: found_in(rows, op.scope, op.key, now))
        return None if found is None else found[0]

    @serves(GetStamped)
    async def get_stamped(self, op: GetStamped) -> Stamped[bytes | None]:
        now = self.runtime.wall()
        found = await self._database.read(lambda rows: found_in(rows, op.scope, op.key, now))
        return Stamped(None) if found is None else Stamped(*found)

    @serves(GetMany)
    async def get_many(self, op: GetMany) -> tuple[Outcome[bytes | None], ...]:
        now = self.runtime.wall()

        def work(rows: Connection) -> tuple[Outcome[bytes | None], ...]:
            found = (found_in(rows, op.scope, key, now) for key in op.keys)
            return tuple(Done(None if one is None else one[0]) for one in found)

        return await self._database.read(work)

    @serves(GetStampedMany)
    async def get_stamped_many(
        self, op: GetStampedMany
    ) -> tuple[Outcome[Stamped[bytes | None]], ...]:
        now = self.runtime.wall()

        def work(rows: Connection) -> tuple[Outcome[Stamped[bytes | None]], ...]:
            found = (found_in(rows, op.scope, key, now) for key in op.keys)
            return tuple(Done(Stamped(None) if one is None else Stamped(*one)) for one in found)

        return await self._database.read(work)

    @serves(Set)
    async def set(self, op: Set) -> None:
        now = self.runtime.wall()

        def work(rows: Connection) -> None:
            put(rows, (op.scope, op.key), op.value, ends_at(now, op.ttl))
            sweep(rows, now)

        await self._database.write(work)

    @serves(SetMany)
    async def set_many(self, op: SetMany) -> tuple[Outcome[None], ...]:
        now = self.runtime.wall()

        def work(rows: Connection) -> None:
            ends = ends_at(now, op.ttl)
            rows.executemany(PUT, ((op.scope, key, value, ends) for key, value in op.items))
            sweep(rows, now)

        await self._database.write(work)
        return (Done(None),) * len(op.items)

    @serves(Delete)
    async def delete(self, op: Delete) -> bool:
        now = self.runtime.wall()

        def work(rows: Connection) -> bool:
            there = found_in(rows, op.scope, op.key, now) is not None
            rows.execute("DELETE FROM keyvalue WHERE scope = ? AND key = ?", (op.scope, op.key))
            sweep(rows, now)
            return there

        return await self._database.write(work)

    @serves(CompareAndSet)
    async def compare_and_set(self, op: CompareAndSet) -> None:
        now = self.runtime.wall()

        def work(rows: Connection) -> None:
            found = found_in(rows, op.scope, op.key, now)
            if (None if found is None else found[0]) != op.expect:
                msg = "the key holds another value than expected"
                raise Conflict(msg)
            put(rows, (op.scope, op.key), op.value, ends_at(now, op.ttl))

        await self._database.write(work)

    @serves(Append, "idempotency")
    async def append(self, op: Append) -> int:
        now = self.runtime.wall()
        return await self._database.write(lambda rows: append(rows, op, now))

    @serves(Increment)
    async def increment(self, op: Increment) -> int:
        now = self.runtime.wall()

        def work(rows: Connection) -> int:
            found = found_in(rows, op.scope, op.key, now)
            value = counted(None if found is None else found[0], op.by)
            ends = kept_until(found, now, op.ttl)
            put(rows, (op.scope, op.key), str(value).encode(), ends)
            return value

        return await self._database.write(work)

    @serves(Expire)
    async def expire(self, op: Expire) -> bool:
        now = self.runtime.wall()

        def work(rows: Connection) -> bool:
            changed = rows.execute(
                "UPDATE keyvalue SET expires_at = ? "
                "WHERE scope = ? AND key = ? AND (expires_at IS NULL OR expires_at > ?)",
                (ends_at(now, op.ttl), op.scope, op.key, now),
            )
            return changed.rowcount > 0

        return await self._database.write(work)

    @serves(TimeToLive)
    async def time_to_live(self, op: TimeToLive) -> float | None:
        now = self.runtime.wall()
        found = await self._database.read(lambda rows: found_in(rows, op.scope, op.key, now))
        if found is None:
            return None
        return math.inf if found[1] is None else found[1] - now

    @serves(Scan, "ordered", "unique")
    async def scan(self, op: Scan) -> Page[str]:
        now = self.runtime.wall()
        limit = min(int(op.limit), _LONGEST_PAGE)
        start = op.prefix if op.cursor is None else max(op.prefix, op.cursor + "\0")
        end = end_of(op.prefix) or b""  # to SQLite any blob is greater than all texts
        wanted = (op.scope, start, end, now, limit)
        found = await self._database.read(lambda rows: rows.execute(SCAN, wanted).fetchall())
        keys = tuple(key for (key,) in found)
        return Page(keys, keys[-1] if len(keys) == limit else None)

    @serves(Check)
    async def check(self, op: Check) -> None:
        del op
        await self._database.check()
