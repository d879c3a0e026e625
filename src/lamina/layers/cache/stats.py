"""What a cache has done, counted while it happens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, final

if TYPE_CHECKING:
    from lamina.layers.cache.second import SecondStats


class OperationStats(NamedTuple):
    """What a cache has done for one type of operation since its stack was built.

    Attributes:
        hits: Reads answered from the cache, stale ones too.
        misses: Reads that asked below.
        coalesced: Reads that waited for another's answer instead of asking.
        stale: Hits whose answer was past its time, and asked for anew behind it.
        rescued: Reads that failed, and were given an answer past its time instead.
        stored: Answers put into the cache.
    """

    hits: int = 0
    misses: int = 0
    coalesced: int = 0
    stale: int = 0
    rescued: int = 0
    stored: int = 0

    @property
    def hit_rate(self) -> float:
        """The part of the reads that asked nothing below, from 0 to 1."""
        answered = self.hits + self.coalesced + self.rescued
        asked = answered + self.misses
        return answered / asked if asked else 0.0


@final
@dataclass(frozen=True, slots=True)
class CacheStats:
    """What a cache has done since its stack was built, and what it holds.

    Attributes:
        hits: As ``OperationStats``, of all operations; so are those down to *stored*.
        evicted: Answers that left it for want of room.
        failed: Answers that could not be kept, whatever the reason; they were given.
        size: How many answers it holds.
        bytes: How much memory they take, about.
        operations: The same by operation type.
        second: What the second tier has done, None without one.
    """

    hits: int
    misses: int
    coalesced: int
    stale: int
    rescued: int
    stored: int
    evicted: int
    failed: int
    size: int
    bytes: int
    operations: Mapping[str, OperationStats]
    second: SecondStats | None = None


@final
class Counts:
    """What is counted of one type of operation."""

    __slots__ = ("coalesced", "hits", "misses", "rescued", "stale", "stored")

    def __init__(self) -> None:
        self.hits = self.misses = self.coalesced = self.stale = self.rescued = self.stored = 0

    def told(self) -> OperationStats:
        """Return what was counted so far."""
        return OperationStats(
            self.hits, self.misses, self.coalesced, self.stale, self.rescued, self.stored
        )
