"""The cache as plain state: what is held, what is being asked, what may be kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

from lamina.layers.cache.marks import Mark, Marks
from lamina.layers.cache.shelf import Entry, Shelf
from lamina.layers.cache.sizes import weigh
from lamina.values import Stamped

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

Identity: TypeAlias = "Hashable"

OVERHEAD: Final = 600
"""Bytes of one entry besides its key and its value, measured on CPython 3.13."""

_SHARE: Final = 64
"""An answer larger than this part of all room is not kept."""


@final
@dataclass(frozen=True, slots=True)
class Bounds:
    """How long and how much a cache keeps; times in seconds."""

    ttl: float
    max_entries: int
    max_bytes: int
    jitter: float
    doubt: float
    negative_ttl: float | None


@final
@dataclass(frozen=True, slots=True)
class CacheStats:
    """What a cache has done since its stack was built, and what it holds.

    Attributes:
        hits: Reads answered from the cache.
        misses: Reads that asked below.
        coalesced: Reads that waited for another's answer instead of asking.
        stored: Answers put into the cache.
        evicted: Answers that left it for want of room.
        size: How many answers it holds.
        bytes: How much memory they take, about.
    """

    hits: int
    misses: int
    coalesced: int
    stored: int
    evicted: int
    size: int
    bytes: int


@final
class Counts:
    """What is counted while it happens."""

    __slots__ = ("coalesced", "hits", "misses", "stored")

    def __init__(self) -> None:
        self.hits = self.misses = self.coalesced = self.stored = 0


class Fill:
    """One answer being asked below, and the generations that it will be true under."""

    __slots__ = ("identity", "marks", "table")

    def __init__(self, table: Table, identity: Identity, marks: tuple[Mark, ...]) -> None:
        self.table = table
        self.identity = identity
        self.marks = marks

    def joinable(self) -> bool:
        """Tell whether no write has ended since it began, so that newcomers may wait for it."""
        return not any(mark.dead for mark in self.marks)


@final
class Table:
    """The answers held, and the newest fill under way, of one operation type."""

    __slots__ = ("entries", "fills")

    def __init__(self) -> None:
        self.entries: dict[Any, Entry] = {}
        self.fills: dict[Any, Fill] = {}


@final
class Core:
    """All state of one cache; time is given, *draw* gives chance from 0 to 1."""

    def __init__(self, bounds: Bounds, draw: Callable[[], float]) -> None:
        self.bounds = bounds
        self.marks = Marks()
        self.shelf = Shelf(bounds.max_entries, bounds.max_bytes)
        self.counts = Counts()
        self._draw = draw
        self._tables: dict[object, Table] = {}
        self._largest = bounds.max_bytes // _SHARE

    def table(self, op: object) -> Table:
        """Return the table of one operation type."""
        return self._tables.setdefault(op, Table())

    def begin(self, fill: Fill) -> None:
        """Note a fill as the newest of its key: an older one may not keep its answer."""
        fill.table.fills[fill.identity] = fill

    def end(self, fill: Fill) -> bool:
        """Note that a fill has ended; tell whether it was still the newest of its key."""
        if fill.table.fills.get(fill.identity) is not fill:
            return False
        del fill.table.fills[fill.identity]
        return True

    def keep(self, fill: Fill, answer: Any, until: float | None, now: float, wall: float) -> None:
        """Hold the answer of a fill that was the newest, unless a write came in between.

        *until* is the value's own expiry, in Unix seconds as *wall*; *now* is loop time.
        """
        match answer:
            case None | Stamped(value=None):
                ttl = self.bounds.negative_ttl
            case _:
                ttl = self.bounds.ttl
        if not fill.joinable() or ttl is None or (until is not None and until <= wall):
            return
        size = OVERHEAD + weigh(answer) + weigh(fill.identity)
        if size - OVERHEAD > self._largest or size > self.bounds.max_bytes:
            return
        lifetime = min(ttl, self.bounds.ttl) * (1 - self.bounds.jitter * self._draw())
        entry = Entry(
            fill.table.entries,
            fill.identity,
            answer,
            marks=fill.marks,
            expires=now + lifetime,
            until=until,
            size=size,
        )
        self.shelf.put(entry)
        self.counts.stored += 1

    def wrote(self, tags: Iterable[str], now: float, *, sure: bool) -> None:
        """Make wrong what a write changed; unless *sure* that it is over, keep none for a while."""
        self.marks.end(tags)
        if not sure and self.bounds.doubt:
            self.marks.doubt(tags, now, now + self.bounds.doubt)

    def invalidate(self, pattern: str | None) -> int:
        """Drop what matches and fence the fills under way; return how many were dropped."""
        self.marks.end_matching(pattern)
        gone = [entry for entry in list(self.shelf) if entry.outdated()]
        for entry in gone:
            self.shelf.drop(entry)
        return len(gone)

    def stats(self) -> CacheStats:
        """Return what was counted so far."""
        counts, shelf = self.counts, self.shelf
        return CacheStats(
            hits=counts.hits,
            misses=counts.misses,
            coalesced=counts.coalesced,
            stored=counts.stored,
            evicted=shelf.evicted,
            size=len(shelf),
            bytes=int(shelf.currsize),
        )
