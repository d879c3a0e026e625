"""How a crowd fares with retries: through a limit, and before a store that serves one at a time."""

from __future__ import annotations

import random

import pytest
from benchmarks.crowd import (
    IDEAL,
    Always,
    limit_inside,
    limit_outside,
    makespan,
    requests_a_client,
)

from lamina.errors import StackError
from lamina.stack import Stack


@pytest.mark.parametrize("seed", range(10))
async def test_200_calls_that_fail_twice_each_keep_a_limit_of_10_busy(seed: int) -> None:
    assert await makespan(limit_inside(), seed) <= 1.05 * IDEAL


async def test_a_limit_outside_the_retries_is_held_through_their_short_waits() -> None:
    assert await makespan(limit_outside(), 0) >= 1.4 * IDEAL


async def test_the_longer_the_waits_the_worse_is_a_limit_outside() -> None:
    assert await makespan(limit_outside(base=2.0), 0) >= 20 * IDEAL


async def test_a_limit_inside_waits_no_longer_than_the_last_call_must() -> None:
    first_attempts, waits, attempts = IDEAL / 3, 2.0 + 4.0, 2 * 0.05

    assert await makespan(limit_inside(base=2.0), 0) <= first_attempts + waits + attempts


def test_the_wrong_order_is_refused() -> None:
    with pytest.raises(StackError, match="E06"):
        Stack(*limit_outside().layers)


@pytest.mark.parametrize("seed", range(5))
async def test_rt2_full_jitter_parts_a_hundred_clients_who_want_one_slot(seed: int) -> None:
    assert await requests_a_client(random.Random(seed)) <= 7


async def test_rt2_without_jitter_they_come_back_together_each_time() -> None:
    assert await requests_a_client(Always()) == pytest.approx(50.5)
