"""How long a crowd takes through a limit with retries: on virtual time, against the ideal."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from lamina.backend import serves
from lamina.domains.keyvalue import Get, KeyValueBackend
from lamina.errors import Unavailable
from lamina.layers.limit import Limit
from lamina.layers.retry import Retry
from lamina.runtime import Runtime
from lamina.stack import Stack

CALLS = 200
AT_ONCE = 10
SECONDS = 0.05
REASON = "to show what the wrong order costs"


class Steady(KeyValueBackend):
    """Takes 50 ms for each request; fails the first *failures* for each key."""

    name = "steady"

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.seen: Counter[str] = Counter()
        self.running = self.most = 0

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        self.seen[op.key] += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(SECONDS)
        finally:
            self.running -= 1
        if self.seen[op.key] <= self.failures:
            msg = "not yet"
            raise Unavailable(msg)
        return b"value"

    def ideal(self) -> float:
        """Return the seconds that its requests take, so many at once without a gap."""
        return self.seen.total() * SECONDS / AT_ONCE


async def makespan(stack: Stack, backend: Steady, seed: int) -> float:
    store = stack.over(backend, runtime=Runtime(rng=random.Random(seed)))
    began = asyncio.get_running_loop().time()
    answers = await asyncio.gather(*(store.get(f"k{number}") for number in range(CALLS)))
    assert answers == [b"value"] * CALLS
    assert backend.most == AT_ONCE
    return asyncio.get_running_loop().time() - began


def limit() -> Limit:
    return Limit(AT_ONCE, queue=CALLS)


@pytest.mark.parametrize("seed", range(10))
async def test_200_calls_that_fail_twice_each_keep_a_limit_of_10_busy(seed: int) -> None:
    backend = Steady(failures=2)
    took = await makespan(Stack(Retry(3, budget=None), limit()), backend, seed)

    assert backend.ideal() == pytest.approx(3.0)
    assert took <= 1.05 * backend.ideal()


async def test_a_limit_outside_the_retries_is_held_through_their_waits() -> None:
    def retry() -> Retry:
        return Retry(3, base=2.0, budget=None)

    right, wrong = Steady(failures=2), Steady(failures=2)
    patient = await makespan(Stack(retry(), limit()), right, 0)
    order = Stack(limit(), retry(), allow={"E06": REASON})
    held = await makespan(order, wrong, 0)

    assert right.ideal() == wrong.ideal() == pytest.approx(3.0)
    assert patient <= 9.0  # the longest two waits of one call, after all first attempts
    assert held >= 50.0
