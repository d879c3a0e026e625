from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any

import pytest
from cache_backend import Slow, cache_of

from lamina.backends.memory import MemoryDocuments
from lamina.domains.documents import Read
from lamina.domains.keyvalue import Get, GetMany, Scan, Set, TimeToLive
from lamina.errors import Invalid, Unavailable
from lamina.layers.cache import Cache, OperationStats
from lamina.stack import Stack


async def test_ca11_ca13_an_answer_that_cannot_be_kept_is_given_and_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> int:
        msg = "no size"
        raise TypeError(msg)

    monkeypatch.setattr("lamina.layers.cache.core.footprint", broken)
    store = Stack(Cache()).over(Slow(0))
    await store.set("a", b"1")

    with caplog.at_level(logging.WARNING, "lamina.cache"):
        assert [await store.get("a") for _ in range(3)] == [b"1"] * 3
        assert await store.get_many(["a"]) == (b"1",)

    assert cache_of(store).stats().failed == 4
    assert cache_of(store).stats().size == 0
    assert [record.message for record in caplog.records] == [
        "an answer was not kept: TypeError; it is logged once"
    ]
    assert not cache_of(store)._core.table(Get).fills


async def test_statistics_are_told_by_operation() -> None:
    backend = Slow(1)
    store = Stack(Cache(stale_if_error=60, jitter=0)).over(backend)
    await store.set("a", b"1")
    await asyncio.gather(store.get("a"), store.get("a"), store.get_many(["a", "b"]))
    for _ in range(2):
        await store.search("")
    await asyncio.sleep(60)
    backend.script = deque([Unavailable("down")])
    await store.get("a")

    told = cache_of(store).stats()

    assert told.operations == {
        "Get": OperationStats(misses=3, coalesced=2, rescued=1, stored=2),
        "Scan": OperationStats(hits=1, misses=1, stored=1),
    }
    assert (told.hits, told.misses, told.coalesced, told.stored) == (1, 4, 2, 3)
    assert told.operations["Scan"].hit_rate == 0.5
    assert OperationStats().hit_rate == 0.0


async def test_tells_of_an_answer_without_asking_or_counting() -> None:
    backend = Slow(0)
    store = Stack(Cache(10, jitter=0, stale_while_revalidate=10)).over(backend)
    cache = cache_of(store)
    await store.set("a", b"1")
    await store.get("a")
    before, asked = cache.stats(), len(backend.calls)

    absent = {"cached": False, "age": None, "left": None, "stale": False, "doubtful": False}
    assert cache.explain(Get("b")) == absent
    await asyncio.sleep(4)
    held = {"cached": True, "age": 4.0, "left": 6.0, "stale": False, "doubtful": False}
    assert cache.explain(Get("a")) == held
    assert cache.explain(GetMany(("a", "b"))) == {"cached": False, "held": 1, "of": 2}
    assert cache.explain(Scan()) == absent
    assert cache.explain(Set("a", b"")) == {"cached": False, "doubtful": False}
    assert cache.explain(TimeToLive("a")) is None
    await asyncio.sleep(8)
    assert cache.explain(Get("a")) == {**held, "age": 12.0, "left": 0.0, "stale": True}
    cache.invalidate(key="a")
    assert cache.explain(Get("a")) == absent

    assert cache.stats() == before
    assert len(backend.calls) == asked


async def test_tells_of_doubt() -> None:
    backend = Slow(0, deque([Unavailable("down")]))
    store = Stack(Cache(doubt=5)).over(backend)
    with pytest.raises(Unavailable):
        await store.set("a", b"1")

    told = cache_of(store).explain(Get("a"))

    assert told is not None
    assert told["doubtful"] is True


async def test_an_unmeant_answer_outlives_invalidations_and_is_found_again() -> None:
    backend = Slow(0)
    store = Stack(Cache()).over(backend)
    await store.get("a")
    for _ in range(3):
        cache_of(store).invalidate("b*")
        assert await store.get("a") is None
        assert await store.get_many(["a"]) == (None,)

    assert len(backend.calls) == 1
    assert cache_of(store).stats().hits == 6


async def test_sweeping_lets_go_of_what_is_wrong_and_gives_the_loop_turns() -> None:
    store = Stack(Cache(negative_ttl=30)).over(Slow(0))
    for at in range(2_500):
        await store.get(f"k{at}")
    for key in ("k7", "k8"):
        await store.set(key, b"1")
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.ensure_future(other())
    assert await cache_of(store).sweep() == 2
    assert turns >= 2
    task.cancel()
    cache_of(store).invalidate("k9*")
    assert await cache_of(store).sweep() == 111
    await asyncio.sleep(30)
    assert await cache_of(store).sweep() == 0
    assert cache_of(store).stats().size == 0


async def test_what_an_invalidation_does_not_mean_is_not_the_first_to_leave() -> None:
    backend = Slow(0)
    store = Stack(Cache(negative_ttl=30, max_entries=100)).over(backend)
    for _ in range(3):
        for at in range(50):
            await store.get(f"hot{at}")
    cache_of(store).invalidate("other*")
    for at in range(200):
        await store.get(f"cold{at}")
    backend.calls.clear()

    for at in range(50):
        await store.get(f"hot{at}")

    assert not backend.calls


async def test_an_invalidation_of_ids_means_no_other_document() -> None:
    store = Stack(Cache()).over(MemoryDocuments())
    await store.set("a", "x")
    for meant in ("p*", "paths"):
        await store.get("a")
        cache_of(store).invalidate(meant)
        cache_of(store).invalidate(key=meant)

        told = cache_of(store).explain(Read("a"))
        assert told is not None
        assert told["cached"]
    await store.set_at("b", "x")
    told = cache_of(store).explain(Read("a"))
    assert told is not None
    assert not told["cached"]


@pytest.mark.parametrize(
    "named", [{"tag": "x", "key": "a"}, {"tag": "x", "scope": "t"}, {"pattern": 1}, {"key": b"a"}]
)
async def test_an_invalidation_that_would_be_understood_in_part_is_refused(
    named: dict[str, Any],
) -> None:
    store = Stack(Cache()).over(Slow(0))

    with pytest.raises(Invalid):
        cache_of(store).invalidate(**named)
