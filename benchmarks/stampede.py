"""Ten thousand tasks that miss one key at once: what each waits for, and who asks below."""

from __future__ import annotations

import asyncio
import gc
import time
from collections import Counter

from benchmarks import peers
from benchmarks.report import Progress, Report
from benchmarks.timing import Timed
from lamina.backend import serves
from lamina.caching import cached
from lamina.domains.keyvalue import Get, KeyValueBackend
from lamina.layers.cache import Cache
from lamina.stack import Stack

WAITERS = 10_000
TTL = 600.0


class Source(KeyValueBackend):
    """What is behind the caches: it takes a moment, and counts how often each key is asked."""

    name = "source"

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    async def load(self, key: str) -> bytes:
        self.calls[key] += 1
        await asyncio.sleep(0.001)
        return b"value"

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        return await self.load(op.key)


async def measure(report: Report, progress: Progress, *, quick: bool) -> None:
    """Time all of them, from the first to the last, round by round with keys of its own."""
    section = f"cache, {WAITERS:,} misses of one key at once"
    progress.begin(section)
    source = Source()
    ours: dict[str, peers.Read] = {
        "lamina, get": Stack(Cache(TTL)).over(source).get,
        "lamina, @cached": cached(ttl=TTL)(source.load),
    }
    caches = ours | peers.crowds(source.load)
    crowds = caches | {"a future awaited by as many tasks": _futures()}
    taken: dict[str, list[float]] = {name: [] for name in crowds}
    rounds = 2 if quick else 12
    for number in range(rounds):
        progress.step(number, rounds)
        for name, read in crowds.items():
            taken[name].append(await _together(read, f"{name} {number}"))
    progress.step(rounds, rounds)
    for name, each in taken.items():
        most = 20.0 if name in ours else None
        report.add(section, f"{name}: a waiter", Timed(tuple(each)).quiet, "us", target=most)
    for name in caches:
        most = 1.0 if name in ours else None
        calls = max(source.calls[f"{name} {number}"] for number in range(rounds))
        report.add(section, f"{name}: calls of the backend", calls, "calls", target=most)


def _futures() -> peers.Read:
    asked: dict[str, asyncio.Future[object]] = {}

    async def read(key: str) -> object:
        if key not in asked:
            asked[key] = asyncio.ensure_future(asyncio.sleep(0.001, b"value"))
        return await asyncio.shield(asked[key])

    return read


async def _together(read: peers.Read, key: str) -> float:
    gc.collect()
    gc.disable()
    try:
        began = time.perf_counter()
        await asyncio.gather(*(read(key) for _ in range(WAITERS)))
        return (time.perf_counter() - began) / WAITERS * 1e6
    finally:
        gc.enable()
