"""Each strategy's chance is its own; a check of that catches what would break it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from mutants import mutant

from lamina.domains.keyvalue import Get
from lamina.layers.chaos import core

if TYPE_CHECKING:
    from types import ModuleType

OP = Get("a")
CALLS = 2000


def hits(module: ModuleType, rates: dict[str, Any], seed: int = 7) -> list[set[str]]:
    dice = module.Dice(rates, seed)
    return [set(dice.roll(dice.of(list(rates)), OP)) for _ in range(CALLS)]


def check_each_strategy_draws_alone(module: ModuleType) -> None:
    alone = hits(module, {"fault": 0.3})
    beside = hits(module, {"fault": 0.3, "torn": 0.5, "after": 0.3})
    assert [hit & {"fault"} for hit in beside] == alone
    both = sum({"fault", "after"} <= hit for hit in beside)
    assert 0.06 * CALLS <= both <= 0.12 * CALLS  # 0.3 * 0.3: neither follows the other


def check_a_higher_rate_only_adds(module: ModuleType) -> None:
    few, many = hits(module, {"fault": 0.2}), hits(module, {"fault": 0.4})
    assert all(one <= other for one, other in zip(few, many, strict=True))
    assert sum(map(len, few)) < sum(map(len, many))


def check_a_rate_of_0_draws_too(module: ModuleType) -> None:
    asked = iter(range(CALLS))
    every_other = hits(module, {"fault": lambda _: 0.3 if next(asked) % 2 else 0.0})
    assert every_other[1::2] == hits(module, {"fault": 0.3})[1::2]
    assert not any(every_other[::2])


def check_numbers_are_kept_in_range(module: ModuleType) -> None:
    given = [-1, 0, math.nan, -math.inf, None, "1", True, 0.5, 1, math.inf, 10**400]
    assert [module.number(one) for one in given] == [0] * 7 + [0.5, 1, 3600, 3600]


def check_the_rest_is_drawn_for_each_call_and_strategy(module: ModuleType) -> None:
    dice = module.Dice({}, 7)
    drawn = {dice.rng(kind, call).random() for kind in ("slow", "torn") for call in range(50)}
    assert len(drawn) == 100
    assert module.Dice({}, 7).rng("slow", 3).random() == dice.rng("slow", 3).random()


def check_calls_are_counted_and_a_rate_of_0_is_nothing(module: ModuleType) -> None:
    dice = module.Dice({"fault": 0.0, "torn": 0.5, "after": 0.5}, 7)
    some = dice.of(["fault", "torn", "after"])
    assert [die.kind for die in some] == ["torn", "after"]
    for _ in range(5):
        dice.roll(some, OP)
    assert dice.status(raised=2) == (5, *[0] * 8, 2)


CHECKS = [check for name, check in list(globals().items()) if name.startswith("check_")]


def check_all(module: ModuleType) -> None:
    for check in CHECKS:
        check(module)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_chance_of_a_strategy_is_its_own(check: Any) -> None:
    check(core)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('f"{seed} {kind}"', 'f"{seed}"'),
        ('f"{self._seed} {kind} {call}"', 'f"{self._seed} {kind}"'),
        ('f"{self._seed} {kind} {call}"', 'f"{self._seed} {call}"'),
        ("die.draw() < die.rate_of(op)", "0 < die.rate_of(op) > die.draw()"),
        ("die.draw() < die.rate_of(op)", "die.draw() > die.rate_of(op)"),
        ("not given > 0", "given < 0"),
        ("min(given, LONGEST)", "given"),
        ("isinstance(given, bool) or ", ""),
        ("self.calls += 1", "self.calls += len(dice)"),
        ("if rate != 0]", "]"),
    ],
)
def test_a_mutant_is_caught(old: str, new: str) -> None:
    broken = mutant(core, old, new)

    with pytest.raises((AssertionError, OverflowError)):
        check_all(broken)
