"""Invalidation of what no single tag stands for: a pattern, a tenant, everything; in O(1)."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from fnmatch import translate
from typing import TYPE_CHECKING, Final, Protocol, final

from lamina.layers.cache.marks import Mark

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST: Final = 64
"""How many invalidations are remembered one by one."""

_WILD: Final = frozenset("*?[")


class Held(Protocol):
    """What is true under generations: an answer, or a fill under way."""

    marks: tuple[Mark, ...]


@final
class Era(Mark):
    """The time between two such invalidations."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@final
@dataclass(frozen=True, slots=True)
class Rule:
    """What the end of the era *number* meant: the tags that ``matches`` is true of."""

    number: int
    matches: Callable[[str], bool]


@final
class Eras:
    """The era of now, and what the ends of the ones before it meant.

    An invalidation ends the era and leaves a rule; an answer is held against the rules since its
    era when somebody next looks at it, and belongs to the era of now if none means it. Of the
    newest 64 rules each is remembered; what is older than them is taken for meant.
    """

    def __init__(self) -> None:
        self.now = Era(0)
        self._rules: deque[Rule] = deque()
        self._floor = -1  # eras up to this are over for whatever was true in them

    def end(self, matches: Callable[[str], bool] | None) -> int:
        """End this era for what has a tag that *matches*, None for all; return its number."""
        number = self.now.number
        if matches is None:
            self._rules.clear()
            self._floor = number
        else:
            self._rules.append(Rule(number, matches))
            if len(self._rules) > _MOST:
                self._floor = self._rules.popleft().number
        self.now.dead = True
        self.now = Era(number + 1)
        return number

    def hold(self, held: Held) -> bool:
        """Tell whether what *held* was true under still is; let it belong to the era of now."""
        era: Era | None = None
        for mark in held.marks:
            if mark.dead:
                if not isinstance(mark, Era):
                    return False
                era = mark
        if era is None:
            return True
        if self.meant(held, era.number):
            return False
        held.marks = tuple(self.now if mark is era else mark for mark in held.marks)
        return True

    def meant(self, held: Held, since: int) -> bool:
        """Tell whether an invalidation that ended the era *since* or a later one means *held*."""
        if since <= self._floor:
            return True
        rules = [rule for rule in self._rules if rule.number >= since]
        return any(rule.matches(mark.tag) for rule in rules for mark in held.marks if mark.tag)


def matcher(
    pattern: str | None, key: str | None, scope: str | None
) -> Callable[[str], bool] | None:
    """Return what tells whether a tag is meant; None if all are.

    A key is meant by a glob or by itself, whatever its namespace; listings and searches may show
    any key, so they are always meant. *scope* None means every tenant's.
    """
    if pattern is None and key is None and scope is None:
        return None
    glob = None if pattern is None else globbed(pattern)

    def matches(tag: str) -> bool:
        _, tenant, name = tag.split("\0", 2) if tag.count("\0") > 1 else ("", "", f"={tag}")
        if scope is not None and tenant != scope:
            return False
        if not name.startswith("="):
            return True
        name = name[1:].rpartition("\0")[2]  # after its namespace
        return (key is None or name == key) and (glob is None or bool(glob(name)))

    return matches


def globbed(pattern: str) -> Callable[[str], object]:
    """Return what is true of names that match a glob; the usual one, a prefix, is quick to make."""
    head = pattern[:-1]
    if pattern.endswith("*") and not _WILD.intersection(head):
        return lambda name: name.startswith(head)
    return re.compile(translate(pattern)).match
