"""The pure core, in every state that two clients and two keys can bring about."""

from __future__ import annotations

import gc
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import pytest

from lamina.layers.cache.bounds import Bounds
from lamina.layers.cache.core import Core, Fill
from lamina.layers.cache.eras import globbed
from lamina.layers.cache.marks import Marks
from lamina.values import Stamped

if TYPE_CHECKING:
    from collections.abc import Iterator

BOUNDS = Bounds(
    ttl=100.0, max_entries=10, max_bytes=1_000_000, jitter=0.0, doubt=5.0, negative_ttl=1.0
)
KEYS = ("a", "b")
Action = tuple[Any, ...]


@dataclass
class World:
    """A server, a cache, two readers and one write at a time; time goes in steps of a doubt."""

    core: Core = field(default_factory=lambda: Core(BOUNDS, lambda: 0.0))
    now: float = 0.0
    server: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KEYS, 1))
    floor: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KEYS, 0))
    fills: dict[int, tuple[Fill | None, str, int | None]] = field(default_factory=dict)
    writing: tuple[str, bool] | None = None
    late: str | None = None

    def actions(self) -> Iterator[Action]:
        for client in (0, 1):
            if client not in self.fills:
                yield from (("begin", client, key) for key in KEYS)
            elif self.fills[client][2] is None:
                yield from (("read", client), ("cancel", client))
            else:
                yield ("end", client)
        if self.writing is None:
            yield from (("write", key) for key in KEYS if self.server[key] < 3)
        else:
            yield from (("ack",) if self.writing[1] else ("apply",), ("abandon",))
        if self.late is not None:
            yield ("land",)
        else:
            yield ("wait",)
        yield from (("invalidate", pattern) for pattern in ("a", None))

    def do(self, action: Action) -> None:
        getattr(self, action[0])(*action[1:])

    def begin(self, client: int, key: str) -> None:
        marks = self.core.take((key, "*"), self.now)
        fill = None if marks is None else Fill(self.core.table(object), key, marks)
        if fill is not None:
            self.core.begin(fill)
        self.fills[client] = (fill, key, None)

    def read(self, client: int) -> None:
        fill, key, _ = self.fills[client]
        self.fills[client] = (fill, key, self.server[key])

    def cancel(self, client: int) -> None:
        fill, _, _ = self.fills.pop(client)
        if fill is not None:
            self.core.end(fill)

    def end(self, client: int) -> None:
        fill, _, value = self.fills.pop(client)
        if fill is not None and self.core.end(fill):
            self.core.keep(fill, value, None, self.now, self.now)

    def write(self, key: str) -> None:
        self.writing = (key, False)

    def apply(self) -> None:
        assert self.writing is not None
        key = self.writing[0]
        self.server[key] += 1
        self.writing = (key, True)

    def ack(self) -> None:
        self._left(sure=True)

    def abandon(self) -> None:
        assert self.writing is not None
        key, applied = self.writing
        self._left(sure=False)
        if not applied and self.late is None:
            self.late = key

    def _left(self, *, sure: bool) -> None:
        assert self.writing is not None
        key, applied = self.writing
        self.core.wrote((key,), self.now, sure=sure)
        if applied:
            self.floor[key] = self.server[key]
        self.writing = None

    def land(self) -> None:
        assert self.late is not None
        self.server[self.late] += 1
        self.floor[self.late] = self.server[self.late]
        self.late = None

    def wait(self) -> None:
        self.now += BOUNDS.doubt

    def invalidate(self, pattern: str | None) -> None:
        self.core.invalidate(pattern)

    def held(self) -> dict[str, int]:
        return {
            key: entry.value
            for key, entry in self.core.table(object).entries.items()
            if self.core.is_true(entry, self.now) and self.now < entry.expires
        }

    def stale(self) -> bool:
        return any(value < self.floor[key] for key, value in self.held().items())

    def state(self) -> object:
        newest = self.core.table(object).fills
        fills = tuple(
            (client, key, value, fill is not None and (fill.joinable(), newest.get(key) is fill))
            for client, (fill, key, value) in sorted(self.fills.items())
        )
        doubts = tuple(self.core.marks.is_doubtful((key,), self.now) for key in KEYS)
        held = tuple(sorted(self.held().items()))
        gone = self.now > 15  # nothing but the time to live happens later
        known = (tuple(self.server.values()), tuple(self.floor.values()))
        return known, fills, doubts, held, self.writing, self.late, gone


def explored(depth: int, most: int) -> tuple[int, list[list[Action]]]:
    """Visit every state within *depth* actions; return how many, and the ways to stale ones."""
    seen, found = {World().state()}, []
    front: list[list[Action]] = [[]]
    for _ in range(depth):
        reached: list[list[Action]] = []
        for path in front:
            for action in list(replayed(path).actions()):
                world = replayed([*path, action])
                if world.stale():
                    found.append([*path, action])
                elif (state := world.state()) not in seen and len(seen) < most:
                    seen.add(state)
                    reached.append([*path, action])
        front = reached
    return len(seen), found


def replayed(path: list[Action]) -> World:
    world = World()
    for action in path:
        world.do(action)
    return world


@pytest.mark.slow
def test_no_state_holds_a_stale_answer() -> None:
    states, found = explored(depth=8, most=6_000)

    assert states > 3_000
    assert found == []


@pytest.mark.parametrize("broken", ["end", "doubt"])
def test_model_finds_what_is_broken(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Marks, broken, lambda *_: None)

    assert explored(depth=7, most=1_500)[1]


def test_an_older_fill_is_not_kept() -> None:
    core = Core(BOUNDS, lambda: 0.0)
    table = core.table("op")
    marks = core.marks.take(("t",), 0.0) or ()
    older, newer = Fill(table, "k", marks), Fill(table, "k", marks)
    core.begin(older)
    core.begin(newer)

    assert core.end(newer)
    assert not core.end(older)


def test_answer_asked_before_a_write_ended_is_not_kept() -> None:
    core = Core(BOUNDS, lambda: 0.0)
    table = core.table("op")
    fill = Fill(table, "k", core.take(("t",), 0.0) or ())

    core.wrote(("t",), 0.0, sure=True)
    core.keep(fill, b"v", None, now=0.0, wall=0.0)

    assert table.counts.stored == 0


def test_expired_value_is_not_kept() -> None:
    core = Core(BOUNDS, lambda: 0.0)
    fill = Fill(core.table("op"), "k", ())

    core.keep(fill, b"v", 50.0, now=1.0, wall=50.0)
    assert len(core.shelf) == 0
    core.keep(fill, b"v", 50.1, now=1.0, wall=50.0)
    assert len(core.shelf) == 1


def test_absent_has_its_own_time_even_when_stamped() -> None:
    core = Core(BOUNDS, lambda: 0.0)
    table = core.table("op")
    for name, answer in (("none", None), ("stamped", Stamped(None)), ("empty", b"")):
        core.keep(Fill(table, name, ()), answer, None, now=0.0, wall=0.0)

    ends = {name: entry.expires for name, entry in table.entries.items()}
    assert ends == {"none": 1.0, "stamped": 1.0, "empty": 100.0}


def test_marks_are_forgotten_with_those_who_hold_them() -> None:
    marks = Marks()
    held = marks.take(("a", "b"), 0.0)
    assert len(marks) == 2

    del held
    gc.collect()

    assert len(marks) == 0


TAGS = ("v\0\0=space\0one", "v\0\0=space\0two", "k\0s\0=one", "k\0s\0*", "k\0s\0==x")


@pytest.mark.parametrize(
    ("meant", "told"),
    [
        ({"pattern": "o*"}, [True, False, True, True, False]),
        ({"key": "two"}, [False, True, False, True, False]),
        ({"key": "o*"}, [False, False, False, True, False]),
        ({"scope": "s"}, [False, False, True, True, True]),
        ({"scope": ""}, [True, True, False, False, False]),
        ({"pattern": "*", "scope": "s"}, [False, False, True, True, True]),
        ({"tag": TAGS[4]}, [False, False, False, False, True]),
        ({}, [True, True, True, True, True]),
    ],
    ids=["pattern", "key", "no glob", "tenant", "no tenant", "both", "tag", "all"],
)
def test_ca12_an_invalidation_ends_what_it_means(meant: dict[str, str], told: list[bool]) -> None:
    core = Core(BOUNDS, lambda: 0.0)
    fills = [Fill(core.table("op"), tag, core.take((tag,), 0.0) or ()) for tag in TAGS]

    core.invalidate(**meant)

    assert [not fill.joinable() for fill in fills] == told


@pytest.mark.parametrize("pattern", ["", "*", "a*", "a.*", "[a]*", "?*", "a**", "a*b", "[*", "\n*"])
def test_a_glob_means_what_fnmatch_says(pattern: str) -> None:
    names = ("", "a", "ab", "a.b", "A", "b", "a\nb", "*", "[", "[a]b", "\n")
    matches = globbed(pattern)
    assert [bool(matches(name)) for name in names] == [fnmatchcase(name, pattern) for name in names]


def test_more_invalidations_than_are_remembered_end_what_is_older() -> None:
    core = Core(BOUNDS, lambda: 0.0)
    old = Fill(core.table("op"), "k", core.take(("k\0\0=a",), 0.0) or ())
    core.invalidate("x")
    kept = Fill(core.table("op"), "k", core.take(("k\0\0=a",), 0.0) or ())

    for _ in range(64):
        core.invalidate("x")

    assert not old.joinable()
    assert kept.joinable()
