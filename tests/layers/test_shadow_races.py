"""Races: every interleaving of two reads and two writes, and mutants that this must catch."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from mutants import mutant

from lamina.layers.shadow import core

TAGS = [("a",), ("a", "*"), ("b", "*")]
READS = [("a",), ("*",), ("b", "b")]


class World:
    """What is watched, and a ledger of its own of what must be true."""

    def __init__(self, module: Any) -> None:
        self.races = module.Races()
        self.reads: list[tuple[Any, int]] = []  # the watch, its tags
        self.writes: list[int] = []
        self.overlapped: list[bool] = []
        self.wrong: list[str] = []

    def actions(self) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        if len(self.reads) < 2:
            found += [("watch", at) for at in range(len(READS))]
        if len(self.writes) < 2:
            found += [("begin", at) for at in range(len(TAGS))]
        found += [("forget", at) for at in range(len(self.reads))]
        return found + [("end", at) for at in range(len(self.writes))]

    def do(self, action: str, at: int) -> None:
        if action == "watch":
            self.overlapped.append(any(set(READS[at]) & set(TAGS[w]) for w in self.writes))
            self.reads.append((self.races.watch(iter(READS[at])), at))
        elif action == "forget":
            self.races.forget(self.reads.pop(at)[0])
            del self.overlapped[at]
        elif action == "begin":
            self.races.begin(TAGS[at])
            self.writes.append(at)
            for place, (_, read) in enumerate(self.reads):
                self.overlapped[place] |= bool(set(READS[read]) & set(TAGS[at]))
        else:
            self.races.end(TAGS[self.writes.pop(at)])
        self.look()

    def look(self) -> None:
        if [watch.racy for watch, _ in self.reads] != self.overlapped:
            self.wrong.append("racy is not what overlaps")
        if not self.reads and not self.writes and len(self.races):
            self.wrong.append("something is kept")

    def state(self) -> tuple[Any, ...]:
        read = tuple((at, watch.racy) for watch, at in self.reads)
        return read, tuple(self.writes), len(self.races), tuple(self.overlapped)


def violations(module: Any) -> list[str]:
    """Walk through every state up to eight steps deep."""
    seen: set[Any] = set()
    todo: deque[list[tuple[str, int]]] = deque([[]])
    while todo:
        path = todo.popleft()
        world = World(module)
        try:
            for action, at in path:
                world.do(action, at)
        except Exception as error:
            return [f"{path}: {error!r}"]
        if world.wrong:
            return [f"{path}: {world.wrong[0]}"]
        if world.state() in seen or len(path) == 8:
            continue
        seen.add(world.state())
        todo.extend([*path, step] for step in world.actions())
    assert len(seen) > 100
    return []


def test_a_read_is_racy_exactly_when_a_write_of_it_overlaps() -> None:
    assert violations(core) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("racy=any(tag in self._writing for tag in told)", "racy=False"),
        ("watch.racy = True", "pass"),
        ("self._writing[tag] += 1", "self._writing[tag] = 1"),
        ("if not self._writing[tag]:", "if True:"),
        ("                del self._writing[tag]", "                pass"),
        ("            if not watches:", "            if False:"),
        ("watches.discard(watch)", "watches.clear()"),
        ("self._watches.get(tag, set())", "self._watches[tag]"),
        ("            self._writing[tag] -= 1", "            self._writing[tag] = 0"),
        ("self._watches.setdefault(tag, set()).add(made)", "self._watches[tag] = {made}"),
    ],
)
def test_a_mutant_is_caught(old: str, new: str) -> None:
    assert violations(mutant(core, old, new))
