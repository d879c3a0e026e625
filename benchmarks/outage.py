"""An outage of a store of finite capacity, on virtual time: ``python -m benchmarks.outage``.

Callers come at a steady rate, whatever becomes of those before them. For a while the store
answers nothing. Then it works again, and the question is whether anybody notices: a request that
waited too long is still worked on, for a caller who has given up and asked again.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lamina.backend import serves
from lamina.domains.keyvalue import Get, KeyValue, KeyValueBackend
from lamina.errors import StorageError, Unavailable
from lamina.layer import Layer
from lamina.layers.breaker import Breaker
from lamina.layers.deadline import Deadline
from lamina.layers.limit import Limit
from lamina.layers.retry import Retry
from lamina.layers.timeout import Timeout
from lamina.runtime import Runtime
from lamina.stack import Stack
from lamina.testing.clock import run

FIGURE: Final = Path(__file__).parent.parent / "docs" / "outage.svg"
SLOTS: Final = 5
SECONDS: Final = 0.1
QUEUE: Final = 3.0
PATIENCE: Final = 5.0
"""Seconds after which an answer is worth nothing to the caller."""


def ours() -> list[Layer]:
    """Return the layers for a store across a network."""
    return [
        Deadline(PATIENCE),
        Retry(4),
        Breaker(break_cap=5.0),
        Limit(20, queue=20),
        Timeout(1.0),
    ]


def naive() -> list[Layer]:
    """Return what is often written by hand: retries with jitter, around a timeout."""
    return [Retry(4, budget=None), Timeout(1.0)]


def bare() -> list[Layer]:
    """Return a timeout alone: each call is one attempt."""
    return [Timeout(1.0)]


STACKS: Final[dict[str, Callable[[], list[Layer]]]] = {
    "ours": ours,
    "retries without budget or breaker": naive,
    "no retries": bare,
}


class Server(KeyValueBackend):
    """Works on ``SLOTS`` requests at a time, each for ``SECONDS``; lets others wait in a queue.

    A request that would wait longer than ``QUEUE`` seconds is refused. One that was taken is
    worked on to its end, whether or not its caller is still there. From *down* to *up* it gives
    no sign of life.
    """

    name = "server"

    def __init__(self, *, down: float, up: float) -> None:
        self.down = down
        self.up = up
        self.arrivals: list[float] = []
        self._free = [0.0] * SLOTS

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        del op
        loop = asyncio.get_running_loop()
        now = loop.time()
        self.arrivals.append(now)
        if self.down <= now < self.up:
            await loop.create_future()
        begins = max(now, self._free[0])
        if begins - now > QUEUE:
            msg = "overloaded"
            raise Unavailable(msg, sent="no")
        heapq.heapreplace(self._free, begins + SECONDS)
        await asyncio.sleep(begins + SECONDS - now)
        return b"value"


@dataclass
class Storm:
    """What was asked for, what the server got, and what came in time, by the second."""

    down: float
    up: float
    calls: Counter[int] = field(default_factory=Counter)
    offered: Counter[int] = field(default_factory=Counter)
    good: Counter[int] = field(default_factory=Counter)
    """Answers within ``PATIENCE``, by the second in which they were asked for."""
    slowest: float = 0.0

    def load(self, begin: float, end: float) -> float:
        """Return the requests at the server for each call, in that time."""
        return _sum(self.offered, begin, end) / _sum(self.calls, begin, end)

    def goodput(self, begin: float, end: float) -> float:
        """Return the part of the calls of that time that was answered in time."""
        return _sum(self.good, begin, end) / _sum(self.calls, begin, end)

    @property
    def recovery(self) -> float | None:
        """Return the seconds from the end of the outage until 95 % are answered, for good."""
        last = max(self.calls) - PATIENCE
        bad = [second for second in self.calls if second < last and not self._is_good(second)]
        recovered = max(bad, default=0) + 1 - self.up
        return max(0.0, recovered) if recovered < last - self.up - PATIENCE else None

    def _is_good(self, second: int) -> bool:
        return self.good[second] >= 0.95 * self.calls[second]


def simulate(
    layers: Sequence[Layer],
    *,
    rate: float = 35.0,
    down: float = 30.0,
    outage: float = 30.0,
    after: float = 90.0,
    seed: int = 0,
) -> Storm:
    """Let *rate* calls a second come, before, during and *after* the *outage* (seconds)."""
    return run(_simulated(layers, rate, Storm(down, down + outage), after, seed))


async def _simulated(
    layers: Sequence[Layer], rate: float, storm: Storm, after: float, seed: int
) -> Storm:
    server = Server(down=storm.down, up=storm.up)
    runtime = Runtime(rng=random.Random(seed))
    store = Stack(*layers).over(server, runtime=runtime)
    chance, loop = random.Random(seed), asyncio.get_running_loop()
    async with asyncio.TaskGroup() as callers:
        while loop.time() < storm.up + after:
            callers.create_task(_call(store, storm))
            await asyncio.sleep(chance.expovariate(rate))
    storm.offered.update(int(arrival) for arrival in server.arrivals)
    await store.close()
    return storm


async def _call(store: KeyValue, storm: Storm) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    storm.calls[int(began)] += 1
    try:
        await store.get("a")
    except StorageError:
        answered = False
    else:
        answered = loop.time() - began <= PATIENCE
    storm.good[int(began)] += answered
    storm.slowest = max(storm.slowest, loop.time() - began)


def _sum(counted: Counter[int], begin: float, end: float) -> int:
    return sum(count for second, count in counted.items() if begin <= second < end)


def table(storms: dict[str, Storm]) -> str:
    """Return the figures as text."""
    lines = [
        "stack                              load in the outage  answered after it  recovered after"
    ]
    for name, storm in storms.items():
        end = max(storm.calls) - PATIENCE
        recovery = "never" if storm.recovery is None else f"{storm.recovery:.0f} s"
        load, good = storm.load(storm.down, storm.up), storm.goodput(storm.up, end)
        lines.append(f"{name:33} {load:18.2f}x {100 * good:17.1f}% {recovery:>16}")
    return "\n".join(lines)


def draw(storms: dict[str, Storm], path: Path) -> None:
    """Draw what was answered and what was asked of the server, second by second."""
    import matplotlib as mpl

    mpl.use("agg")
    mpl.rcParams["svg.hashsalt"] = "outage"  # the same bytes for the same figures
    import matplotlib.pyplot as plt

    figure, (answered, offered) = plt.subplots(2, sharex=True, figsize=(9, 5.5))
    for (name, storm), color in zip(storms.items(), ("#4477aa", "#cc3311", "#999999"), strict=True):
        seconds = range(int(max(storm.calls) - PATIENCE))
        good = [100 * storm.good[second] / max(storm.calls[second], 1) for second in seconds]
        answered.plot(seconds, good, label=name, color=color)
        offered.plot(seconds, [storm.offered[second] for second in seconds], color=color)
    for axes in (answered, offered):
        axes.axvspan(storm.down, storm.up, color="#eeeeee")
        axes.grid(visible=True, alpha=0.3)
    answered.set_ylabel(f"% answered within {PATIENCE:g} s")
    answered.legend(loc="center right")
    offered.axhline(SLOTS / SECONDS, color="black", linewidth=0.8, linestyle="--")
    offered.set_ylabel("requests a second\n(dashed: the server's capacity)")
    offered.set_xlabel("seconds; the server is down in the grey part")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    """Print the figures and draw them."""
    storms = {name: simulate(make()) for name, make in STACKS.items()}
    print(table(storms))
    draw(storms, FIGURE)
    print(f"drawn to {FIGURE}")


if __name__ == "__main__":
    main()
