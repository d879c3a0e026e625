"""What every cache must do, where no other file shows it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest
from batch_backend import Bulk
from cache_backend import Slow, cache_of, settled

from lamina.backend import serves
from lamina.domains.keyvalue import Get, GetStamped, GetStampedMany, SetMany
from lamina.errors import CircuitOpen, StackError, TimedOut, Unavailable
from lamina.layers.batch import Batch
from lamina.layers.breaker import Breaker
from lamina.layers.cache import Cache
from lamina.layers.limit import Limit
from lamina.layers.retry import Retry
from lamina.layers.timeout import Timeout
from lamina.stack import Stack
from lamina.values import Done, Stamped

if TYPE_CHECKING:
    from lamina.layer import Layer


class Expiring(Slow):
    """Tells that each value expires *life* seconds after the test began."""

    life = 2.5

    def stamped(self, scope: str, key: str) -> Stamped[bytes | None]:
        now = asyncio.get_running_loop().time()
        found = self.values.get((scope, key)) if now < self.life else None
        return Stamped(found, None if found is None else self.runtime.wall() - now + self.life)

    @serves(GetStamped)
    async def get_stamped(self, op: GetStamped) -> Stamped[bytes | None]:
        found = self.stamped(op.scope, op.key)
        await self.pause(op)
        return found

    @serves(GetStampedMany)
    async def get_stamped_many(self, op: GetStampedMany) -> Any:
        found = tuple(Done(self.stamped(op.scope, key)) for key in op.keys)
        await self.pause(op)
        return found


class Batching(Slow):
    @serves(SetMany)
    async def set_many(self, op: SetMany) -> Any:
        await self.pause(op)
        return tuple(Done(None) for _ in op.items)


async def test_ca1_an_entry_knows_its_value_its_times_and_its_generations() -> None:
    store = Stack(
        Cache(10, jitter=0, stale_while_revalidate=3, stale_if_error=7, negative_ttl=2)
    ).over(Slow(1))
    await store.set("a", b"1")
    await store.get("a")
    await store.get("absent")

    held, absent = cache_of(store)._core.shelf
    assert (held.value, held.stored, held.expires, held.ends) == (b"1", 1, 12, 19)
    assert (absent.value, absent.stored, absent.expires, absent.ends) == (None, 2, 5, 5)
    assert {mark.tag for mark in held.marks if mark.tag} == set(Get("a").tags())
    assert not any(mark.dead for mark in held.marks)


async def test_ca2_a_hit_neither_waits_nor_sets_a_timer_nor_asks_a_layer_below() -> None:
    store = Stack(Cache(), Batch(), Retry(), Breaker(), Limit(1), Timeout(5)).over(Slow(1))
    await store.set("a", b"1")
    await store.get("a")
    breaker = store.bound.layer(Breaker)
    assert breaker is not None
    breaker.force_open()
    loop: Any = asyncio.get_running_loop()
    timers, ready = len(loop._scheduled), len(loop._ready)

    hit = store.get("a")
    with pytest.raises(StopIteration) as answered:
        hit.send(None)

    assert answered.value.value == b"1"
    assert (len(loop._scheduled), len(loop._ready)) == (timers, ready)
    with pytest.raises(CircuitOpen):
        await store.get("a", fresh=True)


async def test_ca4_the_last_to_leave_ends_the_question() -> None:
    backend = Slow(10)
    store = Stack(Cache()).over(backend)
    readers = [asyncio.ensure_future(store.get("a")) for _ in range(3)]
    await settled()

    for reader in readers:
        reader.cancel()
    await asyncio.wait(readers)

    assert all(reader.cancelled() for reader in readers)
    assert not cache_of(store)._core.table(Get).fills
    assert asyncio.get_running_loop().time() == 0


async def test_ca4_a_failure_is_shared_by_those_who_wait_and_not_kept() -> None:
    failing = True

    class Failing(Slow):
        async def pause(self, op: Any) -> None:
            await super().pause(op)
            if failing:
                raise Unavailable

    backend = Failing(1)
    store = Stack(Cache()).over(backend)

    told = await asyncio.gather(*(store.get("a") for _ in range(5)), return_exceptions=True)
    assert [type(one) for one in told] == [Unavailable] * 5
    assert len(backend.calls) == 1

    failing = False
    assert await store.get("a") is None
    assert len(backend.calls) == 2


async def test_ca6_chance_takes_at_most_a_fifth_of_the_time_and_adds_nothing() -> None:
    store = Stack(Cache(100, max_entries=1000)).over(Slow(0))
    for place in range(500):
        await store.set(f"k{place}", b"1")
        await store.get(f"k{place}")

    lives = [entry.expires for entry in cache_of(store)._core.shelf]
    assert 80 <= min(lives) < 82
    assert 98 < max(lives) <= 100


async def test_ca9_what_is_absent_is_kept_for_a_short_time_and_an_error_never() -> None:
    backend = Slow(0)
    store = Stack(Cache(60, jitter=0, negative_ttl=3)).over(backend)

    await store.get("a")
    await asyncio.sleep(2.9)
    await store.get("a")
    assert len(backend.calls) == 1
    await asyncio.sleep(0.2)
    await store.get("a")
    assert len(backend.calls) == 2

    await store.set("a", b"1")
    assert await store.get("a") == b"1"

    backend.script = deque([Unavailable("down")])
    with pytest.raises(Unavailable):
        await store.get("b")
    assert await store.get("b") is None
    with pytest.raises(StackError, match="negative_ttl"):
        Cache(negative_ttl=31)


async def test_ca10_those_who_wait_for_an_answer_that_expires_on_its_way_ask_themselves() -> None:
    backend = Expiring(2.0)
    store = Stack(Cache()).over(backend)
    backend.values["", "a"] = b"1"
    await asyncio.sleep(1)
    early = asyncio.ensure_future(store.get("a"))
    both = asyncio.ensure_future(store.get_many(["b", "a"]))
    await asyncio.sleep(1.75)  # it has expired, its answer is on its way

    assert await store.get("a") is None
    assert await early == b"1"
    assert await both == (None, None)


async def test_ca10_of_a_batch_too_only_its_own_caller_gets_what_expired_on_its_way() -> None:
    backend = Expiring(2.0)
    store = Stack(Cache()).over(backend)
    backend.values["", "a"] = b"1"
    await asyncio.sleep(1)
    early = asyncio.ensure_future(store.get_many(["a"]))
    await asyncio.sleep(1.75)

    assert await store.get("a") is None
    assert await early == (b"1",)


@pytest.mark.parametrize("batched", [False, True])
async def test_ca11_a_write_that_was_repeated_without_knowing_is_doubted(*, batched: bool) -> None:
    backend = Batching(0)
    layers: list[Layer] = [Batch()] if batched else []
    store = Stack(Cache(doubt=5), *layers, Retry(base=0.01)).over(backend)
    backend.script = deque([1.0, TimedOut("no answer")])

    await asyncio.gather(store.set("other", b"1"), store.set("a", b"1"))

    for asked, moment in ((3, 0.0), (4, 5.0)):
        await asyncio.sleep(moment)
        for _ in range(3):
            await store.get("a")
        assert [op.key for op in backend.calls if isinstance(op, Get)] == ["a"] * asked


async def test_ca11_a_write_that_was_refused_before_it_was_repeated_is_not_doubted() -> None:
    backend = Slow(0, deque([Unavailable("refused", sent="no")]))
    store = Stack(Cache(), Retry(base=0.01)).over(backend)

    await store.set("a", b"1")

    assert [await store.get("a"), await store.get("a")] == [b"1", b"1"]
    assert [type(op).__name__ for op in backend.calls] == ["Set", "Set", "Get"]


async def test_ca12_an_invalidation_looks_at_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Stack(Cache()).over(Slow(0))
    for place in range(100):
        await store.get(f"k{place}")
    cache = cache_of(store)
    core = cache._core
    looked: list[Any] = []
    monkeypatch.setattr(core.eras, "hold", looked.append)
    monkeypatch.setattr(type(core.shelf), "__iter__", looked.append)

    cache.invalidate()
    cache.invalidate("k*")
    cache.invalidate(key="k1", scope="")
    cache.invalidate(tag=Get("k2").tags()[0])

    assert looked == []


async def test_ca13_a_scan_ten_times_as_long_leaves_what_is_read_often() -> None:
    backend = Slow(0)
    store = Stack(Cache(max_entries=100)).over(backend)
    for _ in range(4):
        for place in range(50):
            await store.get(f"hot{place}")
    for place in range(1000):
        await store.get(f"cold{place}")
    backend.calls.clear()

    for place in range(50):
        await store.get(f"hot{place}")

    assert len(backend.calls) <= 2
    assert cache_of(store).stats().size <= 100


async def test_ca11_a_write_left_in_a_batch_is_doubted_again_when_the_batch_has_ended() -> None:
    backend = Bulk(10.0)
    store = Stack(Cache(1000, jitter=0, doubt=1.0), Batch()).over(backend)
    writes = [asyncio.ensure_future(store.set(key, b"new")) for key in ("a", "b", "c")]
    await asyncio.sleep(1)
    writes[1].cancel()  # it is in one batch with "c", which goes on
    await asyncio.sleep(2)
    backend.delay = 0.0
    assert await store.get("b") == b"b"  # as it was before, and kept: its doubt is over

    await asyncio.gather(*writes, return_exceptions=True)

    assert await store.get("b") == b"new"
    assert backend.sent()[:2] == ["a=new", "b=new+c=new"]
