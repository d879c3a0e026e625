"""The same work done by peers, in the same run."""

from __future__ import annotations

import logging
import warnings

from benchmarks.layers import five
from benchmarks.report import Progress, Report
from benchmarks.timing import Subject, side_by_side
from lamina.backends.memory import MemoryKeyValue
from lamina.layers.cache import Cache
from lamina.stack import Stack


async def measure(report: Report, progress: Progress, *, quick: bool) -> None:
    """Measure py-key-value's wrappers and cashews' hit beside ours."""
    progress.begin("peers")
    subjects = {**await _ours(), **await _py_key_value(), **await _cashews()}
    timed = await side_by_side(subjects, progress=progress, rounds=8 if quick else 200)
    section = "peers"
    for name, each in timed.items():
        report.add(section, name, each.quiet, "us")
    ours = timed["lamina, five layers"].over(timed["lamina, none"])
    theirs = timed["py-key-value, four wrappers"].over(timed["py-key-value, none"])
    report.add(
        section,
        "our five layers / its four wrappers, over the bare stores",
        ours / theirs,
        "ratio",
        target=round(1 / 15, 4),
    )
    whole = timed["lamina, five layers"].ratio(timed["py-key-value, four wrappers"])
    report.add(
        section,
        "our five layers and store / its four and store",
        whole,
        "ratio",
        target=round(1 / 15, 4),
    )
    ours_hit = timed["lamina, cached read"]
    report.add(
        section,
        "our cached read / cashews' hit of a cached function",
        ours_hit.ratio(timed["cashews, hit of a cached function"]),
        "ratio",
        target=0.1,
    )
    report.add(
        section,
        "our cached read / cashews' bare store, no read-through",
        ours_hit.ratio(timed["cashews, bare store"]),
        "ratio",
    )


async def _ours() -> dict[str, Subject]:
    bare = Stack().over(MemoryKeyValue())
    stacked = Stack(*five()).over(MemoryKeyValue())
    cached = Stack(Cache(ttl=600)).over(MemoryKeyValue())
    for store in (bare, stacked, cached):
        await store.set("key", b"value")
        await store.get("key")
    return {
        "lamina, none": lambda: bare.get("key"),
        "lamina, five layers": lambda: stacked.get("key"),
        "lamina, cached read": lambda: cached.get("key"),
    }


async def _py_key_value() -> dict[str, Subject]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from key_value.aio.stores.memory import MemoryStore
        from key_value.aio.wrappers.logging import LoggingWrapper
        from key_value.aio.wrappers.retry import RetryWrapper
        from key_value.aio.wrappers.statistics import StatisticsWrapper
        from key_value.aio.wrappers.timeout import TimeoutWrapper

    bare = MemoryStore()
    quiet = logging.getLogger("benchmarks.peer")
    quiet.setLevel(logging.WARNING)  # as ours: nothing is written for a success
    wrapped = LoggingWrapper(
        StatisticsWrapper(RetryWrapper(TimeoutWrapper(MemoryStore()))), logger=quiet
    )
    for store in (bare, wrapped):
        await store.put("key", {"value": "value"})
    return {
        "py-key-value, none": lambda: bare.get("key"),
        "py-key-value, four wrappers": lambda: wrapped.get("key"),
    }


async def _cashews() -> dict[str, Subject]:
    from cashews import Cache as Cashews

    cache = Cashews()
    cache.setup("mem://")
    await cache.set("key", b"value", expire=600)

    @cache(ttl=600, key="read:{key}")
    async def read(key: str) -> bytes:
        return key.encode()

    await read("key")
    return {
        "cashews, bare store": lambda: cache.get("key"),
        "cashews, hit of a cached function": lambda: read("key"),
    }
