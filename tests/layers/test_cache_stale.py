from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

import pytest
from cache_backend import Slow, cache_of, settled

from lamina.context import call
from lamina.domains.keyvalue import Get, GetMany, GetStamped
from lamina.errors import (
    BatchFailed,
    CircuitOpen,
    Conflict,
    DeadlineExceeded,
    Invalid,
    RateLimited,
    StorageError,
    Throttled,
    TimedOut,
    Unavailable,
)
from lamina.layers.breaker import Breaker
from lamina.layers.cache import Cache
from lamina.runtime import Runtime
from lamina.stack import Stack
from lamina.testing.scripted import ScriptedKeyValue
from lamina.testing.sweep import sweep
from lamina.values import Stamped

if TYPE_CHECKING:
    from lamina.domains.keyvalue import KeyValue


def revalidating(backend: Slow, *, runtime: Runtime | None = None) -> KeyValue:
    cache = Cache(10, jitter=0, stale_while_revalidate=20, negative_ttl=10)
    return Stack(cache).over(backend, runtime=runtime)


def rescuing(backend: Slow) -> KeyValue:
    return Stack(Cache(10, jitter=0, stale_if_error=20)).over(backend)


async def filled(store: KeyValue, backend: Slow, key: str = "a") -> None:
    backend.values["", key] = b"1"
    await store.get(key)
    backend.values["", key] = b"2"  # by another process, which this one is not told of
    backend.calls.clear()


async def test_ca7_a_stale_answer_is_given_at_once_and_asked_anew_behind_it_once() -> None:
    backend = Slow(1)
    store = revalidating(backend)
    await filled(store, backend)
    await asyncio.sleep(10)

    began = asyncio.get_running_loop().time()
    async with call() as told:
        assert [await store.get("a") for _ in range(3)] == [b"1"] * 3
    assert asyncio.get_running_loop().time() == began
    (age,) = told.age.values()
    assert age == pytest.approx(11)  # it was true when it was asked for, a second before it came
    assert not told.degraded

    await asyncio.sleep(1)
    await settled()
    assert await store.get("a") == b"2"
    assert len(backend.calls) == 1
    stats = cache_of(store).stats()
    assert (stats.stale, stats.hits, stats.misses) == (3, 4, 2)


async def test_ca7_past_the_stale_time_readers_wait() -> None:
    backend = Slow(1)
    store = revalidating(backend)
    await filled(store, backend)

    await asyncio.sleep(30)

    assert await store.get("a") == b"2"


async def test_ca7_no_write_is_followed_by_the_stale_answer() -> None:
    backend = Slow(1)
    store = revalidating(backend)
    await filled(store, backend)
    await asyncio.sleep(10)

    await store.set("a", b"3")

    assert await store.get("a") == b"3"


async def test_ca7_a_write_during_the_refresh_keeps_its_answer_out() -> None:
    backend = Slow(1)
    store = revalidating(backend)
    await filled(store, backend)
    await asyncio.sleep(10)
    assert await store.get("a") == b"1"  # begins to ask: reads b"2", answers in a second

    backend.delay = 0
    await store.set("a", b"3")
    await asyncio.sleep(2)

    assert await store.get("a") == b"3"


async def test_ca7_who_needs_an_answer_waits_for_the_refresh() -> None:
    backend = Slow(5)
    store = revalidating(backend)
    await filled(store, backend)
    await asyncio.sleep(28)
    assert await store.get("a") == b"1"

    await asyncio.sleep(3)  # past the stale time, while the refresh still asks
    assert await store.get("a") == b"2"
    assert len(backend.calls) == 1


async def test_ca7_a_failed_refresh_leaves_the_stale_answer_and_is_tried_again() -> None:
    backend = Slow(0)
    store = revalidating(backend)
    await filled(store, backend)
    await asyncio.sleep(10)
    backend.script = deque([Unavailable("down")])

    assert await store.get("a") == b"1"
    await settled()
    assert await store.get("a") == b"1"
    await settled()

    assert await store.get("a") == b"2"
    assert store.bound.runtime.failed == 1


async def test_ca7_nothing_is_asked_behind_while_the_circuit_is_open() -> None:
    backend = Slow(0)
    layers = (Cache(10, jitter=0, stale_while_revalidate=100), Breaker(last=4, min_calls=4))
    store = Stack(*layers).over(backend)
    await filled(store, backend)
    await asyncio.sleep(10)
    backend.script = deque([Unavailable("down")] * 4)
    for _ in range(4):
        with pytest.raises((CircuitOpen, Unavailable)):
            await store.get("a", fresh=True)
    backend.calls.clear()

    assert await store.get("a") == b"1"
    await settled()

    assert not backend.calls


async def test_ca7_nothing_is_asked_behind_when_the_runtime_is_full() -> None:
    backend = Slow(0)
    runtime = Runtime(room=0)
    store = revalidating(backend, runtime=runtime)
    await filled(store, backend)
    await asyncio.sleep(10)

    assert await store.get("a") == b"1"
    await settled()

    assert not backend.calls
    assert runtime.skipped == 1


async def test_ca7_closing_waits_for_the_refresh() -> None:
    backend = Slow(1)
    store = revalidating(backend)
    await filled(store, backend)
    await asyncio.sleep(10)
    await store.get("a")

    await store.close()

    assert [type(op) for op in backend.calls] == [Get]


async def test_ca7_an_absent_answer_is_never_given_past_its_time() -> None:
    backend = Slow(1)
    store = revalidating(backend)
    assert await store.get("a") is None
    backend.values["", "a"] = b"1"

    await asyncio.sleep(10)

    assert await store.get("a") == b"1"


async def test_ca7_a_batch_gives_stale_answers_and_asks_for_them_in_one_batch_behind() -> None:
    backend = Slow(1)
    store = revalidating(backend)
    await filled(store, backend, "a")
    await filled(store, backend, "b")
    await asyncio.sleep(10)

    async with call() as told:
        assert await store.get_many(["a", "b"]) == (b"1", b"1")
    assert len(told.age) == 2
    await asyncio.sleep(1.5)

    assert await store.get_many(["a", "b"]) == (b"2", b"2")
    assert [op.keys for op in backend.calls] == [("a", "b")]


def test_ca7_cancelling_who_gets_a_stale_answer_leaves_nothing_behind() -> None:
    async def scenario() -> None:
        backend = Slow(1)
        store = revalidating(backend)
        await filled(store, backend)
        await asyncio.sleep(10)
        try:
            await store.get("a")
            await store.get("b")
        finally:
            await asyncio.sleep(1.5)
            assert not cache_of(store)._core.table(Get).fills

    sweep(scenario)


@pytest.mark.parametrize(
    "error",
    [Unavailable("x"), TimedOut("x"), Throttled("x"), CircuitOpen("x"), RateLimited("x")],
    ids=lambda error: type(error).__name__,
)
async def test_ca8_a_passing_failure_is_answered_by_what_was_true_before(
    error: StorageError,
) -> None:
    backend = Slow(0)
    store = rescuing(backend)
    await filled(store, backend)
    await asyncio.sleep(15)
    backend.script = deque([error])

    async with call() as told:
        assert await store.get("a") == b"1"

    assert list(told.age.values()) == [15.0]
    assert [brief.target for brief in told.degraded] == ["'a'"]
    assert cache_of(store).stats().rescued == 1
    assert await store.get("a") == b"2"  # the next one asks again


@pytest.mark.parametrize(
    "error",
    [Invalid("x"), Conflict("x"), DeadlineExceeded("x"), ValueError("x")],
    ids=lambda error: type(error).__name__,
)
async def test_ca8_what_fails_for_good_fails(error: Exception) -> None:
    backend = Slow(0)
    store = rescuing(backend)
    await filled(store, backend)
    await asyncio.sleep(15)
    backend.script = deque([error])

    with pytest.raises(type(error)):
        await store.get("a")


@pytest.mark.parametrize(
    ("options", "seconds"),
    [({"stale_if_error": 20.0}, 30.0), ({"stale_while_revalidate": 5.0}, 15.0), ({}, 10.0)],
    ids=["past it", "another option", "not named"],
)
async def test_ca8_nothing_is_given_past_its_time_nor_unless_named(
    options: dict[str, float], seconds: float
) -> None:
    backend = Slow(0)
    store = Stack(Cache(10, jitter=0, **options)).over(backend)
    await filled(store, backend)
    await asyncio.sleep(seconds)
    backend.script = deque([Unavailable("down")])

    with pytest.raises(Unavailable):
        await store.get("a")


async def test_ca8_a_fresh_read_fails() -> None:
    backend = Slow(0)
    store = rescuing(backend)
    await filled(store, backend)
    backend.script = deque([Unavailable("down")])

    with pytest.raises(Unavailable):
        await store.get("a", fresh=True)


async def test_ca8_what_a_write_has_made_wrong_is_not_given() -> None:
    backend = Slow(1)
    store = rescuing(backend)
    await filled(store, backend)
    await asyncio.sleep(10)
    backend.script = deque([Unavailable("down")] * 2)
    read = asyncio.ensure_future(store.get("b"))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await store.set("a", b"3")

    with pytest.raises(Unavailable):
        await read
    backend.script = deque([Unavailable("down")])
    with pytest.raises(Unavailable):
        await store.get("a")


async def test_ca8_a_write_while_it_is_asked_ends_the_old_answer() -> None:
    with ScriptedKeyValue(without=(GetStamped,)) as backend:
        backend.expect(Get("a")).returns(b"1")
        backend.expect(Get("a")).after(2).raises(Unavailable("down"))
        backend.expect(Get("b")).always().returns(None)
        store = Stack(Cache(10, jitter=0, stale_if_error=20)).over(backend)
        await store.get("a")
        await asyncio.sleep(10)
        read = asyncio.ensure_future(store.get("a"))
        await asyncio.sleep(1)
        cache_of(store).invalidate(key="a")

        with pytest.raises(Unavailable):
            await read


async def test_ca8_all_who_wait_get_the_old_answer_and_each_is_told() -> None:
    with ScriptedKeyValue(without=(GetStamped,)) as backend:
        backend.expect(Get("a")).returns(b"1")
        backend.expect(Get("a")).after(1).raises(TimedOut("late"))
        store = Stack(Cache(10, jitter=0, stale_if_error=20)).over(backend)
        await store.get("a")
        await asyncio.sleep(12)

        async def read() -> float:
            async with call() as told:
                assert await store.get("a") == b"1"
            return next(iter(told.age.values()))

        assert await asyncio.gather(*(read() for _ in range(3))) == [pytest.approx(13)] * 3


async def test_ca8_a_value_past_its_own_expiry_is_not_given() -> None:
    with ScriptedKeyValue() as backend:
        store = Stack(Cache(10, jitter=0, stale_if_error=100)).over(backend)
        until = store.bound.runtime.wall() + 15
        backend.expect(GetStamped("a")).returns(Stamped(b"1", until))
        backend.expect(GetStamped("a")).times(2).raises(Unavailable("down"))
        await store.get("a")

        await asyncio.sleep(14)
        assert await store.get("a") == b"1"
        await asyncio.sleep(1)
        with pytest.raises(Unavailable):
            await store.get("a")


async def test_ca8_a_batch_gives_old_answers_where_it_has_them() -> None:
    backend = Slow(0)
    store = rescuing(backend)
    await filled(store, backend, "a")
    await asyncio.sleep(15)
    backend.script = deque([Unavailable("down")] * 2)

    assert await store.get_many(["a"]) == (b"1",)
    with pytest.raises(BatchFailed) as caught:
        await store.get_many(["a", "b"])

    assert [type(outcome).__name__ for outcome in caught.value.outcomes] == ["Done", "Failed"]
    assert [type(op) for op in backend.calls] == [GetMany, GetMany]


async def test_an_answer_that_nobody_asks_for_is_forgotten_and_one_in_use_lives_its_time() -> None:
    backend = Slow(0)
    store = Stack(Cache(100, jitter=0, idle=10)).over(backend)
    for key in ("used", "idle"):
        await filled(store, backend, key)

    for _ in range(11):
        await asyncio.sleep(9)
        assert await store.get("used") == b"1"
    assert await store.get("idle") == b"2"
    await asyncio.sleep(1)

    assert await store.get("used") == b"2"  # at its time, however often it was used


async def test_a_batch_lets_answers_in_use_live_too() -> None:
    backend = Slow(0)
    store = Stack(Cache(100, jitter=0, idle=10)).over(backend)
    await filled(store, backend)

    for _ in range(3):
        await asyncio.sleep(9)
        assert await store.get_many(["a"]) == (b"1",)
    await asyncio.sleep(10)

    assert await store.get_many(["a"]) == (b"2",)


async def test_an_idle_answer_is_not_given_as_a_stale_one() -> None:
    backend = Slow(0)
    store = Stack(Cache(100, jitter=0, idle=10, stale_while_revalidate=50)).over(backend)
    await filled(store, backend)

    await asyncio.sleep(10)

    assert await store.get("a") == b"2"
