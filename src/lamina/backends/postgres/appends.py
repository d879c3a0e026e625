"""Append to a list that is stored as JSON: read under a lock, changed here, written."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import TYPE_CHECKING, Final, final

from lamina.backends.postgres.failures import Undone
from lamina.domains.lists import appended

if TYPE_CHECKING:
    from asyncpg import Connection

    from lamina.backends.postgres.keyvalue_sql import Statements
    from lamina.backends.postgres.pool import Pool
    from lamina.domains.keyvalue import Append

_LARGE: Final = 64 * 2**10  # bytes of JSON that are not decoded in the loop's thread
_REMEMBERED: Final = 86_400.0  # seconds


@final
class Appends:
    """Carries out appends, one after the other for each key, whichever process asks."""

    def __init__(self, pool: Pool, sql: Statements) -> None:
        self._pool = pool
        self._sql = sql

    async def append(self, op: Append) -> int:
        """Append the items, unless this was done before; return the length.

        Raises:
            Invalid: What is stored is not a JSON list.
        """
        try:
            async with self._pool.transaction() as connection:
                return await self._append(connection, op)
        except _Done as before:
            return before.length

    async def _append(self, connection: Connection, op: Append) -> int:
        key, sql = (op.scope, op.key), self._sql
        held = await connection.fetchrow(sql.lock, *key)
        if held is None:
            held = await connection.fetchrow(sql.hold, *key)
        token = None if op.idempotency is None else _token(op, op.idempotency)
        if token is not None:
            before: int | None = await connection.fetchval(sql.remembered, token)
            if before is not None:
                raise _Done(before)  # undoes the row that was held
        alive = held is not None and held["alive"]
        value: bytes | None = held["value"] if held is not None and alive else None
        if len(value or b"") + sum(len(item.data) for item in op.items) < _LARGE:
            data, length = appended(value, op.items, op.keep_last)
        else:
            data, length = await asyncio.to_thread(appended, value, op.items, op.keep_last)
        await connection.execute(sql.put, *key, data, op.ttl, alive and op.ttl is None)
        if token is not None:
            await connection.execute(sql.remember, token, length, _REMEMBERED)
        return length


@final
class _Done(Undone):
    """The append was done before, and told this length."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length


def _token(op: Append, idempotency: str) -> bytes:
    """Return what stands for an idempotency key of one key of one scope."""
    parts = (op.scope, op.key, idempotency)
    return sha256("\0".join(parts).encode()).digest()  # no part holds a NUL
