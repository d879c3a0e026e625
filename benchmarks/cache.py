"""What a cache saves and costs, beside the peers: a hit, a crowd of misses, an invalidation."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial
from itertools import count

from benchmarks import peers, stampede
from benchmarks.report import Progress, Report
from benchmarks.timing import Subject, Timed, side_by_side
from lamina.backends.memory import MemoryDocuments, MemoryKeyValue, MemoryVectors
from lamina.caching import cached
from lamina.domains.keyvalue import Get, KeyValue
from lamina.layers.cache import Cache
from lamina.layers.metrics import Metrics
from lamina.stack import Stack
from lamina.values import Vector

TTL = 600.0
DIMENSION = 256
TEN = [f"key {number}" for number in range(10)]
HELD = (1_000, 100_000)

HITS = {
    "lamina, get": 1.5,
    "lamina, get under Metrics": 2.0,
    "lamina, search by a vector of 256": 4.0,
    "lamina, search by an equal vector, copied": 4.0,
}
"""Most microseconds of a hit."""

BESIDE = (
    ("lamina, get", "cashews, @cache", 0.1),
    ("lamina, @cached", "cashews, @cache", 0.1),
    ("lamina, @cached", "cashews, @cache unprotected", None),
    ("lamina, get_or_set", "cashews, get_or_set", None),
    ("lamina, get", "aiocache, @cached", 0.2),
    ("lamina, @cached", "aiocache, @cached", 0.2),
    ("lamina, @cached", "aiocache, @cached with a key", None),
    ("lamina, get", "py-key-value, pass-through", 0.1),
)
"""Ours, a peer's, and most of its time that ours may take."""


async def measure(report: Report, progress: Progress, *, quick: bool) -> None:
    """Measure hits, many misses of one key, invalidations, then misses and writes one by one."""
    await _hits(report, progress, quick=quick)
    await stampede.measure(report, progress, quick=quick)
    await _invalidations(report, progress, quick=quick)
    await _others(report, progress, quick=quick)


async def _hits(report: Report, progress: Progress, *, quick: bool) -> None:
    progress.begin("cache, a hit")
    subjects: dict[str, Subject] = {**_point_reads(), **await _searches()}
    subjects |= {name: _of_key(read) for name, read in peers.reads(_value).items()}
    for subject in subjects.values():
        await subject()
    timed = await side_by_side(subjects, progress=progress, rounds=8 if quick else 200)
    for name, each in timed.items():
        report.add("cache, a hit", name, each.quiet, "us", target=HITS.get(name))
    for ours, theirs, most in BESIDE:
        ratio = timed[ours].ratio(timed[theirs])
        name = f"{ours.removeprefix('lamina, ')} / {theirs}"
        report.add("cache, our hit / a peer's", name, ratio, "ratio", target=most)


def _point_reads() -> dict[str, Subject]:
    alone = Stack(Cache(TTL)).over(MemoryKeyValue())
    measured = Stack(Metrics(), Cache(TTL)).over(MemoryKeyValue())
    value = partial(_value, "key")
    return {
        "lamina, get": lambda: alone.get("key"),
        "lamina, get under Metrics": lambda: measured.get("key"),
        "lamina, get_or_set": lambda: alone.get_or_set("key", value),
        "lamina, get_many of 10": lambda: alone.get_many(TEN),
        "lamina, @cached": _of_key(cached(ttl=TTL)(_value)),
    }


async def _searches() -> dict[str, Subject]:
    rng = random.Random(1)
    vector = Vector.of(rng.gauss(0, 1) for _ in range(DIMENSION))
    vectors = Stack(Cache(TTL)).over(MemoryVectors())
    documents = Stack(Cache(TTL)).over(MemoryDocuments())
    for number in range(20):
        near = Vector.of(number + rng.gauss(0, 1) for _ in range(DIMENSION))
        await vectors.set(f"v{number}", near, metadata={"n": number})
        await documents.set(f"d{number}", f"what is a layer, part {number}")
    return {
        "lamina, search by a vector of 256": lambda: vectors.search(vector),
        "lamina, search by an equal vector, copied": lambda: vectors.search(_copied(vector)),
        "lamina, search by a text": lambda: documents.search("what is a layer"),
    }


def _copied(vector: Vector) -> Vector:
    """Return an equal vector whose hash nobody has asked for, without its check."""
    made = object.__new__(Vector)
    object.__setattr__(made, "data", bytes(memoryview(vector.data)))
    return made


def _of_key(read: peers.Read) -> Subject:
    return lambda: read("key")


async def _value(key: str) -> bytes:
    return key.encode()


async def _invalidations(report: Report, progress: Progress, *, quick: bool) -> None:
    """Time each way to invalidate with few and with many answers held, none of which is meant."""
    section = "cache, an invalidation"
    progress.begin(section)
    few, many = [await _filled(held) for held in HELD]
    rounds = 10 if quick else 100
    for name, (least, most) in {name: (few[name], many[name]) for name in few}.items():
        taken: tuple[list[float], list[float]] = ([], [])
        for number in range(rounds):
            progress.step(number, rounds)
            for each, end in zip(taken, (least, most), strict=True):
                each.append(_mean(end, 100 * number))
        timed = [Timed(tuple(each)) for each in taken]
        report.add(section, f"by {name}, {HELD[1]:,} held", timed[1].quiet, "us")
        told = f"by {name}, {HELD[1]:,} held / {HELD[0]:,} held"
        report.add(section, told, timed[1].ratio(timed[0]), "ratio", target=2)
    theirs = [await peers.invalidated(held, 2 if quick else 10) for held in HELD]
    report.add(section, f"cashews, delete_match, {HELD[1]:,} held", theirs[1], "us")
    told = f"cashews, delete_match, {HELD[1]:,} held / {HELD[0]:,} held"
    report.add(section, told, theirs[1] / theirs[0], "ratio")


async def _filled(held: int) -> dict[str, Callable[[int], None]]:
    """Return the ways to invalidate in a cache that holds so many answers."""
    store = Stack(Cache(TTL, max_entries=2 * held, max_bytes=2**40)).over(MemoryKeyValue())
    for number in range(held):
        await store.get(f"key {number}")
    cache = store.bound.layer(Cache)
    assert cache is not None
    assert cache.stats().size == held
    return {
        "pattern": lambda number: cache.invalidate(f"other {number}*"),
        "key": lambda number: cache.invalidate(key=f"other {number}"),
        "tag": lambda number: cache.invalidate(tag=Get(f"other {number}").tags()[0]),
        "scope": lambda number: cache.invalidate(scope=f"tenant {number}"),
        "nothing named, all at once": lambda _: cache.invalidate(),
    }


def _mean(end: Callable[[int], None], first: int) -> float:
    began = time.perf_counter()
    for number in range(first, first + 100):
        end(number)
    return (time.perf_counter() - began) / 100 * 1e6


async def _others(report: Report, progress: Progress, *, quick: bool) -> None:
    """Time misses of ever new keys, and writes of keys whose values are held or were."""
    progress.begin("cache, misses and writes")
    bare, held = Stack().over(MemoryKeyValue()), Stack(Cache(TTL)).over(MemoryKeyValue())
    missed = {
        "no cache, get": _of_new(bare.get),
        "lamina, get": _of_new(held.get),
        "lamina, @cached": _of_new(cached(ttl=TTL)(_value)),
        **{name: _of_new(read) for name, read in peers.reads(_value).items()},
    }
    written: dict[str, Subject] = {
        "no cache, set": lambda: bare.set("key", b"value"),
        "lamina, set": lambda: held.set("key", b"value"),
        "no cache, set and get": _set_and_get(bare),
        "lamina, set and get": _set_and_get(held),
    }
    timed = await side_by_side(missed | written, progress=progress, rounds=8 if quick else 60)
    for name, each in timed.items():
        section = "cache, a miss" if name in missed else "cache, a write"
        report.add(section, name, each.quiet, "us")


def _of_new(read: peers.Read) -> Subject:
    numbers = count()
    return lambda: read(f"key {next(numbers)}")


def _set_and_get(store: KeyValue) -> Subject:
    async def both() -> None:
        await store.set("key", b"value")
        await store.get("key")

    return both
