"""Write many rows: in one go for a part of them, one by one where that is refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from asyncpg import Connection
from asyncpg.exceptions import DeadlockDetectedError as Deadlock

from lamina.backends.postgres.documents_sql import row
from lamina.backends.postgres.written import indexed, stored
from lamina.domains.documents import Write
from lamina.errors import Conflict, Invalid, StorageError, Unavailable
from lamina.values import Done, Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lamina.backends.postgres.pool import Pool
    from lamina.values import Outcome

T = TypeVar("T")
Values: TypeAlias = tuple[Any, ...]
Prepared: TypeAlias = "Values | StorageError"
"""The values of a row, or why it is refused."""

_AT_ONCE: Final = 500  # rows in one transaction
_CHARACTERS: Final = 4 * 2**20
_LARGE: Final = 64 * 2**10


async def write_documents(
    pool: Pool, query: str, scope: str, ops: Sequence[Write]
) -> tuple[Outcome[None], ...]:
    """Write documents of one scope in order; tell of each what became of it.

    Without paths they do not depend on each other, and are written by id, so that no two writers
    wait for each other. The words of each are looked for when its turn comes, while the server is
    busy with those before.
    """
    order = [*range(len(ops))]
    if all(op.path is None for op in ops):
        order.sort(key=lambda place: ops[place].id)

    def made(item: Write | Prepared) -> Prepared:
        return _values(scope, item) if isinstance(item, Write) else item

    outcomes: list[Outcome[None]] = []
    for part in _parts([ops[place] for place in order]):
        if not _gone(outcomes):
            rows = [await _whole(scope, op) if len(op.content) >= _LARGE else op for op in part]
            outcomes += await _write(pool, query, rows, made)
    return _in_order(order, outcomes)


async def write_each(
    pool: Pool,
    query: str,
    items: Sequence[T],
    key: Callable[[T], Any],
    make: Callable[[T], Prepared],
) -> tuple[Outcome[None], ...]:
    """Write rows that do not depend on each other, by *key*; tell of each what became of it."""
    order = sorted(range(len(items)), key=lambda place: key(items[place]))
    outcomes: list[Outcome[None]] = []
    for start in range(0, len(order), _AT_ONCE):
        if not _gone(outcomes):
            part = [items[place] for place in order[start : start + _AT_ONCE]]
            outcomes += await _write(pool, query, part, make)
    return _in_order(order, outcomes)


async def _write(
    pool: Pool, query: str, part: Sequence[T], make: Callable[[T], Prepared]
) -> list[Outcome[None]]:
    """Write a part in one transaction, or each by itself if one of them is refused."""
    refused: dict[int, StorageError] = {}

    def rows() -> Iterator[Values]:
        for place, item in enumerate(part):
            values = make(item)
            if isinstance(values, StorageError):
                refused[place] = values
            else:
                yield values

    try:
        async with pool.transaction() as connection:
            await connection.executemany(query, rows())
    except StorageError as error:
        if isinstance(error, Conflict | Invalid) or isinstance(error.__cause__, Deadlock):
            # Nothing of them was written. One by one, each fails for itself, and none can wait for
            # another that waits for it.
            return [await _write_one(pool, query, make(item)) for item in part]
        return [Failed(refused.get(place, error)) for place in range(len(part))]
    done: Outcome[None] = Done(None)
    return [Failed(refused[at]) if at in refused else done for at in range(len(part))]


async def _write_one(pool: Pool, query: str, values: Prepared) -> Outcome[None]:
    if isinstance(values, StorageError):
        return Failed(values)
    try:
        await pool.ask(Connection.execute, query, *values)
    except StorageError as error:
        return Failed(error)
    return Done(None)


def _in_order(order: Sequence[int], outcomes: list[Outcome[None]]) -> tuple[Outcome[None], ...]:
    """Return the outcomes as they were asked for; what was not tried has failed."""
    while len(outcomes) < len(order):
        msg = "not tried: the server could not be reached for those before"
        outcomes.append(Failed(Unavailable(msg, sent="no")))
    told = dict(zip(order, outcomes, strict=True))
    return tuple(told[place] for place in range(len(order)))


def _parts(ops: Sequence[Write]) -> Iterator[Sequence[Write]]:
    start = size = 0
    for place, op in enumerate(ops, 1):
        size += len(op.content)
        if size >= _CHARACTERS or place - start == _AT_ONCE or place == len(ops):
            yield ops[start:place]
            start, size = place, 0


async def _whole(scope: str, op: Write) -> Prepared:
    return await asyncio.to_thread(_values, scope, op)


def _values(scope: str, op: Write) -> Prepared:
    try:
        metadata = stored(op.metadata)
    except Invalid as error:
        return error
    return row(scope, op, metadata, indexed(op.content))


def _gone(outcomes: Sequence[Outcome[None]]) -> bool:
    """Tell whether what comes next would fail as well."""
    last = outcomes[-1] if outcomes else None
    return isinstance(last, Failed) and last.error.transient
