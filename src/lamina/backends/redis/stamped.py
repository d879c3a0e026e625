"""Values with the time they have left: one at a time, or all in one transaction.

That time counts from when it was asked for, so that no value is said to live longer than it does,
however late the answer is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, cast

from redis.exceptions import NoPermissionError, ResponseError

from lamina.backends.redis.batches import ITEMS, outcome_of
from lamina.backends.redis.failures import FAILURES, refused
from lamina.backends.redis.names import wires
from lamina.backends.redis.scripts import GET_STAMPED, TIMES_LEFT
from lamina.backends.redis.server import Single
from lamina.backends.redis.wire import (
    EXEC,
    MULTI,
    list_of,
    number_of,
    pack,
    two_of,
    value_of,
)
from lamina.values import Done, Stamped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.backends.redis.server import Server
    from lamina.domains.keyvalue import GetStampedMany
    from lamina.runtime import Runtime
    from lamina.values import Outcome

    Told = Outcome[Stamped[bytes | None]]

_ABSENT: Final = -2
_FOR_EVER: Final = -1
_NOTHING: Final = Done(Stamped(None))


def stamped_of(answer: Any, asked: float) -> Stamped[bytes | None]:
    """Return what the script gives for one key, in Unix seconds if it was *asked* for then.

    Raises:
        Corrupt: It is something else.
    """
    value, left = two_of(answer)
    if value is None or left == _ABSENT:
        return Stamped(None)
    ends = None if left == _FOR_EVER else asked + number_of(left) / 1000
    return Stamped(value_of(value), ends)


async def get_stamped_many(
    server: Server, op: GetStampedMany, runtime: Runtime
) -> tuple[Told, ...]:
    """Read values and the time each has left, so that none is told with another's time.

    By MGET and a script in one transaction; in a cluster by a script for each key, as those of a
    transaction are all in one slot.

    Raises:
        StorageError: Nothing could be read.
    """
    outcomes: list[Told] = []
    for start in range(0, len(op.keys), ITEMS):
        names = wires(op.scope, op.keys[start : start + ITEMS])
        if isinstance(server, Single):
            outcomes += await _read(server, names, runtime)
        else:
            outcomes += await _read_each(server, names, runtime)
    return tuple(outcomes)


async def _read(server: Single, names: Sequence[bytes], runtime: Runtime) -> list[Told]:
    """Read in one transaction, and by itself what is of another kind or may not be read."""
    commands = [MULTI, pack(b"MGET", *names), TIMES_LEFT.packed(*names), EXEC]
    asked = runtime.wall()
    answers = await server.ask_whole(commands, len(names))
    if any(isinstance(answer, NoPermissionError) for answer in answers):  # for some keys perhaps
        return await _read_each(server, names, runtime)
    for answer in answers:  # the first says why the transaction was given up
        if isinstance(answer, ResponseError):
            raise refused(answer) from answer
    *values, text = cast("list[bytes | None]", answers[-1])
    found: list[Told | None] = []
    for value, left in zip(values, _lefts(text, len(values)), strict=True):
        if left == _ABSENT:
            found.append(_NOTHING)
        elif value is None:
            found.append(None)
        else:
            ends = None if left == _FOR_EVER else asked + left / 1000
            found.append(Done(Stamped(value, ends)))
    others = [name for name, one in zip(names, found, strict=True) if one is None]
    if not others:
        return cast("list[Told]", found)
    again = iter(await _read_each(server, others, runtime))
    return [next(again) if one is None else one for one in found]


def _lefts(text: bytes | None, size: int) -> list[float]:
    """Return the milliseconds left that the script gave.

    Raises:
        Corrupt: It is something else.
    """
    try:
        lefts = [*map(float, (text or b"").split())]
    except ValueError as error:
        raise FAILURES["garbage"].error() from error
    if not math.isfinite(sum(lefts)):
        raise FAILURES["garbage"].error()
    return list_of(lefts, size)


async def _read_each(server: Server, names: Sequence[bytes], runtime: Runtime) -> list[Told]:
    asked = runtime.wall()
    answers = await server.ask_each([GET_STAMPED.packed(name) for name in names], names)
    return [outcome_of(answer, lambda told: stamped_of(told, asked)) for answer in answers]
