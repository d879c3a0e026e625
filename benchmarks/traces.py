"""Hit rates on traces of reads, beside theine (W-TinyLFU) and cachetools; what an entry costs."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from benchmarks.report import Progress, Report
from lamina.backend import serves
from lamina.domains.keyvalue import Get, KeyValueBackend
from lamina.layers.cache import Cache
from lamina.layers.cache.shelf import Entry, Shelf
from lamina.stack import Stack

KEYS, ROOM = 1_000_000, 10_000
POINTS = 2.0
"""How far below theine on Zipf 0.99 the hit rate may be."""

Trace = list[int]


async def measure(report: Report, progress: Progress, *, quick: bool) -> None:
    """Read each trace through a cache for 1 % of the keys; then weigh and time its entries."""
    section = f"hit rates, {ROOM:,} entries"
    for name, trace in _traces(100_000 if quick else 1_000_000).items():
        progress.begin(f"hit rates, {name}")
        ours, theirs = 100 * await _ours(trace), 100 * _theine(trace)
        report.add(section, f"{name}: lamina", ours, "%")
        report.add(section, f"{name}: theine", theirs, "%")
        report.add(section, f"{name}: cachetools, LRUCache", 100 * _lru(trace), "%")
        held_to = name == "Zipf 0.99"
        target = -POINTS if held_to else None
        report.add(
            section,
            f"{name}: lamina over theine",
            ours - theirs,
            "points",
            target=target,
            least=True,
        )
    progress.begin("memory per entry")
    for turns, when in ((1, "filling"), (3, "others came and went")):
        taken, told = await _memory(turns)
        report.add("memory of an entry", f"besides its value, {when}", taken, "bytes")
        report.add("memory of an entry", f"as the cache tells, {when}", told, "bytes")
    report.add("memory of an entry", "put on a full shelf", _put(), "us")


class Source(KeyValueBackend):
    """Has the same value under every key."""

    name = "source"

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        return b"value"


async def _ours(trace: Trace) -> float:
    cache = Cache(3600, max_entries=ROOM, max_bytes=1 << 30)
    store = Stack(cache).over(Source())
    for key in trace:
        await store.get(str(key))
    bound = store.bound.layer(Cache)
    assert bound is not None
    return bound.stats().hits / len(trace)


def _theine(trace: Trace) -> float:
    from theine import Cache as Theine  # starts a thread, which other sections do not want

    cache = cast("Any", Theine)(ROOM)
    hits = 0
    for key in trace:
        _, found = cache.get(key)
        if found:
            hits += 1
        else:
            cache.set(key, key)
    return hits / len(trace)


def _lru(trace: Trace) -> float:
    cache: LRUCache[int, int] = LRUCache(ROOM)
    hits = 0
    for key in trace:
        if cache.get(key) is None:
            cache[key] = 1
        else:
            hits += 1
    return hits / len(trace)


def _traces(count: int) -> dict[str, Trace]:
    drawn = np.random.default_rng(1)
    mixed = _zipf(drawn, 0.99, count)
    scans = np.arange(KEYS, KEYS + 20 * ROOM)  # two of ten times the room
    third = count // 3
    parts = (mixed[:third], scans[: 10 * ROOM], mixed[third : 2 * third], scans[10 * ROOM :])
    once = np.where(
        drawn.random(count) < 0.6, np.arange(count) + KEYS, _zipf(drawn, 0.9, count, KEYS // 10)
    )
    moving = [_zipf(drawn, 0.99, count // 10, KEYS // 10) + at * KEYS // 10 for at in range(10)]
    made = {
        "Zipf 0.8": _zipf(drawn, 0.8, count),
        "Zipf 0.99": mixed,
        "Zipf 1.2": _zipf(drawn, 1.2, count),
        "Zipf 0.99 and scans": np.concatenate([*parts, mixed[2 * third :]]),
        "60 % asked for once": once,
        "a hot set that moves": np.concatenate(moving),
        "a loop over 1.1 times the room": np.arange(count) % (ROOM * 11 // 10),
    }
    return {name: trace.tolist() for name, trace in made.items()}


def _zipf(
    drawn: np.random.Generator, skew: float, count: int, keys: int = KEYS
) -> NDArray[np.int64]:
    """Draw keys whose n-th most frequent is asked for in proportion to ``n ** -skew``."""
    below = np.cumsum(np.arange(1, keys + 1, dtype=float) ** -skew)
    ranks = below.searchsorted(drawn.random(count) * below[-1])
    keyed: NDArray[np.int64] = drawn.permutation(keys)[ranks]
    return keyed


async def _memory(turns: int) -> tuple[float, float]:
    """Return the bytes of an entry with a key of 19 characters, as allocated and as told."""
    store = Stack(Cache(3600, max_entries=ROOM, max_bytes=1 << 30)).over(Source())
    bound = store.bound.layer(Cache)
    assert bound is not None
    await store.get("warm")
    gc.collect()
    tracemalloc.start()
    for at in range(turns * ROOM):
        await store.get(f"user:{at:06}:profile")
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return taken / ROOM, bound.stats().bytes / ROOM - len(b"value") - 33


def _put() -> float:
    shelf, table = Shelf(ROOM, 1 << 30), dict[Any, Entry]()
    entries = [
        Entry(table, str(at), None, marks=(), expires=1e9, until=None, size=600)
        for at in range(11 * ROOM)
    ]
    _each(shelf.put, entries[:ROOM])
    gc.collect()
    rest = [entries[at : at + ROOM] for at in range(ROOM, 11 * ROOM, ROOM)]
    return min(_each(shelf.put, each) for each in rest) / ROOM * 1e6


def _each(put: Callable[[Entry], object], entries: Sequence[Entry]) -> float:
    began = time.perf_counter()
    for entry in entries:
        put(entry)
    return time.perf_counter() - began
