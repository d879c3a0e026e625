"""What the second tier has done, and whether it is in use."""

from __future__ import annotations

from typing import NamedTuple, final


class SecondStats(NamedTuple):
    """What a second tier has done since its stack was built.

    Attributes:
        hits: Answers that it gave.
        misses: Answers that it was asked for and did not have, or not under what holds now.
        stored: Answers put there.
        unreadable: What was there and could not be read: of another version, damaged, foreign.
        failed: Calls that failed or took too long.
        skipped: Answers that it was not asked for, or not given: it was paused, something was
            owed to it, the answer's type or size is none for it, or there was no room for a task.
        owed: Tags, tenants and whole tiers that it must still be told to forget; until it knows,
            this process does not use it.
        available: Whether it is in use now.
    """

    hits: int
    misses: int
    stored: int
    unreadable: int
    failed: int
    skipped: int
    owed: int
    available: bool


@final
class Counts:
    """What is counted while it happens."""

    __slots__ = ("failed", "hits", "misses", "skipped", "stored", "unreadable")

    def __init__(self) -> None:
        self.hits = self.misses = self.stored = self.unreadable = self.failed = self.skipped = 0

    def told(self, *, owed: int, available: bool) -> SecondStats:
        """Return what was counted so far."""
        return SecondStats(
            self.hits,
            self.misses,
            self.stored,
            self.unreadable,
            self.failed,
            self.skipped,
            owed,
            available,
        )
