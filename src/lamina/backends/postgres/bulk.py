"""Write many rows: one message for a part of them, one by one where that is refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from asyncpg import Connection

from lamina.backends.postgres.written import indexed, stored
from lamina.errors import Conflict, Invalid, StorageError, Unavailable
from lamina.values import Done, Failed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lamina.backends.postgres.pool import Pool
    from lamina.domains.documents import Write
    from lamina.values import Outcome

Values: TypeAlias = tuple[Any, ...]
Prepared: TypeAlias = "Sequence[Values | StorageError]"
"""The values of each row, or why it is refused."""

_AT_ONCE: Final = 500  # rows in one message
_CHARACTERS: Final = 4 * 2**20
_SMALL: Final = 32 * 2**10


async def write_documents(
    pool: Pool, query: str, ops: Sequence[Write]
) -> tuple[Outcome[None], ...]:
    """Write documents in order; tell of each what became of it.

    Without paths they do not depend on each other, and are written by id, so that no two writers
    wait for each other. While the server writes a part, a thread looks for the words of the next.
    """
    order = [*range(len(ops))]
    if all(op.path is None for op in ops):
        order.sort(key=lambda place: ops[place].id)
    parts = iter([*_parts([ops[place] for place in order])])
    outcomes: list[Outcome[None]] = []
    coming = _preparing(next(parts, ()))
    while (part := await coming) and not _gone(outcomes):
        coming = _preparing(next(parts, ()))
        outcomes += await _write(pool, query, part)
    return _in_order(order, outcomes)


async def write_each(pool: Pool, query: str, made: Prepared) -> tuple[Outcome[None], ...]:
    """Write rows that do not depend on each other; tell of each what became of it."""
    order = sorted(range(len(made)), key=lambda place: _key(made[place]))
    outcomes: list[Outcome[None]] = []
    for start in range(0, len(order), _AT_ONCE):
        if not _gone(outcomes):
            part = [made[place] for place in order[start : start + _AT_ONCE]]
            outcomes += await _write(pool, query, part)
    return _in_order(order, outcomes)


def _in_order(order: Sequence[int], outcomes: list[Outcome[None]]) -> tuple[Outcome[None], ...]:
    """Return the outcomes as they were asked for; what was not tried has failed."""
    while len(outcomes) < len(order):
        msg = "not tried: the server could not be reached for those before"
        outcomes.append(Failed(Unavailable(msg, sent="no")))
    told = dict(zip(order, outcomes, strict=True))
    return tuple(told[place] for place in range(len(order)))


async def _write(pool: Pool, query: str, part: Prepared) -> list[Outcome[None]]:
    """Write a part in one transaction, or each by itself if one of them is refused."""
    good = [values for values in part if not isinstance(values, StorageError)]
    try:
        async with pool.transaction() as connection:
            await connection.executemany(query, good)
    except (Conflict, Invalid):  # of one at least: nothing of them was written
        return [await _write_one(pool, query, values) for values in part]
    except StorageError as error:
        return [Failed(one if isinstance(one, StorageError) else error) for one in part]
    return [Failed(one) if isinstance(one, StorageError) else Done(None) for one in part]


async def _write_one(pool: Pool, query: str, values: Values | StorageError) -> Outcome[None]:
    if isinstance(values, StorageError):
        return Failed(values)
    try:
        await pool.ask(Connection.execute, query, *values)
    except StorageError as error:
        return Failed(error)
    return Done(None)


def _parts(ops: Sequence[Write]) -> Iterable[Sequence[Write]]:
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


def _values(op: Write) -> Values | StorageError:
    try:
        metadata = stored(op.metadata)
    except Invalid as error:
        return error
    return (op.scope, op.id, op.path, op.content, *metadata, *indexed(op.content))


def _key(values: Values | StorageError) -> Values:
    return () if isinstance(values, StorageError) else values[:3]


def _gone(outcomes: Sequence[Outcome[None]]) -> bool:
    """Tell whether what comes next would fail as well."""
    last = outcomes[-1] if outcomes else None
    return isinstance(last, Failed) and last.error.transient
