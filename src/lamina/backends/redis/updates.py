"""Appends and counters, which read and write at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from redis.exceptions import ResponseError

from lamina.backends.redis.failures import FAILURES, refused
from lamina.backends.redis.names import once_of, proof_of, wire
from lamina.backends.redis.scripts import APPEND, COMPARE_AND_SET, INCREMENT, REPLACE
from lamina.backends.redis.wire import (
    check_ok,
    milliseconds,
    number_of,
    pack,
    pack_get,
    two_of,
    value_of,
)
from lamina.domains.lists import appended, counted
from lamina.values import Json

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.backends.redis.scripts import Asks
    from lamina.domains.keyvalue import Append, Increment
    from lamina.threads import OneThread

P = ParamSpec("P")
T = TypeVar("T")
KEPT: Final = 86_400.0
"""Seconds for which the answer to an append with an idempotency key, and a proof, are kept."""

_LARGE: Final = 65_536  # bytes of JSON that are no longer worked on in the event loop
_ATTEMPTS: Final = 20
_SERVER_COUNTS: Final = 10**18  # so that its sums are far from its limits, which are not ours


async def append(server: Asks, op: Append, thread: OneThread) -> int:
    """Append the items and return the length.

    The server splices a list that one of us wrote last; one that another program wrote is made
    anew in Python, once.
    """
    name = wire(op.scope, op.key)
    once = () if op.idempotency is None else (once_of(name, op.idempotency),)
    names = (name, proof_of(name), *once)
    ttl = b"" if op.ttl is None else milliseconds(op.ttl)
    lives = (ttl, milliseconds(KEPT), milliseconds(KEPT))
    given = sum(len(item.data) for item in op.items)
    items, count = await _worked(thread, given, _joined, op)
    for _ in range(_ATTEMPTS):
        words = (items, b"%d" % count, b"%d" % (op.keep_last or 0), *lives)
        done, told = two_of(await APPEND.run(server, names, *words))
        if done:
            return number_of(told)
        stored = value_of(told) or b""
        size = given + len(stored)
        data, length = await _worked(thread, size, appended, stored, op.items, op.keep_last)
        words = (stored, data, b"%d" % length, *lives)
        done, told = two_of(await REPLACE.run(server, names, *words))
        if done:
            return number_of(told)
    raise FAILURES["contended"].error()


async def increment(server: Asks, op: Increment) -> int:
    """Add to a counter and return its new value; unusual ones are computed in Python."""
    name = wire(op.scope, op.key)
    ttl = None if op.ttl is None else milliseconds(op.ttl)
    if abs(op.by) < _SERVER_COUNTS:
        told = await INCREMENT.run(server, (name,), b"%d" % op.by, ttl or b"")
        done, found = two_of(told)
        stored = value_of(found)
        if done and stored is not None:
            return int(stored)
    else:
        stored = await _stored(server, name)
    for _ in range(_ATTEMPTS):
        value = counted(stored, op.by)
        if await replaced(server, name, stored, b"%d" % value, ttl, keeps=True):
            return value
        stored = await _stored(server, name)
    raise FAILURES["contended"].error()


async def replaced(
    server: Asks,
    name: bytes,
    expect: bytes | None,
    value: bytes,
    ttl: bytes | None,
    *,
    keeps: bool = False,
) -> bool:
    """Write *value* if *expect* is stored, None if nothing is; tell whether it was.

    Without *ttl*, in milliseconds, it stays for ever, or as long as before if it *keeps* that.
    """
    rest = (
        (b"PX", ttl) if ttl is not None else (b"KEEPTTL",) if keeps and expect is not None else ()
    )
    if expect is not None:
        return number_of(await COMPARE_AND_SET.run(server, (name,), expect, value, *rest)) > 0
    try:
        answer = await server.ask(pack(b"SET", name, value, b"NX", *rest), name)
    except ResponseError as error:
        raise refused(error) from error
    if answer is not None:
        check_ok(answer)
    return answer is not None


async def _worked(
    thread: OneThread, size: int, make: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Return what *make* gives, made elsewhere if it takes long."""
    if size > _LARGE:
        return await thread.run(make, *args, **kwargs)
    return make(*args, **kwargs)


def _joined(op: Append) -> tuple[bytes, int]:
    """Return the new items that are kept in the form in which they stand in a list."""
    items = [item.thaw() for item in op.items]
    kept = items if op.keep_last is None else items[-op.keep_last :]
    return Json.of(kept).data[1:-1], len(kept)


async def _stored(server: Asks, name: bytes) -> bytes | None:
    try:
        return value_of(await server.ask(pack_get(name), name))
    except ResponseError as error:
        raise refused(error) from error
