"""How long answers are held, how many, and how they are made to leave."""

from __future__ import annotations

import asyncio
import random

from cache_backend import Slow, cache_of

from lamina.backends.memory import MemoryKeyValue
from lamina.domains.keyvalue import Get
from lamina.layers.cache import Cache
from lamina.layers.cache.ceiling import Ceiling
from lamina.runtime import Runtime
from lamina.stack import Stack


async def test_answer_lives_for_its_ttl_and_jitter_only_shortens() -> None:
    ends = []
    for seed in range(20):
        store = Stack(Cache(10, jitter=0.5)).over(Slow(0), runtime=Runtime(rng=random.Random(seed)))
        await store.set("a", b"1")
        start = asyncio.get_running_loop().time()
        await store.get("a")
        while cache_of(store).stats().misses < 2:
            await asyncio.sleep(0.25)
            await store.get("a")
        ends.append(asyncio.get_running_loop().time() - start)

    assert min(ends) >= 5.0
    assert max(ends) <= 10.0
    assert len(set(ends)) > 5


async def test_value_is_not_served_after_its_own_expiry() -> None:
    store = Stack(Cache(60, jitter=0)).over(MemoryKeyValue())
    await asyncio.sleep(0.3)
    await store.set("a", b"1", ttl=10)

    await asyncio.sleep(0.7)
    assert await store.get("a") == b"1"
    await asyncio.sleep(9.29)
    assert await store.get("a") == b"1"
    assert cache_of(store).stats().hits == 1
    await asyncio.sleep(0.01)
    assert await store.get("a") is None


async def test_batch_does_not_keep_values_whose_expiry_it_does_not_tell() -> None:
    store = Stack(Cache(60)).over(MemoryKeyValue())
    await store.set("a", b"1", ttl=10)

    assert await store.get_many(["a"]) == (b"1",)
    await asyncio.sleep(11)

    assert await store.get("a") is None
    assert await store.get_many(["a"]) == (None,)


async def test_absent_answer_is_kept_shorter_and_a_write_clears_it() -> None:
    backend = Slow(0)
    store = Stack(Cache(60, jitter=0, negative_ttl=2)).over(backend)

    assert [await store.get("a"), await store.get("a")] == [None, None]
    assert len(backend.calls) == 1
    await store.set("a", b"1")
    assert await store.get("a") == b"1"

    await store.get("b")
    await asyncio.sleep(2)
    await store.get("b")
    assert [op.key for op in backend.calls].count("b") == 2


async def test_absent_answers_are_not_kept_when_told_so() -> None:
    backend = Slow(0)
    store = Stack(Cache(negative_ttl=None)).over(backend)

    await store.get("a")
    await store.get("a")

    assert len(backend.calls) == 2


async def test_absent_answer_is_never_kept_longer_than_others() -> None:
    backend = Slow(0)
    store = Stack(Cache(1, negative_ttl=30)).over(backend)

    await store.get("a")
    await asyncio.sleep(1)
    await store.get("a")

    assert len(backend.calls) == 2


async def test_holds_no_more_answers_than_told() -> None:
    store = Stack(Cache(max_entries=10)).over(Slow(0))
    for at in range(50):
        await store.set(f"k{at}", b"x")
        await store.get(f"k{at}")

    stats = cache_of(store).stats()
    assert (stats.size, stats.evicted) == (10, 40)
    assert len(cache_of(store)._core.marks) == 10


async def test_holds_no_more_bytes_than_told_and_no_huge_answer() -> None:
    store = Stack(Cache(max_bytes=640_000)).over(Slow(0))
    for at in range(200):
        await store.set(f"k{at}", b"x" * 9_000)
        await store.get(f"k{at}")
        assert cache_of(store).stats().bytes <= 640_000
    assert 40 < cache_of(store).stats().size < 70

    stored = cache_of(store).stats().stored
    await store.set("big", b"x" * 10_001)
    assert len(await store.get("big") or b"") == 10_001
    assert cache_of(store).stats().stored == stored


async def test_answers_in_use_outlast_those_that_are_not() -> None:
    store = Stack(Cache(max_entries=20)).over(Slow(0))
    for at in range(100):
        await store.get(f"k{at}")
        await store.get("hot")

    assert cache_of(store).stats().hits == 99


async def test_writes_leave_no_memory_behind() -> None:
    store = Stack(Cache(doubt=1)).over(Slow(0))
    for at in range(100):
        await store.set(f"k{at}", b"x")
    assert len(cache_of(store)._core.marks) == 0

    for at in range(100):  # even doubts go
        store.bound.handler(Get)
        cache_of(store)._core.wrote((f"t{at}",), float(at), sure=False)
    assert len(cache_of(store)._core.marks) <= 2


async def test_invalidate_forgets_what_matches_and_listings() -> None:
    backend = Slow(0)
    store = Stack(Cache()).over(backend)
    for key in ("user:1", "user:2", "other"):
        await store.set(key, b"1")
    for key in ("user:1", "user:2", "other"):
        await store.get(key)
    await store.search("")
    backend.calls.clear()

    cache_of(store).invalidate("user:*")
    assert await cache_of(store).sweep() == 3
    cache_of(store).invalidate("user:*")
    assert await cache_of(store).sweep() == 0

    await store.get("other")
    assert not backend.calls
    await store.get("user:1")
    await store.search("")
    assert len(backend.calls) == 2
    cache_of(store).invalidate()
    assert await cache_of(store).sweep() == 3
    assert cache_of(store).stats().size == 0


async def test_invalidate_fences_reads_under_way() -> None:
    backend = Slow(1)
    store = Stack(Cache()).over(backend)
    backend.values["", "a"] = b"1"
    before = asyncio.ensure_future(store.get("a"))
    await asyncio.sleep(0.5)
    backend.values["", "a"] = b"2"  # by another process, which then tells

    cache_of(store).invalidate("a")
    after = asyncio.ensure_future(store.get("a"))

    assert [await before, await after, await store.get("a")] == [b"1", b"2", b"2"]


async def test_ca13_under_a_ceiling_no_answer_takes_more_than_its_share_of_that() -> None:
    backend = Slow(0)
    store = Stack(Cache()).over(backend)
    cache_of(store).join(Ceiling(640_000))
    backend.values["", "large"] = b"x" * 11_000
    backend.values["", "fits"] = b"x" * 9_000

    await store.get("large")
    await store.get("fits")

    assert cache_of(store).stats().size == 1
