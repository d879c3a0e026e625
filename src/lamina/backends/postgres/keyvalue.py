"""Key-value in a PostgreSQL table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

from asyncpg.prepared_stmt import PreparedStatement

from lamina.backend import serves
from lamina.backends.postgres.appends import Appends
from lamina.backends.postgres.keyvalue_sql import Statements
from lamina.backends.postgres.pool import Pool
from lamina.backends.postgres.purging import Purging
from lamina.backends.postgres.schema import SEPARATOR, Tables, check_schema, statements
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
from lamina.errors import Conflict, Invalid, StorageError, Unavailable
from lamina.values import Done, Failed, Outcome, Page, Stamped

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

_LONGEST_PAGE: Final = 10_000
_AT_ONCE: Final = 8 * 2**20  # bytes of values in one statement, about
_TRIES: Final = 20


@final
class PostgresKeyValue(KeyValueBackend):
    """Values in the table ``lamina_keyvalue`` of a schema of the database at *url*.

    The server's clock alone decides what has expired, on every read; expired rows are deleted a
    few at a time, along with writes. Idempotency keys are remembered for a day. *create* makes
    what is missing when it opens. At most so many *connections* are held; *timeout* bounds each
    statement, transaction and wait for a connection, *connect_timeout* a new connection, in
    seconds. *pooler* says that a pooler in transaction mode stands between.

    Raises:
        StackError: The URL is none of PostgreSQL's, the schema is no name, or a number is not
            above 0.
    """

    name = "postgres"
    needs_open = True

    def __init__(
        self,
        url: str,
        *,
        schema: str = "lamina",
        create: bool = True,
        connections: int = 10,
        timeout: float = 10.0,
        connect_timeout: float = 5.0,
        pooler: bool = False,
    ) -> None:
        check_schema(schema)
        self.schema = schema
        self.create = create
        self._pool = Pool(
            url,
            connections=connections,
            timeout=timeout,
            connect_timeout=connect_timeout,
            pooler=pooler,
        )
        self._sql = statements(Statements, schema)
        self._appends = Appends(self._pool, self._sql)
        self._run = self._pool.run
        self._purging = Purging(self._pool, self._sql)

    async def open(self) -> None:
        tables = Tables("keyvalue", 1, self.schema)
        await self._pool.open(self.runtime, lambda one: tables.prepare(one, create=self.create))

    async def close(self) -> None:
        await self._pool.close()

    @serves(Get)
    def get(self, op: Get) -> Coroutine[Any, Any, bytes | None]:
        return self._run(PreparedStatement.fetchval, self._sql.get, op.scope, op.key)

    @serves(GetStamped)
    async def get_stamped(self, op: GetStamped) -> Stamped[bytes | None]:
        asked = self.runtime.wall()  # so that a late answer lets nothing live longer
        found = await self._run(PreparedStatement.fetchrow, self._sql.get_stamped, op.scope, op.key)
        if found is None:
            return Stamped(None)
        left: float | None = found[1]
        return Stamped(found[0], None if left is None else asked + left)

    @serves(GetMany)
    async def get_many(self, op: GetMany) -> tuple[Outcome[bytes | None], ...]:
        found = await self._each(self._sql.get_many, self._sql.get_joined, op)
        values: dict[str, bytes] = dict(found)
        return tuple(map(Done, map(values.get, op.keys)))

    @serves(GetStampedMany)
    async def get_stamped_many(
        self, op: GetStampedMany
    ) -> tuple[Outcome[Stamped[bytes | None]], ...]:
        asked = self.runtime.wall()
        found = await self._each(self._sql.get_stamped_many, self._sql.get_stamped_joined, op)
        values: dict[str, Outcome[Stamped[bytes | None]]] = {
            key: Done(Stamped(value, None if left is None else asked + left))
            for key, value, left in found
        }
        absent = Done(Stamped(None))
        return tuple(values.get(key, absent) for key in op.keys)

    @serves(Set)
    def set(self, op: Set) -> Coroutine[Any, Any, None]:
        self._writing()
        wanted = (op.scope, op.key, op.value, op.ttl)
        return self._run(PreparedStatement.fetchval, self._sql.set, *wanted)

    @serves(SetMany)
    async def set_many(self, op: SetMany) -> tuple[Outcome[None], ...]:
        self._writing(len(op.items))
        values = dict(op.items)  # the last of a key's; in one order, so that no two writers wait
        keys = sorted(values)  # for each other
        start = size = 0
        for place, key in enumerate(keys, 1):
            size += len(values[key])
            if size >= _AT_ONCE or place == len(keys):
                part = keys[start:place]
                held = [values[one] for one in part]
                wanted = (op.scope, part, held, op.ttl)
                try:
                    await self._run(PreparedStatement.fetchval, self._sql.set_many, *wanted)
                except StorageError as error:
                    if start == 0:
                        raise
                    return _in_part(op, keys[:start], part, error)
                start, size = place, 0
        return (Done(None),) * len(op.items)

    @serves(Delete)
    async def delete(self, op: Delete) -> bool:
        self._writing()
        found = await self._run(PreparedStatement.fetchval, self._sql.delete, op.scope, op.key)
        return bool(found)

    @serves(CompareAndSet)
    async def compare_and_set(self, op: CompareAndSet) -> None:
        self._writing()
        key = (op.scope, op.key)
        if op.expect is None:
            done = await self._run(
                PreparedStatement.fetchval, self._sql.add, *key, op.value, op.ttl
            )
        else:
            done = await self._run(
                PreparedStatement.fetchval, self._sql.replace, *key, op.expect, op.value, op.ttl
            )
        if not done:
            msg = "the key holds another value than expected"
            raise Conflict(msg)

    @serves(Append, "idempotency")
    async def append(self, op: Append) -> int:
        self._writing()
        return await self._appends.append(op)

    @serves(Increment)
    async def increment(self, op: Increment) -> int:
        self._writing()
        if abs(op.by) >= 2**63:
            msg = "what is added must fit 64 bits"
            raise Invalid(msg)
        for _ in range(_TRIES):
            found: bytes | None = await self._run(
                PreparedStatement.fetchval, self._sql.increment, op.scope, op.key, op.by, op.ttl
            )
            if found is not None:
                return int(found)
            counted(await self.get(Get(op.key, scope=op.scope)), op.by)  # says what is wrong
        msg = "the counter changed too often"
        raise Unavailable(msg, sent="no")

    @serves(Expire)
    async def expire(self, op: Expire) -> bool:
        return bool(
            await self._run(PreparedStatement.fetchval, self._sql.expire, op.scope, op.key, op.ttl)
        )

    @serves(TimeToLive)
    async def time_to_live(self, op: TimeToLive) -> float | None:
        found: float | None = await self._run(
            PreparedStatement.fetchval, self._sql.time_to_live, op.scope, op.key
        )
        return found

    @serves(Scan, "ordered", "unique")
    async def scan(self, op: Scan) -> Page[str]:
        limit = min(int(op.limit), _LONGEST_PAGE)
        end = end_of(op.prefix)
        query, last = (self._sql.scan, ()) if end is None else (self._sql.scan_until, (end,))
        wanted = (op.scope, op.prefix, op.cursor or "", limit, *last)
        found: list[Any] = await self._run(PreparedStatement.fetch, query, *wanted)
        keys = tuple(key for (key,) in found)
        return Page(keys, keys[-1] if len(keys) == limit else None)

    @serves(Check)
    async def check(self, op: Check) -> None:
        del op
        await self._run(PreparedStatement.fetchval, self._sql.get, "", "")  # no key is empty

    async def _each(self, query: str, joined: str, op: GetMany | GetStampedMany) -> list[Any]:
        """Return the rows of the keys asked for, as one text if none holds its separator."""
        keys: str | tuple[str, ...] = SEPARATOR.join(op.keys)
        if keys.count(SEPARATOR) < len(op.keys):
            query = joined
        else:  # a key holds one, or there are no keys
            keys = op.keys
        found: list[Any] = await self._run(PreparedStatement.fetch, query, op.scope, keys)
        return found

    def _writing(self, rows: int = 1) -> None:
        self._purging.written(rows, self.runtime)


def _in_part(
    op: SetMany, written: Sequence[str], tried: Sequence[str], error: StorageError
) -> tuple[Outcome[None], ...]:
    """Return what became of each item, where not all parts of a batch could be written."""
    msg = "not tried: those before could not be written"
    later: Outcome[None] = Failed(Unavailable(msg, transient=error.transient, sent="no"))
    told: dict[str, Outcome[None]] = {
        **dict.fromkeys(written, Done(None)),
        **dict.fromkeys(tried, Failed(error)),
    }
    return tuple(told.get(key, later) for key, _ in op.items)
