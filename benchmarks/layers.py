"""Configurations of layers over one key-value store: healthy, suspending, with failures."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable

from benchmarks.report import Progress, Report
from benchmarks.timing import Subject, side_by_side
from lamina.backend import serves
from lamina.backends.memory import MemoryKeyValue
from lamina.bound import Bound
from lamina.domains.keyvalue import Get, KeyValue, KeyValueBackend, Set
from lamina.errors import StorageError, Unavailable
from lamina.layer import Layer
from lamina.layers.batch import Batch
from lamina.layers.breaker import Breaker
from lamina.layers.cache import Cache
from lamina.layers.deadline import Deadline
from lamina.layers.fallback import Fallback
from lamina.layers.hedge import Hedge
from lamina.layers.limit import Limit
from lamina.layers.log import Log
from lamina.layers.metrics import Metrics
from lamina.layers.rate import Quota, Throttle
from lamina.layers.retry import Retry
from lamina.layers.scope import Scope
from lamina.layers.seal import Seal
from lamina.layers.shadow import Shadow
from lamina.layers.squeeze import Squeeze
from lamina.layers.timeout import Timeout
from lamina.operation import Operation
from lamina.stack import Stack


class Suspending(KeyValueBackend):
    """A store that gives the loop one turn for each read."""

    name = "suspending"

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        await asyncio.sleep(0)
        return b"value"

    @serves(Set)
    async def set(self, op: Set) -> None:
        await asyncio.sleep(0)


class Failing(KeyValueBackend):
    """A store that fails one read in five, by a seeded chance."""

    name = "failing"

    def __init__(self) -> None:
        self.rng = random.Random(7)

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        if self.rng.random() < 0.2:
            msg = "injected"
            raise Unavailable(msg)
        return b"value"

    @serves(Set)
    async def set(self, op: Set) -> None:
        pass


class Unwanted(Layer):
    """A layer that wants nothing."""

    slot = "readonly"

    def wants(self, op: type[Operation[object]]) -> bool:
        return False


NEW = sys.version_info >= (3, 13)
FIVE_TARGET = 3.5 if NEW else None
TIMER_TARGET = 7.0 if NEW else 9.0
ALONE = {"Batch, one read at a time": 1.0, "Breaker": 1.0, "Limit": 0.4, "Retry": 0.25}
EIGHT = "those five, Deadline, Throttle and Limit"


def five() -> list[Layer]:
    """Return the layers that the first figure is about."""
    return [Metrics(), Log(), Retry(attempts=3), Breaker(), Timeout(5.0)]


def eight() -> list[Layer]:
    """Return those with the three that bound time, rate and number."""
    metrics, log, retry, breaker, timeout = five()
    guards = [Throttle(1e9, burst=10**9), breaker, Limit(1000, queue=1000), timeout]
    return [metrics, log, Deadline(10.0), retry, *guards]


def other() -> Bound:
    """Return another stack, for the layers that may ask one."""
    return Stack().over(MemoryKeyValue()).bound


CONFIGURATIONS: dict[str, Callable[[], list[Layer]]] = {
    "none": list,
    "an unwanted layer": lambda: [Unwanted()],
    "Metrics": lambda: [Metrics()],
    "Log": lambda: [Log()],
    "Cache": lambda: [Cache(ttl=600)],
    "Metrics + Cache": lambda: [Metrics(), Cache(ttl=600)],
    "Batch, one read at a time": lambda: [Batch()],
    "Retry": lambda: [Retry(attempts=3)],
    "Breaker": lambda: [Breaker()],
    "Timeout": lambda: [Timeout(5.0)],
    "Deadline": lambda: [Deadline(10.0)],
    "Limit": lambda: [Limit(1000, queue=1000)],
    "Throttle": lambda: [Throttle(1e9, burst=10**9)],
    "Quota": lambda: [Quota(1e9, burst=10**9)],
    "Scope": lambda: [Scope(strict=False)],
    "Hedge": lambda: [Hedge()],
    "Fallback": lambda: [Fallback(other())],
    "Shadow, one read in a million": lambda: [Shadow(other(), rate=1e-6)],
    "Seal": lambda: [Seal(Seal.new_key())],
    "Squeeze": lambda: [Squeeze()],
    "Metrics + Log + Retry + Breaker + Timeout": five,
    "those five, Deadline, Throttle and Limit": eight,
    "default stack (those and Cache)": lambda: [Metrics(), Log(), Cache(ttl=600), *five()[2:]],
}


async def measure(report: Report, progress: Progress, *, quick: bool) -> None:
    """Measure every configuration over the three stores."""
    await _healthy(report, progress, quick=quick)
    await _suspending(report, progress, quick=quick)
    await _failing(report, progress, quick=quick)


async def _stores(backend: Callable[[], KeyValueBackend]) -> dict[str, KeyValue]:
    stores = {name: Stack(*make()).over(backend()) for name, make in CONFIGURATIONS.items()}
    for store in stores.values():
        await store.set("key", b"value")
    return stores


async def _healthy(report: Report, progress: Progress, *, quick: bool) -> None:
    progress.begin("layers over memory")
    stores = await _stores(MemoryKeyValue)
    subjects: dict[str, Subject] = {name: _reader(store) for name, store in stores.items()}
    timed = await side_by_side(subjects, progress=progress, rounds=8 if quick else 200)
    bare = timed["none"]
    section = "layers, memory"
    for name, each in timed.items():
        report.add(section, name, each.quiet, "us")
    over = timed["Metrics + Log + Retry + Breaker + Timeout"].over(bare)
    report.add(section, "the five over the bare facade call", over, "us over", target=FIVE_TARGET)
    for name, most in ALONE.items():
        told = f"{name} alone over the bare facade call"
        report.add(section, told, timed[name].over(bare), "us over", target=most if NEW else None)
    eight_over = timed[EIGHT].over(timed["Metrics + Log + Retry + Breaker + Timeout"])
    told = "Deadline, Throttle and Limit over the five"
    report.add(section, told, eight_over, "us over", target=1.5 if NEW else None)
    same = stores["an unwanted layer"].bound.plan().operations
    report.add(
        section,
        "layers an unwanted layer adds to a call",
        max(len(o.slots) for o in same),
        "layers",
        target=0,
    )


async def _suspending(report: Report, progress: Progress, *, quick: bool) -> None:
    progress.begin("layers over a store that suspends")
    stores = await _stores(Suspending)
    names = ("none", "Timeout", "Metrics + Log + Retry + Breaker + Timeout", EIGHT, "Hedge")
    subjects: dict[str, Subject] = {name: _reader(stores[name]) for name in names}
    subjects["none, in a task of its own"] = _tasked(stores["none"])
    timed = await side_by_side(subjects, progress=progress, rounds=8 if quick else 200)
    section = "layers, suspending"
    for name, each in timed.items():
        report.add(section, name, each.quiet, "us")
    over = timed[names[2]].over(timed["none"])
    report.add(
        section, "the five with the timer over the bare call", over, "us over", target=TIMER_TARGET
    )
    over = timed[EIGHT].over(timed["none"])
    told = "the eight with the one timer over the bare call"
    report.add(section, told, over, "us over", target=TIMER_TARGET)


async def _failing(report: Report, progress: Progress, *, quick: bool) -> None:
    progress.begin("layers with 20 % injected errors")
    section = "layers, 20 % errors"
    quickest = {
        "none": list,
        "Retry": lambda: [_impatient()],
        "default stack (those and Cache)": lambda: [
            Metrics(),
            Log(),
            Cache(ttl=600),
            _impatient(),
            Breaker(),
            Timeout(5.0),
        ],
    }
    reads = 2_000 if quick else 20_000
    import logging

    logging.getLogger("lamina").setLevel(logging.ERROR)
    for name, make in quickest.items():
        store = Stack(*make()).over(Failing())
        succeeded = 0
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(reads):
            try:
                await store.get(f"key {number}")
                succeeded += 1
            except StorageError:
                pass
        took = (loop.time() - began) / reads * 1e6
        report.add(section, name, took, "us")
        report.add(section, f"{name}: reads answered", 100 * succeeded / reads, "%")
    logging.getLogger("lamina").setLevel(logging.NOTSET)


def _impatient() -> Retry:
    return Retry(attempts=5, base=1e-9, throttled_base=1e-9, cap=1e-9)


def _tasked(store: KeyValue) -> Subject:
    get = store.get

    def read() -> object:
        return asyncio.ensure_future(get("key"))

    return read  # type: ignore[return-value]  # a task, awaited by the timer


def _reader(store: KeyValue) -> Subject:
    get = store.get

    def read() -> object:
        return get("key")

    return read  # type: ignore[return-value]  # a coroutine, awaited by the timer
