"""The same work done by peers, in the same run; ``reads`` is what they offer as a cache."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeAlias

from benchmarks.layers import five
from benchmarks.report import Progress, Report
from benchmarks.timing import Subject, side_by_side
from lamina.backends.memory import MemoryKeyValue
from lamina.stack import Stack

Load: TypeAlias = Callable[[str], Awaitable[bytes]]
Read: TypeAlias = Callable[[str], Awaitable[object]]

LEAST = round(1 / 15, 4)
TTL = 600


async def measure(report: Report, progress: Progress, *, quick: bool) -> None:
    """Measure py-key-value's wrappers beside our layers; ``cache`` measures what caches do."""
    progress.begin("peers")
    subjects = {**await _ours(), **await _py_key_value()}
    timed = await side_by_side(subjects, progress=progress, rounds=8 if quick else 200)
    section = "peers"
    for name, each in timed.items():
        report.add(section, name, each.quiet, "us")
    ours, theirs = timed["lamina, five layers"], timed["py-key-value, four wrappers"]
    added = ours.over(timed["lamina, none"]) / theirs.over(timed["py-key-value, none"])
    told = "our five layers / its four wrappers, over the bare stores"
    report.add(section, told, added, "ratio", target=LEAST)
    told = "our five layers and store / its four and store"
    report.add(section, told, ours.ratio(theirs), "ratio", target=LEAST)


async def _ours() -> dict[str, Subject]:
    bare = Stack().over(MemoryKeyValue())
    stacked = Stack(*five()).over(MemoryKeyValue())
    for store in (bare, stacked):
        await store.set("key", b"value")
    return {
        "lamina, none": lambda: bare.get("key"),
        "lamina, five layers": lambda: stacked.get("key"),
    }


async def _py_key_value() -> dict[str, Subject]:
    store, wrappers = _quiet()
    quiet = logging.getLogger("benchmarks.peer")
    quiet.setLevel(logging.WARNING)  # as ours: nothing is written for a success
    bare = store()
    inner = wrappers.timeout.TimeoutWrapper(store())
    counted = wrappers.statistics.StatisticsWrapper(wrappers.retry.RetryWrapper(inner))
    wrapped = wrappers.logging.LoggingWrapper(counted, logger=quiet)
    for each in (bare, wrapped):
        await each.put("key", {"value": "value"})
    return {
        "py-key-value, none": lambda: bare.get("key"),
        "py-key-value, four wrappers": lambda: wrapped.get("key"),
    }


def reads(load: Load) -> dict[str, Read]:
    """Return the peers' ways to read a key through a cache in memory; a miss asks *load*.

    Each as its documentation shows it first, then as little of it as can be asked for.
    """
    return {**_cashews(load), **_aiocache(load), "py-key-value, pass-through": _passed(load)}


def crowds(load: Load) -> dict[str, Read]:
    """Return the peers' ways to let one of many who miss the same key ask *load*."""
    from aiocache import cached_stampede
    from cashews import Cache

    cashews = Cache()
    cashews.setup("mem://")

    @cashews(ttl=TTL, key="read:{key}")
    async def read(key: str) -> bytes:
        return await load(key)

    @cashews(ttl=TTL, key="locked:{key}", lock=True, protected=False)
    async def locked(key: str) -> bytes:
        return await load(key)

    @cached_stampede(lease=60, ttl=TTL)
    async def leased(key: str) -> bytes:
        return await load(key)

    return {
        "cashews, @cache": read,
        "cashews, lock=True": locked,
        "aiocache, @cached_stampede": leased,
        "py-key-value, pass-through": _passed(load),
    }


async def invalidated(held: int, times: int) -> float:
    """Return the microseconds of cashews' deletion by a pattern that fits no key of so many."""
    from cashews import Cache

    cache = Cache()
    cache.setup(f"mem://?size={2 * held}&check_interval=0")
    for number in range(held):
        await cache.set(f"key {number}", b"value", expire=TTL)
    began = time.perf_counter()
    for number in range(times):
        await cache.delete_match(f"other {number}*")
    return (time.perf_counter() - began) / times * 1e6


def _cashews(load: Load) -> dict[str, Read]:
    from cashews import Cache

    cache = Cache()
    cache.setup("mem://")

    @cache(ttl=TTL, key="read:{key}")
    async def read(key: str) -> bytes:
        return await load(key)

    @cache(ttl=TTL, key="bare:{key}", protected=False)
    async def unprotected(key: str) -> bytes:
        return await load(key)

    return {
        "cashews, @cache": read,
        "cashews, @cache unprotected": unprotected,
        "cashews, get_or_set": lambda key: cache.get_or_set(key, partial(load, key), expire=TTL),
    }


def _aiocache(load: Load) -> dict[str, Read]:
    from aiocache import cached

    @cached(ttl=TTL)
    async def read(key: str) -> bytes:
        return await load(key)

    @cached(ttl=TTL, key_builder=lambda _, key: key)
    async def keyed(key: str) -> bytes:
        return await load(key)

    return {"aiocache, @cached": read, "aiocache, @cached with a key": keyed}


def _passed(load: Load) -> Read:
    store, wrappers = _quiet()

    class Slow(store):  # type: ignore[misc, valid-type]  # a peer's, without types here
        async def ttl(self, key: str, *, collection: str | None = None) -> Any:
            return {"value": (await load(key)).decode()}, None

    cached = wrappers.passthrough_cache.PassthroughCacheWrapper(Slow(), store())
    read: Read = cached.get
    return read


def _quiet() -> tuple[Any, Any]:
    """Return py-key-value's memory store and its wrappers; their import warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from key_value.aio import wrappers
        from key_value.aio.stores.memory import MemoryStore
        from key_value.aio.wrappers import (  # noqa: F401  # makes them known to the package
            logging,
            passthrough_cache,
            retry,
            statistics,
            timeout,
        )
    return MemoryStore, wrappers
