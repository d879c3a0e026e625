"""Which reads may have seen a write pass; no clock, no IO."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple, final

if TYPE_CHECKING:
    from collections.abc import Iterable


@final
class ShadowStatus(NamedTuple):
    """What became of the reads chosen since the stack was built.

    *sent* were those that the second stack was asked. It gave the *same* answer or a *different*
    one, *racy* where what was read was written meanwhile, or *failed*; *unjudged* are those that
    *compare* raised on, or gave no bool for; the rest are under way, or were when the store closed.
    *skipped* were not sent: there was no room, the first stack failed, or a loop of shadows would
    have asked again. *raised* counts for both hooks.
    """

    sent: int
    same: int
    different: int
    racy: int
    failed: int
    unjudged: int
    skipped: int
    raised: int


@final
class Watch:
    """One read from before its first answer until its second; *racy* once a write overlaps it."""

    __slots__ = ("racy", "tags")

    def __init__(self, tags: tuple[str, ...], *, racy: bool) -> None:
        self.tags = tags
        self.racy = racy


@final
class Races:
    """Knows which reads are watched and which writes are under way, by tag."""

    def __init__(self) -> None:
        self._watches: dict[str, set[Watch]] = {}
        self._writing: Counter[str] = Counter()

    def watch(self, tags: Iterable[str]) -> Watch:
        """Begin to watch a read of *tags*."""
        told = tuple(tags)
        made = Watch(told, racy=any(tag in self._writing for tag in told))
        for tag in told:
            self._watches.setdefault(tag, set()).add(made)
        return made

    def forget(self, watch: Watch) -> None:
        """End a watch."""
        for tag in watch.tags:
            watches = self._watches.get(tag, set())
            watches.discard(watch)
            if not watches:
                self._watches.pop(tag, None)

    def begin(self, tags: Iterable[str]) -> None:
        """Note that a write of *tags* begins."""
        for tag in tags:
            self._writing[tag] += 1
            for watch in self._watches.get(tag, ()):
                watch.racy = True

    def end(self, tags: Iterable[str]) -> None:
        """Note that it ended, however it did."""
        for tag in tags:
            self._writing[tag] -= 1
            if not self._writing[tag]:
                del self._writing[tag]

    def __len__(self) -> int:
        return len(self._watches) + len(self._writing)
