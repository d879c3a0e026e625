"""Write many documents: one message for a part of them, one by one where that is refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

from asyncpg import Connection

from lamina.backends.postgres.written import indexed, stored
from lamina.errors import Conflict, Invalid, StorageError, Unavailable
from lamina.values import Done, Failed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lamina.backends.postgres.documents_sql import Statements
    from lamina.backends.postgres.pool import Pool
    from lamina.domains.documents import Write
    from lamina.values import Outcome

Values: TypeAlias = tuple[Any, ...]
Prepared: TypeAlias = "list[Values | Invalid]"
_AT_ONCE: Final = 500  # documents
_CHARACTERS: Final = 4 * 2**20
_SMALL: Final = 32 * 2**10


@final
class Bulk:
    """Writes documents part by part, each part in a transaction of its own.

    While the server writes one part, a thread looks for the words of the next.
    """

    def __init__(self, pool: Pool, sql: Statements) -> None:
        self._pool = pool
        self._sql = sql

    async def write(self, ops: Sequence[Write]) -> tuple[Outcome[None], ...]:
        """Write them all in order; tell of each what became of it.

        Without paths they do not depend on each other, and are written by id, so that no two
        writers wait for each other.
        """
        order = [*range(len(ops))]
        if all(op.path is None for op in ops):
            order.sort(key=lambda place: ops[place].id)
        outcomes: list[Outcome[None]] = []
        parts = _parts([ops[place] for place in order])
        coming = _preparing(next(parts, []))
        while part := await coming:
            coming = _preparing(next(parts, []))
            outcomes += await self._write(part)
            if _gone(outcomes[-1]):
                msg = "not tried: the server could not be reached for those before"
                left = len(ops) - len(outcomes)
                outcomes += [Failed(Unavailable(msg, sent="no")) for _ in range(left)]
                break
        told = dict(zip(order, outcomes, strict=True))
        return tuple(told[place] for place in range(len(ops)))

    async def _write(self, part: Prepared) -> list[Outcome[None]]:
        good = [values for values in part if not isinstance(values, Invalid)]
        try:
            await self._pool.ask(Connection.executemany, self._sql.write, good)
        except (Conflict, Invalid):  # of one at least: nothing of them was written
            return [await self._write_one(values) for values in part]
        except StorageError as error:
            return [Failed(one if isinstance(one, Invalid) else error) for one in part]
        return [Failed(one) if isinstance(one, Invalid) else Done(None) for one in part]

    async def _write_one(self, values: Values | Invalid) -> Outcome[None]:
        if isinstance(values, Invalid):
            return Failed(values)
        try:
            await self._pool.ask(Connection.execute, self._sql.write, *values)
        except StorageError as error:
            return Failed(error)
        return Done(None)


def _parts(ops: Sequence[Write]) -> Iterator[Sequence[Write]]:
    start = size = 0
    for place, op in enumerate(ops, 1):
        size += len(op.content)
        if size >= _CHARACTERS or place - start == _AT_ONCE or place == len(ops):
            yield ops[start:place]
            start, size = place, 0


def _preparing(part: Sequence[Write]) -> asyncio.Future[Prepared]:
    """Begin to prepare a part, in a thread unless it is small."""
    loop = asyncio.get_running_loop()
    if sum(len(op.content) for op in part) >= _SMALL:
        return loop.run_in_executor(None, _prepared, part)
    done: asyncio.Future[Prepared] = loop.create_future()
    done.set_result(_prepared(part))
    return done


def _prepared(part: Sequence[Write]) -> Prepared:
    return [_values(op) for op in part]


def _values(op: Write) -> Values | Invalid:
    try:
        metadata = stored(op.metadata)
    except Invalid as error:
        return error
    return (op.scope, op.id, op.path, op.content, *metadata, *indexed(op.content))


def _gone(outcome: Outcome[None]) -> bool:
    """Tell whether what comes next would fail as well."""
    return isinstance(outcome, Failed) and outcome.error.transient
