"""The arithmetic of retries."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutants import mutant

from lamina.errors import Throttled, Unavailable
from lamina.layers.retry import core
from lamina.layers.retry.core import EXTRA, JITTERS, Policy

POLICY = Policy(attempts=3, base=0.05, cap=20.0, throttled_base=1.0, patient=False)


@given(
    retry=st.integers(0, 2000),
    chance=st.floats(0, 1),
    asked=st.none() | st.floats(0, 1e6),
    throttled=st.booleans(),
)
def test_rt2_a_delay_lies_within_its_formula(
    retry: int, chance: float, asked: float | None, throttled: bool
) -> None:
    error = (Throttled if throttled else Unavailable)(retry_after=asked)
    base = 1.0 if throttled else 0.05

    delay = POLICY.delay(error, retry, chance)

    own = chance * min(base * 2.0 ** min(retry, 100), 20.0)
    assert own <= delay <= own + EXTRA
    assert asked is None or delay >= min(asked, own + EXTRA)
    assert asked is not None or delay == own


def spread(jitter: str, module: Any = core, **options: float) -> Any:
    return module.Policy(**dataclasses.asdict(POLICY) | {"jitter": jitter, **options})


@given(retry=st.integers(0, 2000), chance=st.floats(0, 1))
def test_rt2_equal_jitter_lies_in_the_upper_half(retry: int, chance: float) -> None:
    longest = min(0.05 * 2.0 ** min(retry, 100), 20.0)

    assert longest / 2 <= spread("equal").delay(Unavailable(), retry, chance) <= longest


@given(retry=st.integers(0, 30), chance=st.floats(0, 1), before=st.floats(0, 1))
def test_rt2_decorrelated_jitter_follows_its_formula(
    retry: int, chance: float, before: float
) -> None:
    def curve(place: float) -> float:
        return 2.0**place * math.tanh(math.sqrt(4 * place))

    delay = spread("decorrelated", cap=1e12).delay(Unavailable(), retry, chance, before)

    reached = curve(retry - 1 + before) if retry else 0.0
    piece = (curve(retry + chance) - reached) * 0.05 / 1.4
    assert delay == pytest.approx(max(piece, 0.0), rel=1e-9, abs=1e-9)


def wrong_at_the_edges(module: Any) -> list[str]:
    """Return every wait at a steep or empty place that is no number from 0 to the cap."""
    wrong: list[str] = []
    for jitter in JITTERS:
        for base in (0.0, 5e-324, 0.05, 20.0):
            policy = spread(jitter, module, base=base)
            for retry in (0, 1, 999, 1000, 1001, 1023, 1024, 1100, 10**9):
                for chance in (0.0, 0.5, 1.0):
                    for before in (0.0, 1.0):
                        wait = policy.delay(Unavailable(), retry, chance, before)
                        if not 0 <= wait <= 20.0:
                            wrong.append(f"{jitter} {base} {retry} {chance} {before}: {wait}")
                if retry > 999 and base > 1e-9 and policy.delay(Unavailable(), retry, 1.0) != 20.0:
                    wrong.append(f"{jitter} {base} {retry} is below the cap")
    return wrong


def test_rt2_no_wait_is_negative_above_the_cap_or_no_number_at_attempt_1100() -> None:
    assert wrong_at_the_edges(core) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("if retry >= _STEEPEST:", "if False:"),
        ("before) * self._base(error), self.cap)", "before) * self._base(error), 1e9)"),
        ("min(retry, _STEEPEST), self.cap)", "min(retry, _STEEPEST), 1e9)"),
        ("2.0 ** min(retry, _STEEPEST)", "2.0 ** retry"),
    ],
    ids=["steep", "cap", "doubled-cap", "doubled-steep"],
)
def test_a_broken_wait_is_caught(old: str, new: str) -> None:
    try:
        wrong = wrong_at_the_edges(mutant(core, old, new))
    except OverflowError:
        return
    assert wrong != []


@pytest.mark.parametrize("jitter", JITTERS)
def test_no_call_waits_longer_than_the_plan_tells(jitter: str) -> None:
    policy = spread(jitter)
    for chances in ((0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.5)):
        first = policy.delay(Throttled(retry_after=1e6), 0, chances[0])
        second = policy.delay(Throttled(retry_after=1e6), 1, chances[1], chances[0])
        assert first + second <= policy.waits() + 1e-9


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_rt2_without_jitter_a_wait_is_exactly_its_formula(chance: float) -> None:
    waits = [spread("none").delay(Unavailable(), retry, chance) for retry in range(11)]

    assert waits == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 20.0, 20.0]
    assert spread("none").delay(Throttled(), 1, chance) == 2.0
    assert spread("none", base=20.0).delay(Unavailable(), 1, chance) == 20.0  # constant


@pytest.mark.parametrize(
    ("jitter", "least"),
    [("none", 1.0), ("full", 0.0), ("equal", 0.5)],
    ids=["none", "full", "equal"],
)
def test_rt2_a_function_tells_the_longest_wait_and_chance_its_part(
    jitter: str, least: float
) -> None:
    told: dict[int, float | None] = {0: 3.0, 1: 6.0, 2: 1e300, 3: 0.0, 4: None}
    policy = dataclasses.replace(spread(jitter), asked=told.__getitem__)

    def waits(chance: float) -> list[float]:
        return [policy.delay(Unavailable(), retry, chance) for retry in range(5)]

    assert waits(1.0) == [3.0, 6.0, 20.0, 0.0, 0.8]
    assert waits(0.0) == [wait * least for wait in waits(1.0)]
    assert policy.delay(Throttled(), 0, 1.0) == 1.0
    assert policy.waits() == 2 * (20.0 + EXTRA)
