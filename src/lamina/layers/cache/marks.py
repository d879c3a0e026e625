"""Generations of tags: what an answer was true under, and what a write makes wrong at once."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, final
from weakref import WeakValueDictionary

from lamina.layers.cache.lags import Lags

if TYPE_CHECKING:
    from collections.abc import Iterable


class Mark:
    """One generation of one *tag*; whoever holds it sees at once that it has ended.

    Attributes:
        written: Whether a write has ended it, and no invalidation.
    """

    __slots__ = ("__weakref__", "dead", "tag", "written")

    def __init__(self, tag: str = "") -> None:
        self.tag = tag
        self.dead = False
        self.written = False


@final
class Marks:
    """The living generation of each tag.

    A write ends a generation instead of counting it up, so only answers and fills keep one alive:
    a tag that nobody holds takes no memory, however many keys are written.
    """

    def __init__(self) -> None:
        self._live: WeakValueDictionary[str, Mark] = WeakValueDictionary()
        self._doubts = Times()
        self.lags = Lags()

    def take(self, tags: Iterable[str], now: float) -> tuple[Mark, ...] | None:
        """Return the generations of *tags*, None while one of them is in doubt."""
        taken: list[Mark] = []
        for tag in tags:
            if self._doubts.until(tag, now) > now:
                return None
            mark = self._live.get(tag)
            if mark is None:
                mark = self._live[tag] = Mark(tag)
            taken.append(mark)
        return tuple(taken)

    def end(self, tags: Iterable[str], *, written: bool = True) -> None:
        """End the generations of *tags*: what was true under them is so no longer."""
        for tag in tags:
            mark = self._live.pop(tag, None)
            if mark is not None:
                mark.dead, mark.written = True, written

    def doubt(self, tags: Iterable[str], now: float, until: float) -> None:
        """Give no generation of *tags* before *until*."""
        self._doubts.note(tags, now, until)

    def is_doubtful(self, tags: Iterable[str], now: float) -> bool:
        """Tell whether a write that may still arrive touches one of *tags*."""
        return any(self._doubts.until(tag, now) > now for tag in tags)

    def __len__(self) -> int:
        return len(self._live) + len(self._doubts) + len(self.lags)


@final
class Times:
    """Until when something holds of each tag; what is over is forgotten with the next note."""

    def __init__(self) -> None:
        self._until: OrderedDict[str, float] = OrderedDict()  # the first noted first

    def until(self, tag: str, now: float) -> float:
        """Return until when it holds of *tag*; *now* if it does not."""
        return self._until.get(tag, now) if self._until else now

    def note(self, tags: Iterable[str], now: float, until: float) -> None:
        """Let it hold of *tags* until then, or longer if it did; forget what is over."""
        noted = self._until
        for tag in tags:
            noted[tag] = max(noted.get(tag, until), until)
            noted.move_to_end(tag)
        while noted and noted[next(iter(noted))] <= now:
            noted.popitem(last=False)

    def __len__(self) -> int:
        return len(self._until)
