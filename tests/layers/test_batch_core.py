"""Whatever comes in whatever order: nobody is lost, sent twice, or remembered for nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest
from mutants import mutant

from lamina.layers.batch import core

DEPTH = 6
BOUNDS = (2, 3, 4.0)  # items, bytes, seconds
SIZES = {"A": 1, "B": 2, "C": 3}


class Broken(AssertionError):
    """A promise of the core does not hold."""


def need(what: object, promise: str) -> None:
    if not what:
        raise Broken(promise)


@dataclass
class World:
    """Callers of two groups, and what a model without any cleverness expects."""

    module: Any
    now: float = 0.0
    count: int = 0
    lone: list[Any] = field(default_factory=list[Any])
    sent: list[Any] = field(default_factory=list[Any])
    waits: dict[int, Any] = field(default_factory=dict[int, Any])
    told: list[int] = field(default_factory=list[int])
    shipped: list[int] = field(default_factory=list[int])

    def __post_init__(self) -> None:
        self.groups: Any = self.module.Groups(self.module.Bounds(*BOUNDS))

    def actions(self) -> list[tuple[str, Any]]:
        found: list[tuple[str, Any]] = [("arrive", name) for name in SIZES]
        found += [("arrive late", "A")]
        found += [("due", parcel) for parcel in self.pending()]
        found += [("end lone", at) for at in range(len(self.lone))]
        found += [("end sent", at) for at in range(len(self.sent))]
        found += [("leave", number) for number in self.waits]
        return found

    def pending(self) -> list[str]:
        groups = self.groups.by_options.items()
        return [name for name, group in groups if group.pending is not None]

    def do(self, action: str, what: Any) -> None:
        self.now += 1.0
        getattr(self, action.replace(" ", "_"))(what)
        self.check()

    def arrive(self, name: str, end: float | None = None) -> None:
        groups = self.groups
        group = groups.by_options.get(name)
        if group is None:
            need(not any(p.group.options == name for p in self.waits.values()), "it is alone")
            self.lone.append(groups.alone(name))
            return
        self.count += 1
        number, parcel = self.count, group.pending
        if parcel is not None and not groups.has_room(parcel, SIZES[name]):
            self.send(parcel)
            parcel = None
        if parcel is None:
            parcel = groups.begin(group, self.now)
        is_full = groups.join(parcel, number, name, SIZES[name])
        self.waits[number] = parcel
        if end is not None:
            before = parcel.due
            is_sooner = groups.limit(parcel, number, end, self.now)
            need(is_sooner == (parcel.due < before), "a sooner time is told")
            need(parcel.due <= self.now + (end - self.now) / 2, "half of the time is left")
        need(parcel.due <= self.now + BOUNDS[2], "nobody waits longer than told")
        if is_full:
            self.send(parcel)

    def arrive_late(self, name: str) -> None:
        self.arrive(name, self.now + 2.0)

    def due(self, name: str) -> None:
        self.send(self.groups.by_options[name].pending)

    def send(self, parcel: Any) -> None:
        need(parcel.items, "what is pending is for somebody")
        need(not parcel.sent, "nothing is sent twice")
        self.groups.send(parcel)
        self.sent.append(parcel)
        self.shipped.append(len(parcel.items))
        need(len(parcel.items) <= BOUNDS[0], "no more items than allowed")
        size = sum(SIZES[op] for op in parcel.items.values())
        need(size <= BOUNDS[1] or len(parcel.items) == 1, "no more content than allowed")
        need({*parcel.items.values()} == {parcel.group.options}, "groups are sent apart")
        limits = [*parcel.ends.values()]
        all_limited = len(limits) == len(parcel.items)
        need(parcel.latest() == (max(limits) if all_limited else None), "until the latest")

    def end_lone(self, at: int) -> None:
        self.groups.end(self.lone.pop(at))

    def end_sent(self, at: int) -> None:
        parcel = self.sent.pop(at)
        parcel.ended = True
        for number in parcel.items:
            if self.waits.pop(number, None) is not None:
                self.told.append(number)
        self.groups.end(parcel.group)

    def leave(self, number: int) -> None:
        parcel = self.waits.pop(number)
        others = [n for n, one in self.waits.items() if one is parcel]
        need(self.groups.leave(parcel, number) == (not others), "the last one is known")

    def check(self) -> None:
        busy: dict[str, int] = {}
        for group in [*self.lone, *(parcel.group for parcel in self.sent)]:
            busy[group.options] = busy.get(group.options, 0) + 1
        for number, parcel in self.waits.items():
            need(number in parcel.items, "who waits is in a parcel")
            need({*parcel.ends} <= {*self.waits}, "nobody who left has a limit")
            place = self.groups.by_options[parcel.group.options]
            need(parcel.sent or place.pending is parcel, "what is not sent is pending")
        for name, group in self.groups.by_options.items():
            need(group.running == busy.get(name, 0), "what is under way is counted")
            need(group.running or group.pending, "what is over leaves nothing")
            if group.pending is not None:
                need(len(group.pending.items) < BOUNDS[0], "what is full does not wait")
                need(group.pending.size < BOUNDS[1], "what is large does not wait")
                need({*group.pending.items} <= {*self.waits}, "who left is not sent")
        need(busy.keys() <= self.groups.by_options.keys(), "what is under way is known")
        counted = self.groups.batches, self.groups.items, self.groups.largest
        shipped = self.shipped
        told = len(shipped), sum(shipped), max(shipped, default=0)
        need(counted == told, "what was sent is counted")
        need(len(self.told) == len({*self.told}), "nobody is told twice")


def explored(module: ModuleType) -> int:
    """Try all sequences of actions; return how many there were."""
    ways: list[list[int]] = [[]]
    tried = 0
    while ways:
        way = ways.pop()
        world = World(module)
        for choice in way:
            world.do(*world.actions()[choice])
        tried += 1
        if len(way) < DEPTH:
            ways += [[*way, choice] for choice in range(len(world.actions()))]
    return tried


def test_all_short_histories_keep_the_promises() -> None:
    assert explored(core) > 10_000


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("len(parcel.items) >= self.bounds.items", "False", id="never full"),
        pytest.param("parcel.size + size <= self.bounds.size", "True", id="always room"),
        pytest.param("        parcel.size += size\n", "", id="sizes not added"),
        pytest.param("due = now + (end - now) / 2", "due = end", id="sent at the deadline"),
        pytest.param("        del parcel.items[waiter]\n", "", id="who left is sent"),
        pytest.param("return not (parcel.waiting or parcel.ended)", "return False", id="no last"),
        pytest.param("            parcel.waiting -= 1\n", "", id="leaving not counted"),
        pytest.param("        group.running += 1\n", "", id="sending not counted"),
        pytest.param("        group.running -= 1\n", "", id="ends not counted"),
        pytest.param("del self.by_options[group.options]", "pass", id="groups stay"),
        pytest.param("if not group.running and", "if", id="groups forgotten too soon"),
        pytest.param(
            "max(self.ends.values()) if len(self.ends) == len(self.items) else None",
            "max(self.ends.values(), default=None)",
            id="limits of one are for all",
        ),
        pytest.param("max(self.ends.values())", "min(self.ends.values())", id="until the first"),
        pytest.param(
            "            group.pending = None\n        group.running += 1",
            "            pass\n        group.running += 1",
            id="sent stays pending",
        ),
    ],
)
def test_a_broken_core_is_noticed(old: str, new: str) -> None:
    with pytest.raises((Broken, KeyError)):
        explored(mutant(core, old, new))
