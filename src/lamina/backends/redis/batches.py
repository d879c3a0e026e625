"""Many values at once, so many in each exchange that none is too large."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from redis.exceptions import NoPermissionError, ResponseError

from lamina.backends.redis.failures import refused
from lamina.backends.redis.names import wire, wires
from lamina.backends.redis.wire import (
    check_ok,
    number_of,
    pack,
    pack_get,
    pack_set,
    value_of,
)
from lamina.errors import StorageError
from lamina.values import Done, Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lamina.backends.redis.server import Server
    from lamina.domains.keyvalue import GetMany, SetMany
    from lamina.values import Outcome

T = TypeVar("T")

ITEMS: Final = 1000
"""In one exchange."""
_BYTES: Final = 8 * 1024 * 1024


async def get_many(
    server: Server, op: GetMany, *, by_node: bool
) -> tuple[Outcome[bytes | None], ...]:
    """Read values, by MGET; *by_node*, by what each node is sent at once.

    Raises:
        StorageError: Nothing could be read.
    """
    outcomes: list[Outcome[bytes | None]] = []
    for start in range(0, len(op.keys), ITEMS):
        names = wires(op.scope, op.keys[start : start + ITEMS])
        outcomes += await (_read_each if by_node else _read)(server, names)
    return tuple(outcomes)


async def set_many(server: Server, op: SetMany, *, by_node: bool) -> tuple[Outcome[None], ...]:
    """Write values in order, by MSET if they shall stay; what each came to.

    Raises:
        StorageError: The first exchange failed; with later ones, that is told item by item.
    """
    outcomes: list[Outcome[None]] = []
    for items in _chunks(op.items):
        names = [wire(op.scope, key) for key, _ in items]
        values = [value for _, value in items]
        try:
            if op.ttl is None and not by_node:
                outcomes += await _write(server, names, values)
            else:
                outcomes += await _write_each(server, names, values, op.ttl)
        except StorageError as error:
            if not outcomes:
                raise
            left = len(op.items) - len(outcomes)
            return (*outcomes, *(Failed(error) for _ in range(left)))
    return tuple(outcomes)


async def _read(server: Server, names: Sequence[bytes]) -> list[Outcome[bytes | None]]:
    """Read by MGET, which calls absent what is of another kind: where any exists, ask by GET."""
    try:
        values: list[bytes | None]
        values = await server.ask(pack(b"MGET", *names), names[0], len(names))
        if None not in values:
            return [*map(Done, values)]
        absent = [name for name, value in zip(names, values, strict=True) if value is None]
        if not number_of(await server.ask(pack(b"EXISTS", *absent), absent[0])):
            return [*map(Done, values)]
    except NoPermissionError:  # for some keys perhaps
        return await _read_each(server, names)
    except ResponseError as error:
        raise refused(error) from error
    told = iter(await _read_each(server, absent))
    return [next(told) if value is None else Done(value) for value in values]


async def _read_each(server: Server, names: Sequence[bytes]) -> list[Outcome[bytes | None]]:
    answers = await server.ask_each([pack_get(name) for name in names], names)
    return [outcome_of(answer, value_of) for answer in answers]


async def _write(
    server: Server, names: Sequence[bytes], values: Sequence[bytes]
) -> list[Outcome[None]]:
    words = [word for pair in zip(names, values, strict=True) for word in pair]
    try:
        check_ok(await server.ask(pack(b"MSET", *words), names[0]))
    except NoPermissionError:  # for some keys perhaps; nothing was written
        return await _write_each(server, names, values, None)
    except ResponseError as error:
        raise refused(error) from error
    return [Done(None)] * len(names)


async def _write_each(
    server: Server, names: Sequence[bytes], values: Sequence[bytes], ttl: float | None
) -> list[Outcome[None]]:
    pairs = zip(names, values, strict=True)
    answers = await server.ask_each([pack_set(name, value, ttl) for name, value in pairs], names)
    return [outcome_of(answer, check_ok) for answer in answers]


def outcome_of(answer: Any, read: Callable[[Any], T]) -> Outcome[T]:
    """Return what *read* makes of an answer, or how it failed."""
    try:
        if isinstance(answer, ResponseError):
            raise refused(answer) from answer
        return Failed(answer) if isinstance(answer, StorageError) else Done(read(answer))
    except StorageError as error:
        return Failed(error)


def _chunks(items: Sequence[tuple[str, bytes]]) -> Iterator[Sequence[tuple[str, bytes]]]:
    """Cut *items* so that none has too many or, unless it is one alone, too large ones."""
    start = size = 0
    for place, (_, value) in enumerate(items):
        if place - start == ITEMS or (place > start and size + len(value) > _BYTES):
            yield items[start:place]
            start, size = place, 0
        size += len(value)
    if start < len(items):
        yield items[start:]
