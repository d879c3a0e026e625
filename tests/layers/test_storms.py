"""What the layers make of an outage and of faults: simulations on virtual time."""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from benchmarks.outage import PATIENCE, STACKS, Storm, simulate, table

from lamina.backend import serves
from lamina.backends.memory import MemoryKeyValue
from lamina.domains.keyvalue import Get, KeyValue, KeyValueBackend
from lamina.errors import StorageError, Unavailable
from lamina.layers.breaker import Breaker
from lamina.layers.chaos import Chaos
from lamina.layers.deadline import Deadline
from lamina.layers.retry import Retry
from lamina.layers.timeout import Timeout
from lamina.stack import Stack

if TYPE_CHECKING:
    from lamina.layer import Layer

PAGE: Final = Path(__file__).parents[2] / "docs" / "resilience.md"


async def succeeds(store: KeyValue) -> bool:
    try:
        await store.get("a")
    except StorageError:
        return False
    return True


@cache
def simulated(seed: int) -> dict[str, Storm]:
    return {name: simulate(make(), seed=seed) for name, make in STACKS.items()}


@pytest.fixture(params=[0, 1])
def storms(request: pytest.FixtureRequest) -> dict[str, Storm]:
    return simulated(request.param)


def test_an_outage_of_30_s_is_over_for_callers_within_9_s(storms: dict[str, Storm]) -> None:
    storm = storms["ours"]

    assert storm.recovery is not None
    assert storm.recovery <= 9
    assert storm.goodput(storm.up + 9, max(storm.calls) - PATIENCE) >= 0.999


def test_with_naive_retries_the_same_outage_never_ends(storms: dict[str, Storm]) -> None:
    storm = storms["retries without budget or breaker"]
    end = max(storm.calls) - PATIENCE

    assert storm.recovery is None
    assert storm.goodput(storm.up, end) <= 0.05  # the server is busy with what nobody awaits
    assert storm.load(storm.up + 30, end) >= 3.5


def test_without_retries_it_would_have_ended_at_once(storms: dict[str, Storm]) -> None:
    storm = storms["no retries"]

    assert storm.recovery is not None
    assert storm.recovery <= 2


def test_the_outage_is_met_with_less_than_a_request_a_call(storms: dict[str, Storm]) -> None:
    assert storms["ours"].load(30, 60) <= 0.5
    assert storms["retries without budget or breaker"].load(30, 60) >= 3.5


def test_before_the_outage_no_call_needs_more_than_one_request(storms: dict[str, Storm]) -> None:
    for storm in storms.values():
        assert storm.goodput(0, 29) == 1.0
        assert storm.load(0, 29) == pytest.approx(1.0, abs=0.005)


def test_no_caller_waits_longer_than_the_deadline(storms: dict[str, Storm]) -> None:
    assert storms["ours"].slowest <= PATIENCE + 1e-6


@pytest.mark.slow
async def test_100_000_reads_with_a_fifth_of_faults_succeed_for_a_quarter_of_calls_more() -> None:
    reads = 100_000
    layers: list[Layer] = [Retry(attempts=5), Breaker(), Timeout(1.0), Chaos(0.2, seed=20)]
    store = Stack(*layers).over(MemoryKeyValue())

    succeeded = sum([await succeeds(store) for _ in range(reads)])

    chaos, retry = store.bound.layer(Chaos), store.bound.layer(Retry)
    assert chaos is not None
    assert retry is not None
    assert 0.195 <= chaos.status().fault / chaos.status().calls <= 0.205
    assert succeeded / reads >= 0.999
    assert chaos.status().calls / reads <= 1.35
    assert retry.status().denied == 0  # the default budget pays for all that


class Down(KeyValueBackend):
    """Refuses each connection, and counts."""

    name = "down"

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.arrived = 0

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        self.arrived += 1
        await asyncio.sleep(self.seconds)
        msg = "down"
        raise Unavailable(msg)


@pytest.mark.parametrize("at_once", [1, 10_000])
async def test_a_full_outage_is_not_multiplied_by_retries(at_once: int) -> None:
    down = Down(0.01)
    store = Stack(Retry(attempts=5)).over(down)
    calls = 10_000

    for _ in range(calls // at_once):
        await asyncio.gather(*(succeeds(store) for _ in range(at_once)))

    assert down.arrived / calls <= 1.01


async def test_a_full_outage_is_kept_from_the_backend_by_the_breaker() -> None:
    down = Down(0.01)
    store = Stack(Deadline(5.0), Retry(attempts=5), Breaker(), Timeout(1.0)).over(down)
    calls = 10_000

    for _ in range(calls):
        assert not await succeeds(store)
        await asyncio.sleep(0.01)

    assert down.arrived / calls <= 0.01


async def test_with_no_budget_the_same_outage_is_multiplied_by_the_attempts() -> None:
    down = Down(0.01)
    store = Stack(Retry(attempts=5, budget=None)).over(down)

    await asyncio.gather(*(succeeds(store) for _ in range(1000)))

    assert down.arrived == 5000


def test_the_page_gives_the_figures_of_the_simulation() -> None:
    told = table(simulated(0))

    assert told in PAGE.read_text(encoding="utf-8"), "see `python -m benchmarks.outage`"
