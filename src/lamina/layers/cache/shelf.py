"""Where answers stand: bounded by count and by bytes; those asked for again and again stay."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, final

from cachetools import Cache

from lamina.layers.cache.marks import Mark
from lamina.layers.cache.rings import Ghosts, Ring

if TYPE_CHECKING:
    from lamina.layers.cache.ceiling import Ceiling

_YOUNG: Final = 32
"""One part in so many of what is held, by count and by bytes, is for what was asked for once."""

_FEW: Final = 4
"""So many of these are let be even on a small shelf."""

_WORTH: Final = 3
"""So many rounds in which it was used are remembered of an entry."""

_STEPS: Final = 64
"""How many entries one eviction passes over at most, so that none takes long."""


@final
class Entry:
    """One answer, and how long it holds.

    *stored* is the loop time it was asked for at. Until *expires* it is given at once; by *cap*
    its time is over, however often it is used; until *ends* it may be given past its time. Loop
    times, all of them. *until* is Unix seconds, None unless the value has an expiry of its own.
    *used* is set by a hit, and saves it once from eviction.

    The shelf's own: *ring*, *before* and *after*, unset unless it stands there, and *worth*, in how
    many of the rounds before it was used.
    """

    __slots__ = (
        *("after", "before", "cap", "ends", "entries", "expires", "identity", "marks"),
        *("ring", "size", "stored", "until", "used", "value", "worth"),
    )

    after: Entry
    before: Entry
    ring: Ring

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
        self.worth = 0

    def outdated(self) -> bool:
        """Tell whether a write has ended one of its generations; the end of an era may not."""
        for mark in self.marks:  # noqa: SIM110  # a generator costs more than the rest
            if mark.dead and type(mark) is Mark:
                return True
        return False


@final
class Shelf(Cache[Entry, Entry]):
    """All entries of one cache, of whatever operation type; S3-FIFO (SOSP 2023) with one bit.

    An answer comes to the *young* and leaves from there unless it is used meanwhile, so a scan
    pushes out nothing but itself. What is used, or is asked for again soon after it left, is
    *proven*, and stays about as many rounds of the hand as it was used in before.

    Hits find entries in the table of their type and only flag them: cachetools' own lookup costs
    as much as the rest of a hit. An entry stands in its table as long as it stands here.
    """

    def __init__(self, max_entries: int, max_bytes: int) -> None:
        super().__init__(max_bytes, getsizeof=attrgetter("size"))
        self.max_entries = max_entries
        self.evicted = 0
        self.ceiling: Ceiling | None = None
        self._now = float("-inf")
        self._young, self._proven = Ring(), Ring()
        self._ghosts: Ghosts | None = None

    def put(self, entry: Entry) -> bool:
        """Let *entry* stand in its table, in place of the one there; make room for it.

        Tell whether it stands: it does not if it is larger than all room.
        """
        ring, ceiling = self._young, self.ceiling
        old = entry.entries.get(entry.identity)
        if old is not None:
            ring, entry.worth = self._proven, old.worth
            del self[old]
        elif self._ghosts is not None and self._ghosts.recall(entry.identity):
            ring = self._proven
        if entry.size > self.maxsize or (ceiling and entry.size > ceiling.max_bytes):
            return False
        if ceiling:
            ceiling.make_room(entry.size, entry.stored, self)
        self._now = entry.stored
        while self._young.count + self._proven.count >= self.max_entries:
            self.popitem()
        super().__setitem__(entry, entry)
        ring.add(entry)
        entry.entries[entry.identity] = entry
        return True

    def drop(self, entry: Entry) -> None:
        """Take one entry away; when it is asked for again it is proven."""
        del self[entry]
        if self._ghosts is not None:
            self._ghosts.note(entry.identity)

    def evict(self, now: float) -> None:
        """Let go of the entry of least use, where *now* is loop time."""
        self._now = now
        self.popitem()

    def spent(self, now: float) -> bool:
        """Tell whether the next entry to leave is of no use any more.

        Raises:
            KeyError: It is empty.
        """
        entry = self._next()
        return entry.ends <= now or entry.outdated()

    def popitem(self) -> tuple[Entry, Entry]:
        """Evict the entry of least use, about.

        Raises:
            KeyError: It is empty.
        """
        entry = self._victim()
        del self[entry]
        self.evicted += 1
        return entry, entry

    def clear(self) -> None:
        """Let go of all entries."""
        for entry in tuple(self):
            del self[entry]

    def __setitem__(self, entry: Entry, value: Entry) -> None:
        self.put(entry)

    def __delitem__(self, entry: Entry) -> None:
        super().__delitem__(entry)
        entry.ring.remove(entry)
        del entry.entries[entry.identity]

    def _victim(self) -> Entry:
        """Return the entry to evict: one without use, else the one after the most passed over."""
        proven = self._proven
        for _ in range(_STEPS):
            entry = self._next()
            used, entry.used = entry.used, False
            if entry.ends <= self._now or entry.outdated():
                return entry
            if entry.ring is proven:
                proven.hand = entry.after
                if used:
                    entry.worth = min(entry.worth + 1, _WORTH)
                elif entry.worth:
                    entry.worth -= 1
                else:
                    return entry
            elif used:
                self._young.remove(entry)
                proven.add(entry)
            else:
                self._remember(entry)
                return entry
        return self._next()

    def _next(self) -> Entry:
        """Return the entry that is looked at next: of the young if they are too many."""
        young, proven = self._young, self._proven
        few = young.count <= _FEW and young.count < proven.count
        if young.count * _YOUNG <= proven.count and young.bytes * _YOUNG <= proven.bytes:
            few = True
        entry = (proven.hand or young.hand) if few else young.hand
        if entry is None:
            msg = "the shelf is empty"
            raise KeyError(msg)
        return entry

    def _remember(self, entry: Entry) -> None:
        ghosts, count = self._ghosts, self._young.count + self._proven.count
        if ghosts is None or ghosts.places * 2 < count:
            ghosts = self._ghosts = Ghosts(count)
        ghosts.note(entry.identity)
