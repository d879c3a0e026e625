"""A crowd that wants a small store at once, on virtual time: ``python -m benchmarks.crowd``."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine
from typing import Any, Final

from lamina.backend import serves
from lamina.domains.keyvalue import Get, KeyValueBackend
from lamina.errors import Unavailable
from lamina.layers.limit import Limit
from lamina.layers.retry import Retry
from lamina.runtime import Runtime
from lamina.stack import Stack
from lamina.testing.clock import run

CALLS: Final = 200
AT_ONCE: Final = 10
SECONDS: Final = 0.05
CLIENTS: Final = 100
IDEAL: Final = 3 * CALLS * SECONDS / AT_ONCE
"""Seconds of three attempts for each call, so many at once without a gap."""


class Steady(KeyValueBackend):
    """Takes 50 ms for each request, and fails the first two for each key."""

    name = "steady"

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.running = self.most = 0

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        self.seen[op.key] += 1
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(SECONDS)
        self.running -= 1
        if self.seen[op.key] <= 2:
            msg = "not yet"
            raise Unavailable(msg)
        return b"value"


class OneSlot(KeyValueBackend):
    """Serves one caller at a time, for 10 ms; refuses whoever comes meanwhile."""

    name = "one slot"

    def __init__(self) -> None:
        self.arrived = 0
        self.busy = False

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        self.arrived += 1
        if self.busy:
            msg = "busy"
            raise Unavailable(msg, sent="no")
        self.busy = True
        await asyncio.sleep(0.01)
        self.busy = False
        return b"value"


class Always(random.Random):
    """Chance that never varies: the waits are those without jitter."""

    def random(self) -> float:
        return 1.0


def limit_inside(base: float = 0.05) -> Stack:
    """Return the right order: a call that waits to be repeated holds no permit."""
    return Stack(Retry(3, base=base, budget=None), Limit(AT_ONCE, queue=CALLS))


def limit_outside(base: float = 0.05) -> Stack:
    """Return the wrong order, which rule E06 refuses."""
    why = "to show what it costs"
    layers = limit_inside(base).layers
    return Stack(*reversed(layers), allow={"E06": why})


async def makespan(stack: Stack, seed: int) -> float:
    """Return the seconds until all calls have their answer."""
    backend = Steady()
    store = stack.over(backend, runtime=Runtime(rng=random.Random(seed)))
    answers = await asyncio.gather(*(store.get(f"k{number}") for number in range(CALLS)))
    assert answers == [b"value"] * CALLS
    assert backend.seen.total() == 3 * CALLS
    assert backend.most == AT_ONCE
    return asyncio.get_running_loop().time()


async def requests_a_client(rng: random.Random) -> float:
    """Return how often a client asks until it is served."""
    server = OneSlot()
    store = Stack(Retry(attempts=200, budget=None)).over(server, runtime=Runtime(rng=rng))
    answers = await asyncio.gather(*(store.get("a") for _ in range(CLIENTS)))
    assert answers == [b"value"] * CLIENTS
    return server.arrived / CLIENTS


def main() -> None:
    """Print the figures, each over five seeds."""

    def told(what: str, *runs: Coroutine[Any, Any, float]) -> None:
        found = [run(one) for one in runs]
        print(f"{what:52} {min(found):7.3f} to {max(found):.3f}")

    for base in (0.05, 2.0):
        for make in (limit_inside, limit_outside):
            name = f"seconds, {make.__name__}, base={base:g}"
            told(name, *(makespan(make(base), seed) for seed in range(5)))
    told(
        "requests a client, full jitter",
        *(requests_a_client(random.Random(seed)) for seed in range(5)),
    )
    told("requests a client, without", requests_a_client(Always()))


if __name__ == "__main__":
    main()
