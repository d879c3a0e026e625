"""A scan that goes from node to node of a cluster, also while slots move between them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, final

from lamina.backends.redis.looks import LAST, Look
from lamina.backends.redis.names import SLOTS
from lamina.backends.redis.slots import read, written
from lamina.errors import Invalid

_PARTS: Final = 4
_POSITION: Final = re.compile(r"[0-9]{1,20}")
_START: Final = Look()


@final
@dataclass(frozen=True, slots=True)
class Tour:
    """How far a scan is: slots that are *done*, those *here* when it came to this node, where.

    A slot is done when one run of one node that held it before and after was looked through.
    """

    done: frozenset[int] = frozenset()
    here: frozenset[int] = frozenset()
    at: Look = _START

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
