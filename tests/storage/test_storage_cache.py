"""The caches of a storage are forgotten, counted and bounded together."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from storage_faults import Faults, make

from lamina.backends.memory import MemoryKeyValue
from lamina.config import load
from lamina.domains.keyvalue import Get
from lamina.errors import Invalid, StackError
from lamina.layers.cache import Cache
from lamina.layers.fallback import Fallback
from lamina.stack import Stack
from lamina.storage import UnifiedStorage, assemble

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.domains.store import Facade


def cached(faults: Faults | None = None, **options: Any) -> UnifiedStorage:
    return make(faults, Cache(60.0, jitter=0, negative_ttl=30), **options)


def held(storage: UnifiedStorage) -> int:
    return sum(stats.size for stats in storage.cache_stats().values())


async def test_tells_how_many_answers_were_held_and_are_gone() -> None:
    storage = cached()
    for number in range(5):
        await storage.keyvalue.get(f"k{number}")
    await storage.documents.get("a")
    await storage.media.head("a")

    assert held(storage) == 7
    assert await storage.invalidate_cache() == 7
    assert held(storage) == 0
    assert await storage.invalidate_cache() == 0


async def test_forgets_only_keys_that_match_and_all_that_may_show_them() -> None:
    storage = cached()
    for key in ("user:1", "user:2", "other"):
        await storage.keyvalue.get(key)
    await storage.keyvalue.search("")

    assert await storage.invalidate_cache("user:*") == 3

    assert storage.keyvalue.explain(Get("other")).cached
    assert not storage.keyvalue.explain(Get("user:1")).cached


async def test_what_a_write_made_wrong_or_time_ended_was_held_no_longer() -> None:
    storage = cached()
    for key in ("a", "b", "c"):
        await storage.keyvalue.get(key)
    await storage.keyvalue.set("a", b"1")
    assert held(storage) == 3

    assert await storage.invalidate_cache() == 2

    await storage.keyvalue.get("b")
    await asyncio.sleep(30)
    await storage.keyvalue.get("c")
    assert await storage.invalidate_cache() == 1


async def test_holds_at_once_while_counting_gives_the_loop_turns() -> None:
    storage = cached()
    for number in range(2_500):
        await storage.keyvalue.get(f"k{number}")
    counting = asyncio.ensure_future(storage.invalidate_cache())
    await asyncio.sleep(0)

    assert not counting.done()
    assert not storage.keyvalue.explain(Get("k2499")).cached
    assert await storage.keyvalue.get("k2499") is None
    assert storage.cache_stats()["keyvalue"].hits == 0

    assert await counting == 2_499  # the one asked anew meanwhile stays
    assert held(storage) == 1


async def test_cancelled_while_counting_it_holds_all_the_same() -> None:
    storage = cached()
    for number in range(2_500):
        await storage.keyvalue.get(f"k{number}")
    counting = asyncio.ensure_future(storage.invalidate_cache())
    await asyncio.sleep(0)

    counting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await counting

    assert not storage.keyvalue.explain(Get("k2499")).cached


async def test_ca10_a_read_under_way_is_not_kept() -> None:
    faults = Faults()
    storage = cached(faults)
    faults.delays["GetStamped"] = [5.0]
    reading = asyncio.ensure_future(storage.keyvalue.get("a"))
    await asyncio.sleep(1)

    assert await storage.invalidate_cache() == 0

    await reading
    assert held(storage) == 0


async def test_a_tenant_forgets_its_own_only() -> None:
    storage = cached()
    acme, other = storage.tenant("acme"), storage.tenant("other")
    for one in (acme, other, storage):
        await one.keyvalue.get("a")
        await one.keyvalue.search("")
    await other.keyvalue.set("b", b"1")  # which ends what other's search showed

    assert await acme.invalidate_cache() == 2

    assert not acme.keyvalue.explain(Get("a")).cached
    assert other.keyvalue.explain(Get("a")).cached
    assert storage.keyvalue.explain(Get("a")).cached
    assert await acme.invalidate_cache("a") == 0
    assert await storage.invalidate_cache() == 3  # everybody's


async def test_a_tenants_pattern_is_for_its_own_keys() -> None:
    storage = cached()
    acme = storage.tenant("acme")
    for one in (acme, storage):
        await one.keyvalue.get("user:1")
        await one.keyvalue.get("x")

    assert await acme.invalidate_cache("user:*") == 1

    assert storage.keyvalue.explain(Get("user:1")).cached
    assert acme.keyvalue.explain(Get("x")).cached


async def test_stores_beside_the_four_are_forgotten_too() -> None:
    spare = Stack(Cache(60.0)).over(MemoryKeyValue())
    beside: dict[str, Facade] = {"keyvalue.fallback.to": spare}
    faults = Faults()
    whole = make(faults)
    storage = UnifiedStorage(
        keyvalue=Stack(Fallback(spare.bound)).over(MemoryKeyValue()),
        vectors=whole.vectors,
        documents=whole.documents,
        media=whole.media,
        beside=beside,
    )
    await spare.get("a")

    assert set(storage.cache_stats()) == {"keyvalue.fallback.to"}
    assert await storage.invalidate_cache() == 1


async def test_statistics_are_told_by_domain_and_operation() -> None:
    storage = cached()
    for _ in range(3):
        await storage.keyvalue.get("a")
    await storage.keyvalue.get_many(["a", "b"])
    await storage.documents.get("x")

    told = storage.cache_stats()

    assert set(told) == {"keyvalue", "vectors", "documents", "media"}
    keys = told["keyvalue"].operations["Get"]
    assert (keys.hits, keys.misses) == (3, 2)
    assert keys.hit_rate == pytest.approx(0.6)
    assert told["documents"].operations["Read"].misses == 1
    assert make().cache_stats() == {}


async def test_the_status_carries_them_as_json() -> None:
    storage = cached()
    await storage.keyvalue.get("a")

    status = json.loads(json.dumps(await storage.status()))

    assert status["keyvalue"]["cache"]["operations"]["Get"]["misses"] == 1
    assert status["keyvalue"]["cache"]["size"] == 1


async def test_ca13_all_caches_together_hold_no_more_than_they_may() -> None:
    storage = cached(cache_bytes=80_000)
    await storage.documents.set("a", "x" * 500)
    for number in range(200):
        await storage.keyvalue.set(f"k{number}", bytes(500))
        await storage.keyvalue.get(f"k{number}")
        await storage.documents.get("a")

    told = storage.cache_stats()
    assert 40_000 < sum(stats.bytes for stats in told.values()) <= 80_000
    assert told["documents"].size == 1
    assert told["keyvalue"].evicted > 100


@pytest.mark.parametrize("wrong", [1, b"a*", "a\0", "\ud800"], ids=repr)
async def test_refuses_a_pattern_that_no_key_could_match(wrong: Any) -> None:
    async with make() as storage:  # even where there is no cache
        with pytest.raises(Invalid, match="pattern must"):
            await storage.invalidate_cache(wrong)


def test_by_default_the_caches_may_hold_as_much_as_two_of_them() -> None:
    assert make().cache_bytes == 2 * Cache().max_bytes


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "1", None, float("inf")], ids=str)
def test_refuses_a_bound_that_is_no_number_of_bytes(wrong: Any) -> None:
    with pytest.raises(StackError, match="cache_bytes must be a whole number from 1"):
        make(cache_bytes=wrong)


def test_the_bound_is_a_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lamina.toml").write_text('preset = "test"\ncache_bytes = 1000')

    assert assemble(load(environ={})).cache_bytes == 1000
    environ = {"LAMINA_CACHE_BYTES": "2000"}
    assert assemble(load(environ=environ)).cache_bytes == 2000
    overrides = {"cache_bytes": 3000}
    assert assemble(load(environ=environ, overrides=overrides)).cache_bytes == 3000
    assert assemble(load(preset="test", path=None, environ={})).cache_bytes == 1000


@pytest.mark.parametrize("wrong", ["0", "true", '"1"', "1.5", "-3"])
def test_a_wrong_bound_is_named(
    wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lamina.toml").write_text(f'preset = "test"\ncache_bytes = {wrong}')

    with pytest.raises(StackError, match=r"lamina\.toml: cache_bytes: must be"):
        load(environ={})
