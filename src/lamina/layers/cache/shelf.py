"""Where answers stand: bounded by count and by bytes, the longest unused leave first."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, final

from cachetools import LRUCache

if TYPE_CHECKING:
    from lamina.layers.cache.marks import Mark

_REPRIEVES: Final = 16
"""How many entries one eviction passes over at most, so that none takes long."""


@final
class Entry:
    """One answer, and how long it holds.

    *stored* is the loop time it was asked for at. Until *expires* it is given at once; by *cap*
    its time is over, however often it is used; until *ends* it may be given past its time. Loop
    times, all of them. *until* is Unix seconds, None unless the value has an expiry of its own.
    *used* is set by a hit, and saves it once from eviction.
    """

    __slots__ = (
        *("cap", "ends", "entries", "expires", "identity", "marks"),
        *("size", "stored", "until", "used", "value"),
    )

    def __init__(
        self,
        entries: dict[Any, Entry],
        identity: Any,
        value: Any,
        *,
        marks: tuple[Mark, ...],
        expires: float,
        until: float | None,
        size: int,
        cap: float | None = None,
        ends: float | None = None,
        stored: float = 0.0,
    ) -> None:
        self.entries = entries
        self.identity = identity
        self.value = value
        self.marks = marks
        self.expires = expires
        self.until = until
        self.size = size
        self.cap = expires if cap is None else cap
        self.ends = self.cap if ends is None else ends
        self.stored = stored
        self.used = False

    def outdated(self) -> bool:
        """Tell whether a write has ended one of its generations."""
        return any(mark.dead for mark in self.marks)


@final
class Shelf(LRUCache[Entry, Entry]):
    """All entries of one cache, of whatever operation type.

    Hits find entries in the table of their type and only flag them: cachetools' own lookup costs
    as much as the rest of a hit. Eviction makes up for it, by a second chance for the flagged.
    """

    def __init__(self, max_entries: int, max_bytes: int) -> None:
        super().__init__(max_bytes, getsizeof=attrgetter("size"))
        self.max_entries = max_entries
        self.evicted = 0

    def put(self, entry: Entry) -> None:
        """Let *entry* stand in its table, in place of the one there; make room for it."""
        old = entry.entries.get(entry.identity)
        if old is not None:
            self.drop(old)
        while len(self) >= self.max_entries:
            self.popitem()
        self[entry] = entry
        entry.entries[entry.identity] = entry

    def drop(self, entry: Entry) -> None:
        """Take one entry away."""
        del self[entry]
        del entry.entries[entry.identity]

    def popitem(self) -> tuple[Entry, Entry]:
        """Evict the entry that was longest unused, about."""
        for _ in range(_REPRIEVES):
            entry, _ = super().popitem()
            if not entry.used or entry.outdated():
                break
            entry.used = False
            self[entry] = entry
        else:
            entry, _ = super().popitem()
        del entry.entries[entry.identity]
        self.evicted += 1
        return entry, entry
