"""The cache as plain state: what is held, what is being asked, what may be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast, final

from lamina.layers.cache.bounds import lifetime
from lamina.layers.cache.eras import Eras, matcher
from lamina.layers.cache.marks import Mark, Marks
from lamina.layers.cache.shelf import Entry, Shelf
from lamina.layers.cache.sizes import OVERHEAD, footprint
from lamina.layers.cache.stats import Counts
from lamina.values import Stamped

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from lamina.layers.cache.bounds import Bounds

Identity: TypeAlias = "Hashable"

_ELSEWHERE: Final = "\0elsewhere"  # a tag that stands for all that was written there

_SHARE: Final = 64
"""An answer larger than this part of all room is not kept."""


class Fill:
    """One answer being asked below since *began*, and the generations it will be true under.

    It may be kept until *clip* at most, in loop time; None for no such bound.
    """

    __slots__ = ("began", "clip", "identity", "marks", "table")

    def __init__(
        self,
        table: Table,
        identity: Identity,
        marks: tuple[Mark, ...],
        *,
        began: float = 0.0,
        clip: float | None = None,
    ) -> None:
        self.table = table
        self.identity = identity
        self.marks = marks
        self.began = began
        self.clip = clip

    def joinable(self) -> bool:
        """Tell whether nothing made its answer wrong since it began, so that others may wait."""
        return self.table.eras.hold(self)


@final
class Table:
    """The answers held, and the newest fill under way, of one operation type.

    Attributes:
        lags: Whether what answers it below may miss a write for a while.
    """

    __slots__ = ("counts", "entries", "eras", "fills", "lags")

    def __init__(self, eras: Eras) -> None:
        self.eras = eras
        self.lags = False
        self.counts = Counts()
        self.entries: dict[Any, Entry] = {}
        self.fills: dict[Any, Fill] = {}

    def end(self, fill: Fill) -> bool:
        """Note that a fill has ended; tell whether it was still the newest of its key."""
        if self.fills.get(fill.identity) is not fill:
            return False
        del self.fills[fill.identity]
        return True


@final
class Core:
    """All state of one cache; time is given, *draw* gives chance from 0 to 1."""

    def __init__(self, bounds: Bounds, draw: Callable[[], float]) -> None:
        self.bounds = bounds
        self.marks = Marks()
        self.eras = Eras()
        self.shelf = Shelf(bounds.max_entries, bounds.max_bytes)
        self.failed = 0
        self._told = False  # of a write elsewhere, which searches may still miss
        self.tables: dict[Any, Table] = {}
        self._draw = draw
        self._largest = bounds.max_bytes // _SHARE

    def limit(self, most: int) -> None:
        """Keep no answer larger than its share of *most* bytes."""
        self._largest = min(self._largest, most // _SHARE)

    def table(self, op: object) -> Table:
        """Return the table of one operation type."""
        found = self.tables.get(op)
        if found is None:
            found = self.tables[op] = Table(self.eras)
        return found

    def take(self, tags: tuple[str, ...], now: float) -> tuple[Mark, ...] | None:
        """Return the generations of *tags* and the era, None while one of the tags is in doubt."""
        taken = self.marks.take(tags, now)
        return None if taken is None else (*taken, self.eras.now)

    def clip(self, tags: tuple[str, ...], now: float) -> float | None:
        """Return how long a search of *tags* asked *now* may be kept; None if it misses nothing.

        After an invalidation it may miss what was written elsewhere.
        """
        lags = self.marks.lags
        if self._told:
            self._told = False
            lags.note((_ELSEWHERE,), now, self.bounds.lag, 0.0)
        return lags.until((*tags, _ELSEWHERE), now)

    def begin(self, fill: Fill) -> None:
        """Note a fill as the newest of its key: an older one may not keep its answer."""
        fill.table.fills[fill.identity] = fill

    def end(self, fill: Fill) -> bool:
        """Note that a fill has ended; tell whether it was still the newest of its key."""
        return fill.table.end(fill)

    def keep(
        self,
        fill: Fill,
        answer: Any,
        until: float | None,
        now: float,
        wall: float,
        *,
        age: float = 0.0,
    ) -> None:
        """Hold the answer of a fill that was the newest, unless a write came in between.

        *until* is the value's own expiry, in Unix seconds as *wall*; *now* is loop time; *age* is
        how many seconds ago it was true for sure.
        """
        if not fill.joinable() or (until is not None and until <= wall):
            return
        size = footprint(fill.identity, answer, fill.marks, self._largest)
        if size - OVERHEAD > self._largest or size > self.bounds.max_bytes:
            return
        told = cast("Any", answer).value if isinstance(answer, Stamped) else answer
        cap, ends = lifetime(self.bounds, now, age, fill.clip, self._draw(), absent=told is None)
        if ends <= now:
            return
        idle = self.bounds.idle
        entry = Entry(
            fill.table.entries,
            fill.identity,
            answer,
            marks=fill.marks,
            expires=cap if idle is None else min(cap, now + idle),
            until=until,
            size=size,
            cap=cap,
            ends=ends,
            stored=min(fill.began, now - age),
        )
        fill.table.counts.stored += self.shelf.put(entry)

    def is_true(self, entry: Entry, wall: float) -> bool:
        """Tell whether no write, invalidation or expiry of the value's own has ended *entry*."""
        return (entry.until is None or wall < entry.until) and self.eras.hold(entry)

    def is_stale(self, entry: Entry, now: float) -> bool:
        """Tell whether a true *entry* is past its time, and may be given while it is asked anew."""
        past = self.bounds.stale_while_revalidate
        return entry.cap <= now < entry.ends and now < entry.cap + past

    def is_spare(self, entry: Entry, now: float) -> bool:
        """Tell whether a true *entry* may be given in place of a failure."""
        return now < entry.ends and now < entry.cap + self.bounds.stale_if_error

    def wrote(self, tags: Iterable[str], now: float, *, sure: bool) -> None:
        """Make wrong what a write changed; unless *sure* that it is over, keep none for a while."""
        bounds, tags = self.bounds, tuple(tags)
        self.marks.end(tags)
        doubt = 0.0 if sure else bounds.doubt
        if doubt:
            self.marks.doubt(tags, now, now + doubt)
        if bounds.lag:
            self.marks.lags.note(tags, now, bounds.lag, doubt)

    def invalidate(
        self,
        pattern: str | None = None,
        *,
        key: str | None = None,
        tag: str | None = None,
        scope: str | None = None,
    ) -> None:
        """Make wrong what is meant, at once, and fence the fills under way."""
        self._told = True
        if tag is None:
            self.eras.end(matcher(pattern, key, scope))
        else:
            self.marks.end((tag,), written=False)

    def drop_if_wrong(self, entry: Entry, now: float, wall: float) -> bool:
        """Let go of an answer that is of no use any more; tell whether it would be in time."""
        due = now < entry.ends and (entry.until is None or wall < entry.until)
        if entry.entries.get(entry.identity) is not entry or (due and self.eras.hold(entry)):
            return False
        self.shelf.drop(entry)
        return due
