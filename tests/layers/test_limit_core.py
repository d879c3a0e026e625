"""Permits: every interleaving over small bounds, and mutants that this check must catch."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from mutants import mutant

from lamina.layers.limit import core

AT_ONCE, QUEUE, MOST = 2, 2, 5


class World:
    """Permits with their users, and a ledger of its own of what must be true."""

    def __init__(self, module: Any) -> None:
        self.permits = module.Permits(AT_ONCE, QUEUE)
        self.at_once = AT_ONCE
        self.running = 0  # who holds a permit that he took
        self.tickets: list[Any] = []  # who waits or was granted, in the order of coming
        self.refused = 0
        self.wrong: list[str] = []

    def actions(self) -> list[tuple[str, int]]:
        found = [("come", 0), ("shrink", 0), ("grow", 0)]
        if self.running:
            found.append(("leave", 0))
        found += [("abandon", place) for place in range(len(self.tickets))]
        found += [("leave", place) for place, one in enumerate(self.tickets, 1) if one.granted]
        return found

    def do(self, action: str, place: int) -> None:
        waiting = [one for one in self.tickets if not one.granted]
        told: list[Any] = []
        if action == "come":
            self.come(waiting)
        elif action == "leave" and place == 0:
            self.running -= 1
            told = self.permits.leave()
        elif action == "leave":
            del self.tickets[place - 1]
            told = self.permits.leave()
        elif action == "abandon":
            told = self.permits.abandon(self.tickets.pop(place))
        else:
            self.at_once = AT_ONCE + (1 if action == "grow" else -1)
            told = self.permits.resize(self.at_once)
        left = [one for one in waiting if one in self.tickets]
        if told != left[: len(told)] or not all(one.granted for one in told):
            self.wrong.append(f"{action} told others than the first in the line")
        self.look(action, told)

    def come(self, waiting: list[Any]) -> None:
        free = self.at_once - self.out()
        taken = self.permits.take()
        if taken != (free > 0 and not waiting):
            self.wrong.append(f"take gave {taken} with {free} free and {len(waiting)} waiting")
        if taken:
            self.running += 1
            return
        ticket = self.permits.join()
        if (ticket is None) != (len(waiting) >= QUEUE):
            self.wrong.append(f"join gave {ticket} with {len(waiting)} waiting")
        if ticket is None:
            self.refused += 1
        else:
            self.tickets.append(ticket)

    def out(self) -> int:
        return self.running + sum(one.granted for one in self.tickets)

    def look(self, action: str, told: list[Any]) -> None:
        waiting = sum(not one.granted for one in self.tickets)
        status = self.permits.status()
        if status != (self.at_once, self.out(), waiting, self.refused):
            self.wrong.append(f"after {action}: {status}, {self.out()} out, {waiting} waiting")
        if told and self.out() > self.at_once:
            self.wrong.append(f"after {action}: {self.out()} of {self.at_once} out")
        if waiting and self.out() < self.at_once:
            self.wrong.append(f"after {action}: {waiting} wait for a free permit")

    def key(self) -> tuple[Any, ...]:
        return self.at_once, self.running, tuple(one.granted for one in self.tickets)


def explore(module: Any) -> tuple[list[str], int]:
    """Walk all that can happen; return what is wrong, and the number of states."""
    first = World(module)
    seen, todo = {first.key()}, [first]
    while todo:
        world = todo.pop()
        for action, place in world.actions():
            after = copy.deepcopy(world)
            after.do(action, place)
            if after.wrong:
                return after.wrong, len(seen)
            if after.key() not in seen and after.out() + len(after.tickets) <= MOST:
                seen.add(after.key())
                todo.append(after)
    return [], len(seen)


def test_bh1_bh3_bh4_no_interleaving_loses_or_doubles_a_permit() -> None:
    wrong, states = explore(core)

    assert wrong == []
    assert 40 < states < 5_000  # walked to the end


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("if self.running < self.at_once:", "if self.running <= self.at_once:"),
        ("if self.running < self.at_once:", "if not self._line:"),
        ("if len(self._line) >= self.queue:", "if len(self._line) > self.queue:"),
        ("self.refused += 1", "pass"),
        ("            return self.leave()\n        self", "            return []\n        self"),
        ("self._line.pop(ticket, None)", "pass"),
        ("popitem(last=False)", "popitem(last=True)"),
        ("while self._line and self.running < self.at_once:", "while self._line:"),
        ("while self._line and self.running < self.at_once:", "if self._line:"),
        ("ticket.granted = True\n            self.running += 1", "ticket.granted = True"),
        ("self.at_once = at_once\n        return self._granted()", "return self._granted()"),
        (
            "self.running -= 1\n        return self._granted()",
            "self.running -= 1\n        return []",
        ),
    ],
)
def test_broken_permits_are_caught(old: str, new: str) -> None:
    wrong, _ = explore(mutant(core, old, new))

    assert wrong
