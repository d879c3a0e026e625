"""The pure core in lockstep with a plain account of what happened and what may be given."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lamina.layers.cache.bounds import Bounds
from lamina.layers.cache.core import Core, Fill
from lamina.layers.cache.eras import Eras
from lamina.layers.cache.lags import Lags
from lamina.layers.cache.marks import Marks

TTL, NEGATIVE, DOUBT, LAG, WHILE, ERROR = 10.0, 4.0, 5.0, 3.0, 2.0, 6.0
BOUNDS = Bounds(
    ttl=TTL,
    max_entries=4,
    max_bytes=100_000,
    jitter=0.5,
    doubt=DOUBT,
    negative_ttl=NEGATIVE,
    stale_while_revalidate=WHILE,
    stale_if_error=ERROR,
    lag=LAG,
)
PLACES = tuple((scope, key) for scope in ("", "t") for key in ("a", "b"))
SETTINGS = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=500,
    stateful_step_count=50,
    phases=(Phase.generate,),
)
Place = tuple[str, str]
places = st.sampled_from(PLACES)


def tag(scope: str, key: str | None) -> str:
    return f"d\0{scope}\0{'*' if key is None else '=' + key}"


@dataclass
class Cell:
    """What is at one place: the number of its last write, and whether that left something."""

    number: int = 0
    absent: bool = True
    until: float | None = None


@dataclass
class Asked:
    """A question under way: about one place, or about a whole scope (a search)."""

    fill: Fill | None
    scope: str
    key: str | None
    began: int
    shown: dict[Place, int] = field(default_factory=dict)
    absent: bool = False
    until: float | None = None
    is_read: bool = False
    landed: float = 0.0

    @property
    def places(self) -> list[Place]:
        return [one for one in PLACES if one[0] == self.scope and self.key in (None, one[1])]


@dataclass
class Writing:
    """A write under way, or left without an answer."""

    place: Place
    absent: bool
    life: float | None
    applied: bool = False
    left: float | None = None


class CacheMachine(RuleBasedStateMachine):
    """One core, a server, questions, writes; time goes in steps that are drawn."""

    def __init__(self) -> None:
        super().__init__()
        chances = itertools.cycle((0.0, 0.3, 1.0, 0.7))
        self.core = Core(BOUNDS, lambda: next(chances))
        self.points, self.searches = self.core.table("point"), self.core.table("search")
        self.now = 0.0
        self.numbers = itertools.count(1)
        self.cells = {place: Cell() for place in PLACES}
        self.history: dict[Place, list[tuple[float, int]]] = {p: [(-99.0, 0)] for p in PLACES}
        self.floor: dict[Place, int] = defaultdict(int)
        self.due: list[tuple[float, Place, int]] = []
        self.ended: list[Any] = []
        self.asked: list[Asked] = []
        self.writes: list[Writing] = []
        self.kept: dict[int, Asked] = {}
        self.stored = 0

    @rule(place=places, search=st.booleans())
    def ask(self, place: Place, search: bool) -> None:
        scope, key = place[0], None if search else place[1]
        table = self.searches if search else self.points
        tags = (tag(scope, key),)
        marks = self.core.take(tags, self.now)
        fill = None
        if marks is not None:
            clip = self.core.marks.lags.until(tags, self.now) if search else None
            fill = Fill(table, (scope, key), marks, began=self.now, clip=clip)
            self.core.begin(fill)
        self.asked.append(Asked(fill, scope, key, len(self.ended)))

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        self.see(data.draw(st.sampled_from(self.asked)))

    @rule(place=places, search=st.booleans())
    def fill(self, place: Place, search: bool) -> None:
        """Ask and be answered at once."""
        self.ask(place, search)
        self.see(self.asked[-1])
        self.land_answer(self.asked.pop())

    def see(self, one: Asked) -> None:
        one.is_read = True
        if one.key is None:
            one.shown = {place: self.lagging(place) for place in one.places}
            return
        cell = self.cells[one.scope, one.key]
        over = cell.until is not None and cell.until <= self.now
        one.shown = {(one.scope, one.key): cell.number}
        one.absent = cell.absent or over
        one.until = None if one.absent else cell.until

    def lagging(self, place: Place) -> int:
        return [number for when, number in self.history[place] if when <= self.now - LAG][-1]

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), cancel=st.booleans())
    def answer(self, data: st.DataObject, cancel: bool) -> None:
        one = data.draw(st.sampled_from(self.asked))
        self.asked.remove(one)
        one.is_read &= not cancel
        self.land_answer(one)

    def land_answer(self, one: Asked) -> None:
        fill, one.fill = one.fill, None
        if fill is None or not self.core.end(fill) or not one.is_read:
            return
        value = None if one.absent else (one.scope, one.key, len(self.kept))
        counts = fill.table.counts
        before = counts.stored
        self.core.keep(fill, value, one.until, self.now, self.now)
        if counts.stored > before:
            assert not self.wrong(one), "kept although it is wrong already"
            self.stored += 1
            one.landed = self.now
            self.kept[id(fill.table.entries[fill.identity])] = one

    @rule(place=places, absent=st.booleans(), life=st.sampled_from((None, 2.0, 7.0)))
    def write(self, place: Place, absent: bool, life: float | None) -> None:
        self.writes.append(Writing(place, absent, life))

    def is_writing(self) -> bool:
        return any(one.left is None for one in self.writes)

    @precondition(is_writing)
    @rule(data=st.data(), sure=st.sampled_from((True, True, False)))
    def leave(self, data: st.DataObject, sure: bool) -> None:
        """End a write: told that it is done, or not told whether it ever will be."""
        self.end(data.draw(st.sampled_from([e for e in self.writes if e.left is None])), sure)

    @rule(place=places, absent=st.booleans())
    def write_at_once(self, place: Place, absent: bool) -> None:
        self.write(place, absent, None)
        self.end(self.writes[-1], sure=True)

    def end(self, one: Writing, sure: bool) -> None:
        if sure and not one.applied:
            self.apply(one)
        scope, key = one.place
        tags = (tag(scope, key), tag(scope, None))
        self.core.wrote(tags, self.now, sure=sure)
        self.ended.append(lambda place, search: place[0] == scope and (search or place[1] == key))
        one.left = self.now
        if one.applied:
            self.writes.remove(one)
            self.known(one.place)

    @precondition(lambda self: any(not one.applied for one in self.writes))
    @rule(data=st.data())
    def land(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from([each for each in self.writes if not each.applied]))
        self.apply(one)
        if one.left is not None:
            self.writes.remove(one)
            self.known(one.place)

    def apply(self, one: Writing) -> None:
        until = None if one.life is None or one.absent else self.now + one.life
        self.cells[one.place] = Cell(next(self.numbers), one.absent, until)
        self.history[one.place].append((self.now, self.cells[one.place].number))
        one.applied = True

    def known(self, place: Place, *, listed: bool = True) -> None:
        """Let no answer to come be older than what is there; searches have their lag."""
        self.floor[place] = number = self.cells[place].number
        if listed:
            self.due.append((self.now + LAG, place, number))

    @rule(place=places, how=st.sampled_from(("all", "glob", "key", "scope", "tag", "list")))
    def invalidate(self, place: Place, how: str) -> None:
        """Write elsewhere, and tell the cache: only point reads are held to it."""
        self.apply(Writing(place, absent=False, life=None))
        scope, key = place
        core, told = self.core, self.ended.append
        if how == "all":
            core.invalidate()
            told(lambda place, search: True)
        elif how == "glob":
            core.invalidate(f"{key}*")
            told(lambda place, search: search or fnmatch(place[1], f"{key}*"))
        elif how == "key":
            core.invalidate(key=key, scope=scope)
            told(lambda place, search: place[0] == scope and (search or place[1] == key))
        elif how == "scope":
            core.invalidate(scope=scope)
            told(lambda place, search: place[0] == scope)
        elif how == "tag":
            core.invalidate(tag=tag(scope, key))
            told(lambda place, search: not search and place == (scope, key))
        else:
            core.invalidate(tag=tag(scope, None))
            told(lambda place, search: search and place[0] == scope)
        if how != "list":
            self.known(place, listed=False)

    @rule(seconds=st.sampled_from((0.5, 1.0, 2.0, 3.0, 6.0)))
    def wait(self, seconds: float) -> None:
        for one in list(self.writes):  # what was left arrives within the doubt
            if one.left is not None and one.left + DOUBT < self.now + seconds:
                self.apply(one)
                self.writes.remove(one)
                self.known(one.place)
        self.now += seconds

    @rule(place=places)
    def hit(self, place: Place) -> None:
        entry = self.points.entries.get(place)
        if entry is not None:
            entry.used = True

    @rule()
    def sweep(self) -> None:
        for entry in list(self.core.shelf):
            self.core.drop_if_wrong(entry, self.now, self.now)

    def wrong(self, one: Asked) -> bool:
        """Tell by the account alone whether a write or an invalidation meant that answer."""
        search = one.key is None
        place = (one.scope, one.key or "")
        return any(means(place, search) for means in self.ended[one.began :])

    @invariant()
    def gives_only_what_is_true_and_in_time(self) -> None:
        for table in (self.points, self.searches):
            for entry in table.entries.values():
                one = self.kept[id(entry)]
                in_time = self.now < entry.ends and (one.until is None or self.now < one.until)
                given = in_time and self.core.is_true(entry, self.now)
                assert given == (in_time and not self.wrong(one)), f"{one} given: {given}"
                if given:
                    self.check_times(one, entry)
                    self.check_age(one)

    def check_times(self, one: Asked, entry: Any) -> None:
        life = NEGATIVE if one.absent else TTL
        spare = 0.0 if one.absent else max(WHILE, ERROR)
        fresh = self.now < entry.expires
        assert fresh <= (self.now < one.landed + life)
        assert self.now < one.landed + life + spare
        assert not (fresh and self.core.is_stale(entry, self.now))

    def check_age(self, one: Asked) -> None:
        for place, number in one.shown.items():
            if one.key is not None:
                floor = self.floor[place]
            else:
                due = (told for when, about, told in self.due if about == place and when < self.now)
                floor = max(due, default=0)
            assert number >= floor, f"stale: {place} shows {number}, not {floor}"

    @invariant()
    def holds_no_more_than_its_bounds(self) -> None:
        shelf = self.core.shelf
        held = [*self.points.entries.values(), *self.searches.entries.values()]
        assert len(shelf) == len(held) <= BOUNDS.max_entries
        assert shelf.currsize == sum(entry.size for entry in held) <= BOUNDS.max_bytes
        assert self.stored >= len(held) + shelf.evicted

    def teardown(self) -> None:
        """Nothing is remembered of what nobody holds, and of doubts that are over."""
        for one in self.asked:
            if one.fill is not None:
                self.core.end(one.fill)
            one.fill = None
        self.kept.clear()
        while self.core.shelf:
            self.core.shelf.drop(next(iter(self.core.shelf)))
        assert not self.points.fills
        assert not self.searches.fills
        del self.points, self.searches
        self.core.wrote(("last",), self.now + DOUBT + LAG, sure=False)
        assert len(self.core.marks) == 2, "its doubt and its lag"


def test_ca9_ca10_ca12_ca13_core_agrees_with_an_account_of_what_happened() -> None:
    run_state_machine_as_test(CacheMachine, settings=SETTINGS)


@pytest.mark.parametrize(
    ("owner", "name", "instead"),
    [
        (Marks, "end", lambda *_, **__: None),
        (Marks, "doubt", lambda *_: None),
        (Eras, "end", lambda *_: 0),
        (Eras, "meant", lambda *_: False),
        (Eras, "meant", lambda *_: True),
        (Lags, "until", lambda *_: None),
        (Fill, "joinable", lambda _: True),
        (Core, "end", lambda *_: True),
    ],
    ids=["end", "doubt", "era", "unmeant", "all-meant", "lag", "fence", "newest"],
)
def test_a_core_that_is_broken_does_not_agree(
    owner: type, name: str, instead: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, instead)

    with pytest.raises(AssertionError):
        run_state_machine_as_test(CacheMachine, settings=settings(SETTINGS, max_examples=4000))
