"""The legs of a call: every interleaving over small bounds; delays and load; mutants of each."""

from __future__ import annotations

import copy
import random
from collections import deque
from itertools import combinations, product
from typing import Any

import pytest
from mutants import mutant

from lamina.layers.hedge import core, verdict
from lamina.layers.hedge.verdict import Verdict

HEDGES = 2


class World:
    """The legs of one call, and a ledger of its own of what must be true."""

    def __init__(self, module: Any) -> None:
        self.legs = module.Legs(HEDGES)
        self.wrong: list[str] = []
        self.out: set[int] = set()
        self.sent = 0
        self.stopped = False
        self.expected: int | None = None
        self.send()

    def actions(self) -> list[tuple[str, Any]]:
        if self.legs.chosen is not None:
            return []
        found: list[tuple[str, Any]] = []
        if self.legs.left > 0:
            found += [("send", None), ("deny", None)]
        if not self.legs.hurry:
            out = sorted(self.out)
            for size in (1, 2):
                for legs in combinations(out, size):
                    for told in product(Verdict, repeat=size):
                        found.append(("end", dict(zip(legs, told, strict=True))))
            found.append(("give up", None))
        return found

    def do(self, action: str, ended: Any) -> None:
        if action == "send":
            self.send()
        elif action == "deny":
            self.legs.deny()
            self.stopped = True
            self.fail_if_none_is_out()
        elif action == "give up":
            self.legs.give_up()
            self.expected = 0
        else:
            self.end(ended)
        self.look()

    def send(self) -> None:
        if self.stopped:
            self.wrong.append("sent a hedge after it was told to send none")
        number = self.legs.send()
        if number != self.sent:
            self.wrong.append(f"leg {self.sent} has number {number}")
        self.out.add(number)
        self.sent += 1
        if self.legs.hurry:
            self.wrong.append("two hedges for one failure")

    def end(self, ended: dict[int, Verdict]) -> None:
        self.legs.end(ended)
        self.out -= set(ended)
        for deciding in (Verdict.ANSWERED, Verdict.FATAL):
            deciders = [leg for leg, told in sorted(ended.items()) if told is deciding]
            if deciders:
                self.expected = deciders[0]
                return
        if Verdict.REFUSED in ended.values():
            self.stopped = True
        more = not self.stopped and self.sent <= HEDGES
        if self.legs.hurry != (more and Verdict.FAILED in ended.values()):
            self.wrong.append(f"hurry is {self.legs.hurry}")
        if not self.legs.hurry:
            self.fail_if_none_is_out()

    def fail_if_none_is_out(self) -> None:
        if not self.out:
            self.expected = 0

    def look(self) -> None:
        if self.legs.chosen != self.expected:
            self.wrong.append(f"chose {self.legs.chosen}, not {self.expected}")
        if self.legs.out != self.out:
            self.wrong.append(f"{self.legs.out} are out, not {self.out}")
        if self.sent > 1 + HEDGES:
            self.wrong.append("too many legs")

    def key(self) -> tuple[Any, ...]:
        legs = self.legs
        return (legs.left, frozenset(legs.out), legs.sent, legs.hurry, legs.chosen, self.stopped)


def explored(module: Any) -> tuple[int, list[str]]:
    first = World(module)
    seen = {first.key()}
    todo = deque([first])
    while todo:
        world = todo.popleft()
        for action, ended in world.actions():
            after = copy.deepcopy(world)
            after.do(action, ended)
            if after.wrong:
                return len(seen), after.wrong
            if after.key() not in seen:
                seen.add(after.key())
                todo.append(after)
    return len(seen), []


def test_hg2_hg3_hg7_every_interleaving_of_legs_ends_as_it_should() -> None:
    states, wrong = explored(core)

    assert not wrong
    assert states > 20


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("        if number:\n            self.left -= 1", "        self.left -= 1"),
        ("            self.left -= 1\n", "            pass\n"),
        ("self.out -= ended.keys()", "pass"),
        ("self.out.add(number)", "pass"),
        ("(Verdict.ANSWERED, Verdict.FATAL)", "(Verdict.FATAL, Verdict.ANSWERED)"),
        ("(Verdict.ANSWERED, Verdict.FATAL)", "(Verdict.ANSWERED,)"),
        ("self.chosen = min(", "self.chosen = max("),
        ("        if Verdict.REFUSED in verdicts:\n            self.left = 0\n", ""),
        ("Verdict.FAILED in verdicts and self.left > 0", "Verdict.FAILED in verdicts"),
        ("Verdict.FAILED in verdicts and self.left > 0", "False"),
        (
            "        self.out.add(number)\n        self.hurry = False",
            "        self.out.add(number)",
        ),
        ("if not self.out and not self.hurry:", "if not self.out:"),
        ("if not self.out and not self.hurry:", "if not self.hurry:"),
        ("            self.chosen = 0\n", "            self.chosen = self.sent - 1\n"),
    ],
)
def test_broken_legs_are_caught(old: str, new: str) -> None:
    _, wrong = explored(mutant(core, old, new))

    assert wrong


def learned(module: Any = core, quantile: float = 0.95, min_samples: int = 100) -> Any:
    return module.Delays(quantile, min_samples)


def filled(module: Any, seconds: list[float], *, quantile: float = 0.95) -> Any:
    delays = learned(module, quantile, min_samples=1)
    for one in seconds:
        delays.record(one)
    return delays


def test_hg5_no_delay_is_known_before_there_are_enough_samples() -> None:
    delays = learned()
    for _ in range(99):
        delays.record(0.01)
    assert delays.delay() is None
    assert delays.median() == 0.0

    delays.record(0.01)

    assert delays.delay() == pytest.approx(0.01, rel=0.05)
    assert delays.median() == pytest.approx(0.01, rel=0.05)


def is_near_the_quantile(module: Any) -> bool:
    """Compare with the sorted samples: never less, and at most 5 % more."""
    rng = random.Random(7)
    for quantile in (0.5, 0.9, 0.95, 0.99):
        samples = [rng.lognormvariate(-4, 1) for _ in range(900)]
        exact = sorted(samples)[max(1, -int(-quantile * 900 // 1)) - 1]
        found = filled(module, samples, quantile=quantile).delay()
        if not exact * 0.999 <= found <= exact * 1.051:
            return False
    return True


def follows_change(module: Any) -> bool:
    """Two thousand calls later nothing is left of what was."""
    slower = filled(module, [0.01] * 5000 + [1.0] * 101)
    quicker = filled(module, [1.0] * 5000 + [0.01] * 2000)
    return slower.delay() > 0.9 and quicker.delay() < 0.011


def remembers_over_a_turn(module: Any) -> bool:
    delays = filled(module, [1.0] * 1000 + [0.01])
    return delays.delay() > 0.9 and delays.median() > 0.9


def takes_no_part_of_a_longer_time(module: Any) -> bool:
    """What was cut short before the quantile tells nothing, what was cut after it does."""
    delays = filled(module, [0.1] * 200)
    for _ in range(5000):
        delays.record_at_least(0.001)
    kept = delays.delay() > 0.09
    for _ in range(50):
        delays.record_at_least(0.5)
    return kept and delays.delay() > 0.4


def counts_instants(module: Any) -> bool:
    delays = filled(module, [1.0] * 10)
    delays.instant += 10**9
    return delays.delay() < 0.001 and delays.median() < 0.001 and delays.instant == 0


def outlives_any_number(module: Any) -> bool:
    delays = learned(module, 0.5, 1)
    for seconds in (-1.0, 0.0, 5e-324, 1e-4, 1e300):
        delays.record(seconds)
    return delays.delay() == pytest.approx(1e-4)


CHECKS = [
    is_near_the_quantile,
    follows_change,
    remembers_over_a_turn,
    takes_no_part_of_a_longer_time,
    counts_instants,
    outlives_any_number,
]


@pytest.mark.parametrize("check", CHECKS)
def test_hg5_the_quantile_is_right(check: Any) -> None:
    assert check(core)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("self._old, self._recent = self._recent, [0]", "self._recent = [0]"),
        ("self._old, self._recent = self._recent, [0]", "self._recent, _ = self._recent, [0]"),
        ("if delay is None or seconds >= delay:", "if True:"),
        ("if delay is None or seconds >= delay:", "if delay is None:"),
        ("min(self.instant, self._kept)", "0"),
        ("            self.instant = 0\n", ""),
        ("max(1, math.ceil(quantile * sums[-1]))", "math.ceil((1 - quantile) * sums[-1])"),
        ("_LEAST * math.exp(_STEP * bucket)", "_LEAST * math.exp(_STEP * (bucket - 1))"),
        ("_LEAST * math.exp(_STEP * bucket)", "_LEAST * math.exp(_STEP * (bucket + 1))"),
        ("    if seconds <= _LEAST:\n        return 0\n", ""),
        ("/ _STEP), BUCKETS - 1)", "/ _STEP), 9 * BUCKETS)"),
        ("self._new < self._known[0]", "True"),
    ],
)
def test_a_broken_quantile_is_caught(old: str, new: str) -> None:
    broken = mutant(core, old, new)

    assert not all(passes(check, broken) for check in CHECKS)


def passes(check: Any, module: Any) -> bool:
    try:
        return bool(check(module))
    except (IndexError, TypeError, ValueError):
        return False


def test_delays_keep_the_same_memory_whatever_comes() -> None:
    delays = filled(core, [0.001 * n for n in range(5000)])

    assert len(delays._old) == len(delays._recent) == core.BUCKETS
    assert sum(delays._old) + sum(delays._recent) <= 2 * core.KEPT


def is_capped(module: Any) -> bool:
    """At any moment: no more hedges than the reserve and the part of all calls."""
    for seed in range(50):
        rng = random.Random(seed)
        load = module.Load(0.02)
        calls = hedges = 0
        for _ in range(2000):
            load.calls += 1
            calls += 1
            if rng.random() < 0.5:
                told = load.earn()
                if told < 1 or load.calls:
                    return False
                if load.allows():
                    load.spend()
                    hedges += 1
            if hedges > module.RESERVE + 0.02 * calls:
                return False
        if hedges < 0.02 * calls:
            return False
    return True


def saves_no_more_than_the_reserve(module: Any) -> bool:
    load = module.Load(0.5)
    load.calls = 10**6
    load.earn()
    sent = 0
    while load.allows() and sent < 100:
        load.spend()
        sent += 1
    return sent == module.RESERVE


def knows_the_ends(module: Any) -> bool:
    none, all_ = module.Load(0), module.Load(None)
    for load in (none, all_):
        load.calls = 1000
        load.earn()
    for _ in range(1000):
        all_.spend()
    return not none.allows() and all_.allows()


LOADS = [is_capped, saves_no_more_than_the_reserve, knows_the_ends]


@pytest.mark.parametrize("check", LOADS)
def test_hg5_extra_load_is_capped(check: Any) -> None:
    assert check(core)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("calls, self.calls = self.calls, 0", "calls = self.calls"),
        ("min(RESERVE, self.credit + calls * self.part)", "self.credit + calls * self.part"),
        ("min(RESERVE, self.credit + calls * self.part)", "RESERVE"),
        ("self.credit >= 1", "self.credit > -1"),
        ("        self.credit -= 1\n", "        pass\n"),
        ("RESERVE if part else 0.0", "RESERVE"),
        ("math.inf if part is None else RESERVE", "RESERVE"),
    ],
)
def test_a_broken_cap_is_caught(old: str, new: str) -> None:
    broken = mutant(core, old, new)

    assert not all(check(broken) for check in LOADS)


def test_the_verdicts_are_those_of_the_legs() -> None:
    assert core.Verdict is verdict.Verdict
