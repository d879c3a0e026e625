"""Write records: many in one request, and alone those without which the others are taken."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast

from upstash_vector.types import Data, Vector

from lamina.backends.upstash.failures import reading
from lamina.backends.upstash.kinds import check_record, sparse_of
from lamina.backends.upstash.names import name_of
from lamina.errors import Corrupt, Invalid, StorageError, Unsupported
from lamina.values import EMPTY, Done, Failed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lamina.backends.upstash.client import Client
    from lamina.backends.upstash.kinds import Facts
    from lamina.domains.vectors import Upsert
    from lamina.values import Json, Outcome

MOST: Final = 1_000
"""Records in one request: what the service allows."""

NUMBERS: Final = 40_000
"""Numbers in one request, and so in one piece of work: about 100 vectors of 384."""

_RECORD: Final = 20
_CHARACTERS: Final = 8  # of a text or metadata take about as long as a number


class Item(NamedTuple):
    """A record that the index can hold, and where its outcome belongs."""

    place: int
    space: str
    op: Upsert
    dimension: int
    weight: int


Chunk: TypeAlias = "list[Item]"


async def write_one(client: Client, facts: Facts, op: Upsert) -> None:
    """Write one record.

    Raises:
        StorageError: It is refused, or the service fails.
    """
    check_record(facts, op)
    with reading():
        await client.put([_given(op)], name_of(op.scope, op.namespace))


async def write_each(
    client: Client, facts: Facts, ops: Sequence[Upsert]
) -> tuple[Outcome[None], ...]:
    """Write records; tell of each what became of it.

    Once the service fails, what was not sent yet is not tried.
    """
    outcomes: dict[int, Outcome[None]] = {}
    items: list[Item] = []
    for place, op in enumerate(ops):
        try:
            items.append(_item(place, facts, op))
        except StorageError as error:
            outcomes[place] = Failed(error)
    down: StorageError | None = None
    for turn in _turns(items):
        waiting = deque(_chunks(turn))
        while waiting:
            chunk = waiting.popleft()
            if down is not None:
                outcomes |= _each(chunk, Failed(untried(down)))
                continue
            told = await _send(client, chunk)
            if told is None:
                outcomes |= _each(chunk, Done(None))
            elif not isinstance(told, Invalid | Unsupported):
                outcomes |= _each(chunk, Failed(told))
                down = told
            elif len(chunk) == 1:
                outcomes |= _each(chunk, Failed(told))
            else:
                waiting.extendleft(reversed(_halves(chunk)))
    return tuple(outcomes[place] for place in range(len(ops)))


def _item(place: int, facts: Facts, op: Upsert) -> Item:
    check_record(facts, op)
    weight = _RECORD + (len(op.metadata.data) + len(op.text or "")) // _CHARACTERS
    dimension = 0 if op.vector is None else op.vector.dimension
    weight += dimension + (0 if op.sparse is None else 2 * len(op.sparse.indices))
    return Item(place, name_of(op.scope, op.namespace), op, dimension, weight)


def _given(op: Upsert) -> Vector | Data:
    """Return a record of the SDK's.

    Raises:
        Invalid: Its metadata is no JSON object.
    """
    metadata = _thawed(op.metadata)
    if _is_text(op):
        return Data(op.id, op.text or "", metadata)
    dense = None if op.vector is None else [*op.vector.numbers()]
    sparse = None if op.sparse is None else sparse_of(op.sparse)
    return Vector(op.id, dense, metadata, op.text, sparse)


def _is_text(op: Upsert) -> bool:
    return op.vector is None and op.sparse is None


def _thawed(metadata: Json) -> dict[str, Any] | None:
    if metadata == EMPTY:
        return None
    try:
        value: Any = metadata.thaw()
    except Corrupt as error:
        msg = "metadata is not JSON"
        raise Invalid(msg) from error
    if not isinstance(value, dict):
        msg = "metadata must be a JSON object"
        raise Invalid(msg)
    return cast("dict[str, Any]", value)


def _turns(items: Iterable[Item]) -> list[list[Item]]:
    """Part the items so that no id is twice in one turn: a later record replaces an earlier."""
    turns: list[list[Item]] = []
    seen: dict[tuple[str, str], int] = {}
    for item in items:
        key = (item.space, item.op.id)
        turn = seen.get(key, 0)
        seen[key] = turn + 1
        if turn == len(turns):
            turns.append([])
        turns[turn].append(item)
    return turns


def _chunks(items: Iterable[Item]) -> Iterator[Chunk]:
    """Part the items into requests, each of one namespace, and of vectors or of texts."""
    groups: dict[tuple[str, bool], Chunk] = {}
    for item in items:
        groups.setdefault((item.space, _is_text(item.op)), []).append(item)
    for group in groups.values():
        chunk: Chunk = []
        weight = 0
        for item in group:
            if chunk and (len(chunk) == MOST or weight + item.weight > NUMBERS):
                yield chunk
                chunk, weight = [], 0
            chunk.append(item)
            weight += item.weight
        yield chunk


async def _send(client: Client, chunk: Chunk) -> StorageError | None:
    try:
        with reading():
            await client.put([_given(item.op) for item in chunk], chunk[0].space)
    except StorageError as error:
        return error
    return None


def _halves(chunk: Chunk) -> list[Chunk]:
    """Part a refused request: by dimension, where that may be why, or in the middle."""
    by_dimension: dict[int, Chunk] = {}
    for item in chunk:
        by_dimension.setdefault(item.dimension, []).append(item)
    if len(by_dimension) > 1:
        return [*by_dimension.values()]
    middle = len(chunk) // 2
    return [chunk[:middle], chunk[middle:]]


def _each(chunk: Chunk, outcome: Outcome[None]) -> dict[int, Outcome[None]]:
    return {item.place: outcome for item in chunk}


def untried(error: StorageError) -> StorageError:
    """Return why something was not sent: *error* is what those before it came to."""
    msg = "not tried: the service failed for those before"
    return type(error)(msg, transient=error.transient, sent="no", retry_after=error.retry_after)
