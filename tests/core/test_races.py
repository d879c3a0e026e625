"""A read that races a write sees no stale answer once the write was acknowledged."""

from __future__ import annotations

import asyncio
import random
from itertools import count

from lamina.backends.memory import MemoryKeyValue
from lamina.layers.breaker import Breaker
from lamina.layers.cache import Cache
from lamina.layers.retry import Retry
from lamina.layers.timeout import Timeout
from lamina.stack import Stack
from lamina.testing import Faulty, explore


async def race(seed: int) -> None:
    rng = random.Random(seed)
    backend = Faulty(MemoryKeyValue(), rng, latency=lambda rng: rng.choice([0.01, 0.02, 0.03]))
    stack = Stack(Cache(30), Retry(), Breaker(), Timeout(5))
    async with stack.over(backend) as store:
        acknowledged = 0

        async def write() -> None:
            nonlocal acknowledged
            for value in range(1, 5):
                await store.set("a", str(value).encode())
                acknowledged = value

        async def read() -> None:
            for _ in range(6):
                least = acknowledged
                found = await store.get("a")
                assert int(found or 0) >= least
                many = await store.get_many(["a", "b"])
                assert int(many[0] or 0) >= least

        await asyncio.gather(write(), read(), read(), read())
        assert await store.get("a") == b"4"


def test_no_stale_answer_under_500_schedules() -> None:
    seeds = count()
    explore(lambda: race(next(seeds)), schedules=500)
