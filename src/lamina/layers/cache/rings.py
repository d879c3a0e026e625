"""What a shelf keeps its order with: entries in a circle, and what left it of late."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.layers.cache.shelf import Entry


@final
class Ring:
    """Entries in the order they came; *hand* is the one that is looked at next.

    The links stand in the entries, so that each change is a few assignments and no entry costs
    more than two pointers.
    """

    __slots__ = ("bytes", "count", "hand")

    def __init__(self) -> None:
        self.bytes = 0
        self.count = 0
        self.hand: Entry | None = None

    def add(self, entry: Entry) -> None:
        """Put *entry* where the hand comes last."""
        first = self.hand
        if first is None:
            self.hand = entry.before = entry.after = entry
        else:
            last = first.before
            entry.before, entry.after = last, first
            last.after = first.before = entry
        entry.ring = self
        self.count += 1
        self.bytes += entry.size

    def remove(self, entry: Entry) -> None:
        """Take *entry* out; the hand moves on if it stood there."""
        before, after = entry.before, entry.after
        before.after, after.before = after, before
        del entry.before, entry.after, entry.ring  # a circle of one would outlive its use
        if self.hand is entry:
            self.hand = None if after is entry else after
        self.count -= 1
        self.bytes -= entry.size

    def __iter__(self) -> Iterator[Entry]:
        entry = self.hand
        while entry is not None:
            yield entry
            entry = None if entry.after is self.hand else entry.after


@final
class Ghosts:
    """Which entries left of late, of about as many as it has places: 4 bytes each, no values.

    Each stands where its hash says, in place of whatever stood there, so it is remembered until
    about *count* others have left. One in 4 billion is taken for another.
    """

    __slots__ = ("_marks", "_mask", "places")

    def __init__(self, count: int) -> None:
        self.places = 1 << max(count - 1, 1).bit_length()
        self._mask = self.places - 1
        self._marks = array("I", bytes(self.places * array("I").itemsize))

    def note(self, identity: object) -> None:
        """Remember that the entry of *identity* has left."""
        mixed = hash((identity,))  # a whole number alone is its own hash
        self._marks[mixed & self._mask] = mixed >> 32 & 0xFFFF_FFFF

    def recall(self, identity: object) -> bool:
        """Tell whether the entry of *identity* left of late, and forget it."""
        mixed = hash((identity,))
        place = mixed & self._mask
        if self._marks[place] != mixed >> 32 & 0xFFFF_FFFF:
            return False
        self._marks[place] = 0
        return True
