"""Edges of the pure cores that the model checkers do not walk to: exact values, exact limits."""

from __future__ import annotations

import math
from typing import Any

import pytest

from lamina.budget import Budget
from lamina.domains.keyvalue import Append, Get
from lamina.errors import (
    AuthError,
    CircuitOpen,
    LimitReached,
    RateLimited,
    Throttled,
    Unavailable,
)
from lamina.layers.retry import Retry
from lamina.stack import Stack
from lamina.testing import ScriptedKeyValue
from lamina.values import Json

ADD = Append("a", (Json.of(1),))


def test_a_budget_is_full_at_first_and_counts_each_denial() -> None:
    budget = Budget(20)
    assert (budget.tokens, budget.capacity, budget.denied) == (20, 20, 0)
    assert [budget.take(15), budget.take(6), budget.take(6), budget.take(5)] == [
        *(True, False, False, True),
    ]
    assert (budget.tokens, budget.denied) == (0, 2)
    budget.give(3)
    budget.give(4)
    assert budget.tokens == 7
    assert Budget().capacity == 500


def test_a_budget_without_end_denies_nothing() -> None:
    budget = Budget(None)
    assert budget.take(10**12)
    budget.give(1)
    assert (budget.tokens, budget.denied) == (math.inf, 0)


def policy_of(retry: Retry) -> Any:
    """Return what the options of a retry decide, as its stack has it."""
    made: Any = Stack(retry).over(ScriptedKeyValue()).bound.layer(Retry)
    return made._policy


POLICY = policy_of(Retry(4, base=0.5, cap=3.0, throttled_base=2.0))
PATIENT = policy_of(Retry(4, patient=True))


@pytest.mark.parametrize(
    ("asked", "repeated"),
    [
        (None, True),
        (0.0, True),
        (1e300, True),
        (-0.001, False),
        (math.inf, False),
        (math.nan, False),
    ],
)
def test_a_wait_that_is_negative_or_no_number_means_do_not(
    asked: float | None, repeated: bool
) -> None:
    assert POLICY.repeats(Get("a"), Unavailable(retry_after=asked)) is repeated


@pytest.mark.parametrize("kind", [LimitReached, RateLimited])
def test_a_refusal_is_worth_waiting_five_seconds_for(kind: Any) -> None:
    assert POLICY.repeats(ADD, kind(retry_after=5.0))
    assert not POLICY.repeats(ADD, kind(retry_after=5.001))
    assert not POLICY.repeats(ADD, kind())


def test_an_open_circuit_is_waited_for_by_the_patient_alone() -> None:
    assert not POLICY.repeats(Get("a"), CircuitOpen(retry_after=0.0))
    assert PATIENT.repeats(Get("a"), CircuitOpen(retry_after=60.0))
    assert not PATIENT.repeats(Get("a"), CircuitOpen())


def test_what_is_for_good_or_may_have_arrived_is_not_repeated() -> None:
    assert not POLICY.repeats(Get("a"), AuthError())
    assert not POLICY.repeats(ADD, Unavailable(sent="maybe"))
    assert POLICY.repeats(ADD, Unavailable(sent="no"))
    assert POLICY.repeats(Get("a"), Unavailable(sent="maybe"))


def test_waits_grow_to_the_cap_and_stay_there() -> None:
    delays = [POLICY.delay(Unavailable(), retry, 1.0) for retry in (0, 1, 2, 3, 1100)]
    assert delays == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert [POLICY.delay(Throttled(), retry, 1.0) for retry in (0, 1)] == [2.0, 3.0]
    assert POLICY.delay(Unavailable(), 0, 0.0) == 0.0
    assert POLICY.delay(CircuitOpen(retry_after=0.25), 0, 1.0) == 0.25


def test_what_is_asked_for_is_kept_within_five_seconds_of_our_own_wait() -> None:
    assert POLICY.delay(Unavailable(retry_after=0.1), 0, 1.0) == 0.5
    assert POLICY.delay(Unavailable(retry_after=2.0), 0, 1.0) == 2.0
    assert POLICY.delay(Unavailable(retry_after=100.0), 0, 1.0) == 5.5


def test_the_longest_waits_of_one_call_are_those_after_throttling() -> None:
    assert POLICY.waits() == (2.0 + 5) + (3.0 + 5) + (3.0 + 5)
    assert policy_of(Retry(3, base=2.0, cap=3.0, throttled_base=0.5)).waits() == 7.0 + 8.0
    assert policy_of(Retry(2, base=0.0, throttled_base=0.0)).waits() == 5.0


@pytest.mark.parametrize("kind", [Throttled, RateLimited, LimitReached])
def test_a_retry_after_throttling_costs_less(kind: Any) -> None:
    assert POLICY.cost(kind()) == 5
    assert POLICY.cost(Unavailable()) == 14
