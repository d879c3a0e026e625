"""One look at a part of a server's keys."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast, final

from redis.exceptions import ResponseError

from lamina.backends.redis.failures import FAILURES, refused
from lamina.backends.redis.greeting import fields
from lamina.backends.redis.wire import INFO, pack

if TYPE_CHECKING:
    from lamina.backends.redis.node import Node

LAST: Final = 2**64 - 1
"""The highest position that a server can give."""

_RUN: Final = re.compile(r"[0-9a-f]{1,40}")


@final
@dataclass(frozen=True, slots=True)
class Look:
    """Where in which run of a server a scan is, and what *names* were found on the way there.

    Positions of one run mean nothing in another, which spreads its keys differently.
    """

    run: str = ""
    position: int = 0
    names: tuple[bytes, ...] = ()


async def look(node: Node, at: Look, pattern: bytes, count: int) -> Look:
    """Return the next names and position; from the beginning if the server was restarted.

    The run is unknown, ``""``, where the user may not see it.

    Raises:
        StorageError: The server refuses, or is lost.
    """
    info, answer = await node.ask_all([INFO, _scan(at.position, pattern, count)])
    run = _run(info)
    if at.position and run != at.run:
        info, answer = await node.ask_all([INFO, _scan(0, pattern, count)])
        run = _run(info)
    if isinstance(answer, ResponseError):
        raise refused(answer) from answer
    position, names = _read(answer)
    return Look(run, position, names)


def _scan(position: int, pattern: bytes, count: int) -> Any:
    words = (b"SCAN", b"%d" % position, b"MATCH", pattern, b"COUNT", b"%d" % count)
    return pack(*words, b"TYPE", b"string")


def _run(info: Any) -> str:
    """Return the run's identity, forty hexadecimal digits."""
    told = fields(info).get(b"run_id", b"").decode("ascii", "replace")
    return told if _RUN.fullmatch(told) else ""


def _read(answer: Any) -> tuple[int, tuple[bytes, ...]]:
    try:
        position, names = answer
        return int(position), tuple(bytes(name) for name in cast("list[bytes]", names))
    except (TypeError, ValueError) as error:
        raise FAILURES["garbage"].error() from error
