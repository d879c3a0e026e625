"""The circuit in lockstep with lists of calls: slow ones, and what an operator does."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from mutants import mutant

from lamina.layers.breaker import core, window

CALLS = {"ok": (False, False), "fail": (True, False), "slow": (False, True), "both": (True, True)}
BY_HAND = {"force": "FORCED_OPEN", "disable": "DISABLED", "reset": "CLOSED"}
ACTIONS = (*CALLS, *BY_HAND, "wait")
STATES = {"FORCED_OPEN": "forced open", "DISABLED": "disabled", "CLOSED": "closed"}


class Lists:
    """What must be true, told by keeping each call: half failed or 0.7 slow is bad.

    At least *least* calls decide, of the *last* so many.
    """

    def __init__(self, least: int, last: int) -> None:
        self.least, self.last = least, last
        self.state = "closed"
        self.calls: list[tuple[bool, bool]] = []
        self.rested = False

    def go(self, state: str) -> None:
        self.state, self.calls, self.rested = state, [], False

    def do(self, action: str) -> bool:
        """Return whether a call of that kind passes."""
        if action in BY_HAND:
            self.go(STATES[BY_HAND[action]])
        elif action == "wait":
            self.rested = True
        elif self.state == "disabled":
            return True
        else:
            return self.call(*CALLS[action])
        return False

    def call(self, failed: bool, slow: bool) -> bool:
        if self.state == "open" and self.rested:
            self.go("half-open")
        if self.state not in ("closed", "half-open"):
            return False
        self.calls.append((failed, slow))
        probing = self.state == "half-open"
        self.calls = self.calls if probing else self.calls[-self.last :]
        of = 2 if probing else len(self.calls)
        failures, slows = (sum(column) / of for column in zip(*self.calls, strict=True))
        if (probing or of >= self.least) and (failures >= 0.5 or slows >= 0.7):
            self.go("open")
        elif probing and len(self.calls) == 2:
            self.go("closed")
        return True


def one_call(module: Any, circuit: Any, now: float, *, failed: bool, slow: bool) -> bool:
    permit = circuit.admit(now)
    if permit is None:
        return False
    verdict = module.Verdict.FAILURE if failed else module.Verdict.SUCCESS
    if not (failed or slow) and permit is circuit.free:
        circuit.succeed(permit, now)
    else:
        circuit.settle(permit, verdict, now, slow=slow)
    return True


def differs(
    module: Any, length: int, *, least: int = 2, last: int | None = None, of: Any = ACTIONS
) -> list[str]:
    """Walk every story of *length* steps; return the first in which circuit and lists differ."""
    for story in itertools.product(of, repeat=length):
        told: list[tuple[str, str]] = []
        settings = module.Settings(0.5, 1e9, 2, least, 1.0, 0.7, 5.0, 5.0, 0.0, 2, 1, 5.0, last)
        circuit = module.Circuit(settings, lambda: 0.5, lambda *pair: told.append(pair))  # noqa: B023  # called in this turn
        lists, now = Lists(least, last or length), 0.0
        for action in story:
            if action in BY_HAND:
                circuit.go(getattr(module.State, BY_HAND[action]), now)
                passed = False
            elif action == "wait":
                now += 5.0
                passed = False
            else:
                failed, slow = CALLS[action]
                passed = one_call(module, circuit, now, failed=failed, slow=slow)
            if passed != lists.do(action) or circuit.state.value != lists.state:
                return [f"{story} at {action}: {circuit.state.value}, not {lists.state}"]
        if any(one[1] is not next_one[0] for one, next_one in itertools.pairwise(told)):
            return [f"{story}: {told}"]
    return []


def test_cb1_cb2_no_story_of_calls_and_of_an_operator_differs_from_keeping_each_call() -> None:
    assert differs(core, 5) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (" or slow >= settings.slow_rate", ""),
        ("self.window.add(now, failed=failed, slow=slow)", "self.window.add(now, failed=failed)"),
        ("self._slow += slow", "pass"),
        ("return Permit(-1)", "return Permit(self.era)"),
        ("if self.state is State.DISABLED:", "if False:"),
        ("if self.state is State.OPEN and now >= self._reopens:", "if now >= self._reopens:"),
        ("            self.window.clear()\n", ""),
        ("calls >= self.settings.min_calls", "calls > self.settings.min_calls"),
    ],
    ids=["slow-rate", "slow-window", "slow-probes", "counted", "disabled", "forced", "kept", "min"],
)
def test_a_circuit_broken_in_what_is_slow_or_set_by_hand_is_caught(old: str, new: str) -> None:
    assert differs(mutant(core, old, new), 5) != []


@pytest.mark.parametrize(("least", "last"), [(1, 1), (2, 2), (2, 3), (3, 3)])
def test_cb2_cb3_no_story_over_the_last_calls_differs_from_keeping_each(
    least: int, last: int
) -> None:
    assert differs(core, 4, least=least, last=last) == []
    assert differs(core, 7, least=least, last=last, of=("ok", "fail", "slow")) == []


def miscounts(module: Any, length: int = 6) -> list[str]:
    """Count every story of calls over each small window; return the first that is wrong."""
    for most in (1, 2, 3, 4):
        for story in itertools.product(CALLS.values(), repeat=length):
            counted = module.LastCalls(most)
            for number, (failed, slow) in enumerate(story):
                counted.add(0.0, failed=failed, slow=slow)
                counted.forget(1e9)
                kept = story[max(number + 1 - most, 0) : number + 1]
                want = (len(kept), *(sum(column) for column in zip(*kept, strict=True)))
                if (counted.calls, counted.failures, counted.slow) != want:
                    return [f"{story} of {most} at {number}"]
            counted.clear()
            counted.add(0.0, failed=True)
            if (counted.calls, counted.failures, counted.slow, len(counted._bad)) != (1, 1, 0, 1):
                return [f"{story} of {most}, cleared"]
    return []


def test_cb3_the_last_calls_are_counted_exactly() -> None:
    assert miscounts(window) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("if self.calls < self._most:", "if self.calls <= self._most:"),
        ("bad[0][0] <= self._number - self._most", "bad[0][0] < self._number - self._most"),
        ("bad[0][0] <= self._number - self._most", "True"),
        ("self.failures -= was_failed", "pass"),
        ("self.slow -= was_slow", "pass"),
        ("if failed or slow:", "if failed:"),
        ("self._number += 1", "self._number = 1"),
    ],
    ids=["most", "late", "early", "failed", "slow", "slow-kept", "numbers"],
)
def test_a_broken_count_of_the_last_calls_is_caught(old: str, new: str) -> None:
    assert miscounts(mutant(window, old, new)) != []
