"""Generations of tags: what an answer was true under, and what a write makes wrong at once."""

from __future__ import annotations

import re
from collections import OrderedDict
from fnmatch import translate
from typing import TYPE_CHECKING, final
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@final
class Mark:
    """One generation of one tag; whoever holds it sees at once that it has ended."""

    __slots__ = ("__weakref__", "dead")

    def __init__(self) -> None:
        self.dead = False


@final
class Marks:
    """The living generation of each tag.

    A write ends a generation instead of counting it up, so only answers and fills keep one alive:
    a tag that nobody holds takes no memory, however many keys are written.
    """

    def __init__(self) -> None:
        self._live: WeakValueDictionary[str, Mark] = WeakValueDictionary()
        self._doubts: OrderedDict[str, float] = OrderedDict()  # the first to end first

    def take(self, tags: Iterable[str], now: float) -> tuple[Mark, ...] | None:
        """Return the generations of *tags*, None while one of them is in doubt."""
        taken: list[Mark] = []
        for tag in tags:
            if self._doubts and self._doubts.get(tag, now) > now:
                return None
            mark = self._live.get(tag)
            if mark is None:
                mark = self._live[tag] = Mark()
            taken.append(mark)
        return tuple(taken)

    def end(self, tags: Iterable[str]) -> None:
        """End the generations of *tags*: what was true under them is so no longer."""
        for tag in tags:
            mark = self._live.pop(tag, None)
            if mark is not None:
                mark.dead = True

    def doubt(self, tags: Iterable[str], now: float, until: float) -> None:
        """Give no generation of *tags* before *until*; forget doubts that have ended."""
        doubts = self._doubts
        for tag in tags:
            doubts[tag] = until
            doubts.move_to_end(tag)
        while doubts and doubts[next(iter(doubts))] <= now:
            doubts.popitem(last=False)

    def end_matching(self, pattern: str | None) -> None:
        """End the generations of keys that match the glob *pattern*, and of all collections."""
        matches = _matcher(pattern)
        self.end([tag for tag in list(self._live) if matches(tag)])

    def __len__(self) -> int:
        return len(self._live) + len(self._doubts)


def _matcher(pattern: str | None) -> Callable[[str], bool]:
    if pattern is None:
        return lambda _: True
    found = re.compile(translate(pattern)).match

    def matches(tag: str) -> bool:
        name = tag.split("\0", 2)[-1]  # domain, scope, name: see Operation.tag
        if not name.startswith("="):
            return True  # a listing or a search may show any key
        return found(name[1:].rpartition("\0")[2]) is not None  # after its namespace

    return matches
