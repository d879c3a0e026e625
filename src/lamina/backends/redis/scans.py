"""Scans: pages of keys, from as many looks as it takes to fill one, within bounds.

Positions in one run of a server mean nothing in another, which spreads its keys differently.
In a cluster a scan goes from node to node, also while slots move between them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast, final

from redis.exceptions import ResponseError

from lamina.backends.redis.failures import FAILURES, refused
from lamina.backends.redis.names import SLOTS, key_of, pattern
from lamina.backends.redis.node import fields
from lamina.backends.redis.slots import read, written
from lamina.backends.redis.wire import INFO, pack
from lamina.errors import Invalid
from lamina.values import Page

if TYPE_CHECKING:
    from lamina.backends.redis.node import Node
    from lamina.backends.redis.server import Server
    from lamina.domains.keyvalue import Scan

_MOST: Final = 10_000
_WHEN_SPARSE: Final = 1000
_LOOKS: Final = 20
LAST: Final = 2**64 - 1
"""The highest position that a server can give."""

_RUN: Final = re.compile(r"[0-9a-f]{1,40}")
_PARTS: Final = 4
_POSITION: Final = re.compile(r"[0-9]{1,20}")


async def scan(server: Server, op: Scan) -> Page[str]:
    """Return a page of keys; it may be empty after looking at some 20,000 that do not match."""
    glob = pattern(op.scope, op.prefix)
    limit = min(op.limit, _MOST)
    keys: dict[str, None] = {}
    cursor, count = op.cursor, limit
    for _ in range(_LOOKS):
        try:
            names, cursor = await server.scan(glob, cursor, count)
        except ResponseError as error:
            raise refused(error) from error
        found = (key_of(op.scope, name) for name in names)
        keys |= dict.fromkeys(key for key in found if key is not None)
        if cursor is None or len(keys) >= limit:
            break
        count = max(limit, _WHEN_SPARSE)
    return Page(tuple(keys), cursor)


@final
@dataclass(frozen=True, slots=True)
class Look:
    """Where in which run of a server a scan is, and what *names* were found on the way there."""

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


@final
@dataclass(frozen=True, slots=True)
class Tour:
    """How far a scan is: slots that are *done*, those *here* when it came to this node, where.

    A slot is done when one run of one node that held it before and after was looked through.
    """

    done: frozenset[int] = frozenset()
    here: frozenset[int] = frozenset()
    at: Look = Look()

    @classmethod
    def read(cls, cursor: str | None) -> Tour:
        """Read a cursor.

        Raises:
            Invalid: It is none that ``cursor`` has given.
        """
        parts = (cursor or ";;;0").split(";")
        if len(parts) == _PARTS:
            done, here = read(parts[0]), read(parts[1])
            position = int(parts[3]) if _POSITION.fullmatch(parts[3]) else LAST + 1
            if done is not None and here is not None and len(done) < SLOTS and position <= LAST:
                return cls(done, here, Look(parts[2], position))
        msg = "the cursor is none that a scan has given"
        raise Invalid(msg)

    @property
    def cursor(self) -> str | None:
        """The cursor, None when nothing is left."""
        if len(self.done) == SLOTS:
            return None
        at = f"{self.at.run};{self.at.position}"
        return f"{written(self.done)};{written(self.here)};{at}"

    @property
    def slot(self) -> int:
        """A slot of the node to look at."""
        if self.here:
            return min(self.here)
        return next(slot for slot in range(SLOTS) if slot not in self.done)

    def looked(self, told: Look, held: frozenset[int]) -> Tour:
        """Return how far it is after a look at a node that *held* these slots before it."""
        is_new = not self.at.position or told.run != self.at.run
        here = held if is_new else self.here
        return Tour(self.done, here, Look(told.run, told.position))

    def left(self, held: frozenset[int]) -> Tour:
        """Return how far it is when a node, which *held* these slots at the end, is done."""
        return Tour(self.done | (self.here & held))
