"""The circuit: every interleaving over small bounds, and mutants that this check must catch."""

from __future__ import annotations

import copy
from collections import deque
from typing import Any

import pytest
from mutants import mutant

from lamina.layers.breaker import core, window

LEASE = 3
BREAK = 2
CAP = 4
PROBES = 2
MIN = 2
FLIGHT = 4


class World:
    """A circuit with calls in flight, and a ledger of its own of what must be true."""

    def __init__(self, module: Any) -> None:
        self.verdicts = module.Verdict
        self.now = 0
        self.wrong: list[str] = []
        settings = module.Settings(
            failure_rate=0.5,
            window=4,
            buckets=2,
            min_calls=MIN,
            slow=None,
            slow_rate=1.0,
            break_for=BREAK,
            break_cap=CAP,
            jitter=0.0,
            probes=PROBES,
            probes_at_once=1,
            lease=LEASE,
        )
        self.path: list[str] = ["closed"]
        self.circuit = module.Circuit(settings, _half, self.moved)
        self.calls: list[tuple[Any, str, int, int]] = []  # permit, state, era, begun
        self.told: list[bool] = []  # verdicts of this half-open time
        self.opened_at = 0
        self.lasts = BREAK

    def moved(self, before: Any, after: Any) -> None:
        if self.path[-1] != before.value:
            self.wrong.append(f"told {before.value} after {self.path[-1]}")
        self.path = [*self.path[-1:], after.value]
        legal = {"closed>open", "open>half-open", "half-open>open", "half-open>closed"}
        if f"{before.value}>{after.value}" not in legal:
            self.wrong.append(f"went {before.value}>{after.value}")
        if after.value == "half-open":
            self.told = []
        if after.value == "open":
            self.lasts = BREAK if before.value == "closed" else min(self.lasts * 2, CAP)
            self.opened_at = self.now

    @property
    def state(self) -> str:
        return str(self.circuit.state.value)

    def actions(self) -> list[tuple[str, int]]:
        found = [("admit", 0), ("advance", 0)]
        for place in range(len(self.calls)):
            found += [(end, place) for end in ("ok", "fail", "cancel")]
        return found

    def do(self, action: str, place: int) -> None:
        if action == "advance":
            self.now += 1
        elif action == "admit":
            self.admit()
        else:
            self.end(action, place)
        self.look()

    def admit(self) -> None:
        before, due = self.state, self.opened_at + self.lasts
        # Probes out whose lease still runs, by our own account.
        out = [c for c in self.calls if c[1] == "half-open" and c[2] == self.circuit.era]
        out = [c for c in out if self.now < c[3] + LEASE]
        permit = self.circuit.admit(self.now)
        if before == "closed" and permit is None:
            self.wrong.append("closed, but refused")
        if before == "open":
            if (permit is not None) != (self.now >= due):
                self.wrong.append(f"at {self.now} with a break until {due}: {permit}")
            if permit is None and self.circuit.retry_after(self.now) != due - self.now:
                self.wrong.append("tells a wrong wait")
        if before == "half-open":
            room = not out and len(self.told) < PROBES
            if (permit is not None) != room:
                self.wrong.append(f"half-open with {len(out)} out: {permit}")
        if permit is not None and len(self.calls) < FLIGHT:
            self.calls.append((permit, self.state, self.circuit.era, self.now))
        elif permit is not None:  # no more in flight here: hand it back at once
            self.circuit.settle(permit, self.verdicts.NONE, self.now)

    def end(self, action: str, place: int) -> None:
        permit, _, era, _ = self.calls.pop(place)
        stale = era != self.circuit.era
        before = self.snapshot()
        told = self.verdicts
        kind = {"ok": told.SUCCESS, "fail": told.FAILURE, "cancel": told.NONE}[action]
        was = self.state
        if was == "half-open" and not stale and action != "cancel":
            self.told.append(action == "fail")
        if action == "ok" and was == "closed":
            self.circuit.succeed(permit, self.now)
        else:
            self.circuit.settle(permit, kind, self.now)
        if stale and self.snapshot() != before:
            self.wrong.append(f"a stale {action} changed {before} to {self.snapshot()}")
        if action == "cancel" and self.state != was:
            self.wrong.append(f"a cancellation moved {was} to {self.state}")
        if was == "half-open" and not stale:
            self.judge_probes()

    def judge_probes(self) -> None:
        bad = sum(self.told) / PROBES >= 0.5
        expect = "open" if bad else "closed" if len(self.told) >= PROBES else "half-open"
        if self.state != expect:
            self.wrong.append(f"probes told {self.told}: {self.state}")

    def look(self) -> None:
        counted = self.circuit.window
        if not 0 <= counted.failures <= counted.calls:
            self.wrong.append(f"{counted.failures} failures of {counted.calls} calls")
        bad = counted.calls >= MIN and counted.failures / counted.calls >= 0.5
        if self.state == "closed" and bad:
            self.wrong.append(f"closed at {counted.failures} of {counted.calls}")
        later = self.branch().circuit  # nothing may wedge it: all hang, time goes by
        later._changed = _ignore
        if later.admit(self.now + LEASE + CAP + 1) is None:
            self.wrong.append(f"wedged in {self.state}")

    def branch(self) -> World:
        """Return a copy that shares nothing that changes."""
        made = copy.copy(self)
        permits: dict[int, Any] = {}

        def permit(old: Any) -> Any:
            return None if old is None else permits.setdefault(id(old), copy.copy(old))

        made.wrong, made.path, made.told = [*self.wrong], [*self.path], [*self.told]
        made.calls = [(permit(call[0]), *call[1:]) for call in self.calls]
        made.circuit = circuit = copy.copy(self.circuit)
        circuit._changed = made.moved
        circuit.free = permit(circuit.free)
        circuit._out = [permit(one) for one in circuit._out]
        circuit.window = copy.copy(circuit.window)
        circuit.window._past = circuit.window._past.copy()
        return made

    def snapshot(self) -> tuple[Any, ...]:
        c = self.circuit
        out = tuple(p.ends - self.now for p in c._out if p.ends > self.now)
        w = c.window
        left = max(c._reopens - self.now, 0)
        return (
            *(c.state.value, w.calls, w.failures, tuple(w._past), c._break, left, out),
            *(c._told, c._failed, max(w.ends - self.now, 0)),
        )

    def key(self) -> tuple[Any, ...]:
        """Return all that the future depends on; the window counts only while closed."""
        c, w = self.circuit, self.circuit.window
        counted = (w.calls, w.failures, tuple(w._past), max(w.ends - self.now, 0))
        calls = tuple(
            sorted(
                (s, age if (mine := e == c.era) and s == "half-open" else 0, mine)
                for p, s, e, begun in self.calls
                for age in [min(self.now - begun, LEASE)]
            )
        )
        due = max(self.opened_at + self.lasts - self.now, 0) if self.state == "open" else 0
        return (
            *(self.state, calls, self.now % 2, self.lasts, due, tuple(self.told)),
            *(counted if self.state == "closed" else (), c._break, c._told, c._failed),
            tuple(one.ends - self.now for one in c._out if one.ends > self.now),
        )


def _half() -> float:
    return 0.5


def _ignore(before: Any, after: Any) -> None:
    del before, after


def explore(module: Any, *, most: int = 60_000) -> tuple[list[str], int]:
    """Walk all that can happen; return the first thing wrong and how many states there are."""
    first = World(module)
    seen = {first.key()}
    todo = deque([first])
    while todo and len(seen) < most:
        world = todo.popleft()
        for action in world.actions():
            after = world.branch()
            after.do(*action)
            if after.wrong:
                return after.wrong, len(seen)
            if after.circuit.window.calls <= MIN + 1 and after.key() not in seen:
                seen.add(after.key())
                todo.append(after)
    return [], len(seen)


def test_no_interleaving_breaks_the_circuit() -> None:
    wrong, states = explore(core)

    assert wrong == []
    assert 500 < states < 60_000  # walked to the end


@pytest.mark.parametrize(
    ("item", "old", "new"),
    [
        ("cb4", "if permit.era != self.era or not permit.live:", "if not permit.live:"),
        ("cb5", "if self._has_room():", "if True:"),
        ("cb5", "elif self._told >= probes:", "elif self._told >= 1:"),
        ("cb5", "if self._is_bad(self._failed / probes, self._slow / probes):", "if False:"),
        ("cb6", "self._out.remove(permit)", "pass"),
        ("cb6", "if verdict is Verdict.NONE:\n            return", ""),
        ("cb7", "probe for probe in self._out if now < probe.ends", "probe for probe in self._out"),
        ("cb8", "return max(self._reopens - now, 0.0)", "return 1.5"),
        ("cb10", "now >= self._reopens", "now > self._reopens"),
        ("break", "min(self._break * 2, self.settings.break_cap)", "self._break * 2"),
        ("break", "            self._break = self.settings.break_for\n", ""),
        ("cb2", "if window.failures or window.slow:", "if False:"),
        ("era", "self.era += 1", "pass"),
    ],
)
def test_a_broken_circuit_is_caught(item: str, old: str, new: str) -> None:
    wrong, _ = explore(mutant(core, old, new))

    assert wrong, item


@pytest.mark.parametrize("buckets", [1, 2, 3, 10])
def test_cb3_the_window_counts_exactly_what_its_buckets_hold(buckets: int) -> None:
    """Against a list of all calls: those whose bucket is among the last *buckets*."""
    import random

    rng = random.Random(buckets)
    counted = window.Window(buckets * 1.0, buckets)
    calls: list[tuple[int, bool]] = []
    now = 0.0
    for _ in range(2000):
        now += rng.choice([0.0, 0.1, 0.5, 1.0, 1.7, 5.0, 40.0])
        failed = rng.random() < 0.3
        counted.add(now, failed=failed)
        calls.append((int(now), failed))
        kept = [was for at, was in calls if at > int(now) - buckets]
        assert (counted.calls, counted.failures) == (len(kept), sum(kept))
