"""A value that is absent is made once, and stored only where there still is none."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from lamina.backends.memory import MemoryKeyValue
from lamina.context import call
from lamina.domains.keyvalue import CompareAndSet, Delete, Get, GetStamped, KeyValue, Set
from lamina.domains.keyvalue.makes import _stored
from lamina.errors import (
    Closed,
    Conflict,
    DeadlineExceeded,
    Invalid,
    StorageError,
    Unavailable,
    Unsupported,
    WrongLoop,
)
from lamina.layers.cache import Cache
from lamina.layers.readonly import ReadOnly
from lamina.stack import Stack
from lamina.testing import ScriptedKeyValue
from lamina.testing.clock import explore, run
from lamina.testing.faulty import Faulty
from lamina.testing.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class Factory:
    """Makes ``made 1``, ``made 2``, each within *seconds*, or raises *error*."""

    def __init__(self, seconds: float = 0.0, error: Exception | None = None) -> None:
        self.seconds = seconds
        self.error = error
        self.begun = 0

    async def __call__(self) -> bytes:
        self.begun += 1
        number = self.begun
        await asyncio.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return b"made %d" % number


def slow(seconds: float = 1.0) -> KeyValue:
    return Stack().over(Faulty(MemoryKeyValue(), random.Random(1), latency=seconds))


def memory() -> KeyValue:
    return Stack().over(MemoryKeyValue())


def spawn(store: KeyValue, work: Coroutine[Any, Any, bytes]) -> asyncio.Task[bytes]:
    return store.bound.runtime.spawn(work, "caller")


async def test_returns_what_is_there_and_makes_nothing() -> None:
    store, factory = memory(), Factory()
    await store.set("a", b"there")

    assert await store.get_or_set("a", factory) == b"there"
    assert factory.begun == 0


async def test_stores_what_it_makes_for_its_time_to_live() -> None:
    store, factory = memory(), Factory()

    assert await store.get_or_set("a", factory, ttl=60) == b"made 1"

    assert await store.get("a") == b"made 1"
    assert await store.ttl("a") == pytest.approx(60)
    assert await store.get_or_set("a", factory) == b"made 1"


async def test_makes_it_once_for_all_who_ask_meanwhile() -> None:
    store, factory = slow(), Factory(5.0)

    told = await asyncio.gather(*(store.get_or_set("a", factory) for _ in range(100)))

    assert told == [b"made 1"] * 100
    assert factory.begun == 1
    assert not store._makes.is_busy()


async def test_who_looked_too_early_looks_again_before_making() -> None:
    backend = ScriptedKeyValue(ordered=False)
    store, factory = Stack().over(backend), Factory()
    backend.expect(Get("a")).returns(None)
    backend.expect(Get("a")).after(3).returns(None)  # looked at once, told late
    backend.expect(CompareAndSet("a", None, b"made 1")).returns(None)
    backend.expect(Get("a", fresh=True)).returns(b"made 1")

    told = await asyncio.gather(store.get_or_set("a", factory), store.get_or_set("a", factory))

    assert told == [b"made 1", b"made 1"]
    assert factory.begun == 1
    backend.verify()


async def test_keys_and_tenants_are_made_apart() -> None:
    store, factory = slow(), Factory(5.0)
    acme = store.scoped("acme")

    made = await asyncio.gather(
        store.get_or_set("a", factory),
        acme.get_or_set("a", factory),
        store.get_or_set("b", factory),
    )

    assert sorted(made) == [b"made 1", b"made 2", b"made 3"]
    assert await acme.get("a") == made[1]


async def test_a_cancelled_maker_hands_over_to_the_next_in_line() -> None:
    store, first, second = memory(), Factory(5.0), Factory(5.0)
    leader = spawn(store, store.get_or_set("a", first))
    await asyncio.sleep(0)
    others = [spawn(store, store.get_or_set("a", second)) for _ in range(3)]
    await asyncio.sleep(1)

    leader.cancel()

    assert await asyncio.gather(*others) == [b"made 1"] * 3
    assert (first.begun, second.begun) == (1, 1)
    assert leader.cancelled()


async def test_one_cancelled_as_it_was_to_take_over_hands_on() -> None:
    store, factory = memory(), Factory(5.0)
    tasks = [spawn(store, store.get_or_set("a", factory)) for _ in range(3)]
    await asyncio.sleep(1)

    tasks[0].cancel()
    await asyncio.sleep(0)
    tasks[1].cancel()

    assert await tasks[2] == b"made 2"
    assert factory.begun == 2


async def test_nothing_is_left_when_all_who_asked_have_left() -> None:
    store, factory = memory(), Factory(5.0)
    tasks = [spawn(store, store.get_or_set("a", factory)) for _ in range(3)]
    await asyncio.sleep(1)

    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)

    assert not store._makes.is_busy()
    assert await store.get("a") is None


async def test_each_who_waits_gets_its_own_copy_of_the_factorys_error() -> None:
    store, failed = memory(), ValueError("no such city")
    factory = Factory(1.0, failed)

    told = await asyncio.gather(
        *(store.get_or_set("a", factory) for _ in range(3)), return_exceptions=True
    )

    assert [type(error) for error in told] == [ValueError] * 3
    assert told[0] is failed
    assert told[1] is not told[2]
    assert isinstance(told[1], ValueError)
    assert told[1].__cause__ is failed
    assert factory.begun == 1
    assert await store.get("a") is None


async def test_after_a_failure_it_is_made_anew() -> None:
    store, factory = memory(), Factory(0.0, ValueError())
    with pytest.raises(ValueError):  # noqa: PT011  # its type is all that is told
        await store.get_or_set("a", factory)

    factory.error = None

    assert await store.get_or_set("a", factory) == b"made 2"


async def test_a_failed_read_is_not_taken_for_absent() -> None:
    backend, factory = ScriptedKeyValue(), Factory()
    backend.expect(Get("a")).raises(Unavailable("down"))

    with pytest.raises(Unavailable):
        await Stack().over(backend).get_or_set("a", factory)

    assert factory.begun == 0


async def test_what_cannot_be_stored_is_told_by_the_error_of_the_write() -> None:
    backend, factory = ScriptedKeyValue(), Factory()
    backend.expect(Get("a")).returns(None)
    backend.expect(CompareAndSet).raises(Unavailable("down"))

    with pytest.raises(Unavailable):
        await Stack().over(backend).get_or_set("a", factory)

    backend.verify()


async def test_a_racing_write_wins_and_keeps_its_time_to_live() -> None:
    store, factory = memory(), Factory(5.0)
    task = spawn(store, store.get_or_set("a", factory, ttl=60))
    await asyncio.sleep(1)

    await store.set("a", b"written", ttl=500)

    assert await task == b"written"
    assert await store.get("a") == b"written"
    assert await store.ttl("a") == pytest.approx(496)


async def test_stores_again_what_met_a_value_that_is_gone_by_now() -> None:
    backend, factory = ScriptedKeyValue(ordered=True), Factory()
    backend.expect(Get("a")).returns(None)
    backend.expect(CompareAndSet).raises(Conflict())
    backend.expect(Get("a", fresh=True)).returns(None)
    backend.expect(CompareAndSet).returns(None)

    assert await Stack().over(backend).get_or_set("a", factory) == b"made 1"

    backend.verify()


async def test_gives_up_on_a_value_that_comes_and_goes() -> None:
    backend, factory = ScriptedKeyValue(), Factory()
    backend.expect(Get("a")).returns(None)
    backend.expect(CompareAndSet).times(3).raises(Conflict())
    backend.expect(Get("a", fresh=True)).times(3).returns(None)

    with pytest.raises(Conflict):
        await Stack().over(backend).get_or_set("a", factory)

    backend.verify()


async def test_what_is_deleted_meanwhile_stays_deleted_and_newcomers_begin_anew() -> None:
    store, factory = memory(), Factory(5.0)
    before = spawn(store, store.get_or_set("a", factory))
    await asyncio.sleep(1)

    await store.delete("a")
    await asyncio.sleep(0)
    after = spawn(store, store.get_or_set("a", factory))

    assert await before == b"made 1"  # as if it had been stored before the deletion
    assert await store.get("a") is None
    assert await after == b"made 2"
    assert await store.get("a") == b"made 2"


async def test_what_began_while_the_deletion_was_under_way_is_not_stored_either() -> None:
    backend, factory = ScriptedKeyValue(), Factory(5.0)
    store = Stack().over(backend)
    backend.expect(Get("a")).times(2).returns(None)
    backend.expect(Delete("a")).after(3).returns(False)
    first = spawn(store, store.get_or_set("a", factory))
    await asyncio.sleep(1)
    deleting = store.bound.runtime.spawn(store.delete("a"), "delete")
    await asyncio.sleep(1)

    second = spawn(store, store.get_or_set("a", factory))

    assert not await deleting
    assert await asyncio.gather(first, second) == [b"made 1", b"made 2"]
    backend.verify()  # which expects no write


async def test_a_deletion_waits_for_what_is_just_being_stored() -> None:
    backend, factory = ScriptedKeyValue(ordered=True), Factory()
    store = Stack().over(backend)
    backend.expect(Get("a")).returns(None)
    backend.expect(CompareAndSet).after(3).returns(None)
    backend.expect(Delete("a")).returns(True)
    making = spawn(store, store.get_or_set("a", factory))
    await asyncio.sleep(1)

    with pytest.raises(DeadlineExceeded):
        async with call(deadline=1):
            await store.delete("a")
    assert await store.delete("a")

    assert asyncio.get_running_loop().time() == 3
    assert await making == b"made 1"
    assert not store._makes.is_busy()
    backend.verify()


async def test_the_deadline_ends_the_factory_and_the_next_with_time_takes_over() -> None:
    store, factory = memory(), Factory(5.0)

    async def within(seconds: float) -> bytes:
        async with call(deadline=seconds):
            return await store.get_or_set("a", factory)

    hasty, patient = spawn(store, within(2)), spawn(store, within(20))

    with pytest.raises(DeadlineExceeded) as caught:
        await hasty
    assert asyncio.get_running_loop().time() == pytest.approx(2)
    assert str(caught.value.brief) == "keyvalue.Get('a')"
    assert await patient == b"made 2"
    assert asyncio.get_running_loop().time() == pytest.approx(7)


async def test_who_waits_leaves_at_its_own_deadline_alone() -> None:
    store, factory = memory(), Factory(5.0)
    leader = spawn(store, store.get_or_set("a", factory))
    await asyncio.sleep(1)

    with pytest.raises(DeadlineExceeded):
        async with call(deadline=1):
            await store.get_or_set("a", factory)

    assert asyncio.get_running_loop().time() == pytest.approx(2)
    assert await leader == b"made 1"


async def test_a_time_out_of_the_factorys_own_is_its_failure() -> None:
    async def impatient() -> bytes:
        async with asyncio.timeout(1):
            await asyncio.sleep(5)
        return b""

    async with call(deadline=10):
        with pytest.raises(TimeoutError) as caught:
            await memory().get_or_set("a", impatient)

    assert not isinstance(caught.value, StorageError)


def _plain() -> bytes:
    return b"made"


async def _text() -> str:
    return "made"


async def _nothing() -> None:
    return None


@pytest.mark.parametrize(
    "factory", [_plain, _text, _nothing, b"made"], ids=["not-async", "text", "none", "no-function"]
)
async def test_a_factory_that_makes_no_bytes_is_refused(factory: Any) -> None:
    store = memory()

    with pytest.raises(Invalid, match="must be"):
        await store.get_or_set("a", factory)

    assert await store.get("a") is None


@pytest.mark.parametrize("ttl", [0, -1, float("nan"), float("inf"), True, "1"], ids=str)
async def test_a_wrong_time_to_live_is_refused_before_it_asks(ttl: Any) -> None:
    with pytest.raises(Invalid, match="ttl"):
        await Stack().over(ScriptedKeyValue()).get_or_set("a", Factory(), ttl=ttl)


async def test_refuses_before_making_where_nothing_may_be_stored() -> None:
    store, factory = Stack(ReadOnly()).over(MemoryKeyValue()), Factory()

    with pytest.raises(Unsupported, match="CompareAndSet"):
        await store.get_or_set("a", factory)

    assert factory.begun == 0


async def test_a_cached_value_asks_nothing_and_fresh_asks() -> None:
    backend, factory = ScriptedKeyValue(without=(GetStamped,)), Factory()
    store = Stack(Cache(60)).over(backend)
    backend.expect(Get("a")).returns(b"there")
    backend.expect(Get("a", fresh=True)).returns(b"newer")

    assert await store.get_or_set("a", factory) == b"there"
    assert await store.get_or_set("a", factory) == b"there"
    assert await store.get_or_set("a", factory, fresh=True) == b"newer"


async def test_closing_waits_for_what_is_being_made_and_stores_it() -> None:
    backend, factory = MemoryKeyValue(), Factory(2.0)
    store = Stack().over(backend)
    task = spawn(store, store.get_or_set("a", factory))
    await asyncio.sleep(1)

    await store.close()

    assert await task == b"made 1"
    with pytest.raises(Closed):
        await store.get_or_set("a", factory)


def test_another_loop_is_refused() -> None:
    store, factory = memory(), Factory()
    run(store.get_or_set("a", factory))

    with pytest.raises(WrongLoop):
        run(store.get_or_set("b", factory))


def test_cancelled_anywhere_it_leaves_nothing_behind() -> None:
    stores: list[KeyValue] = []

    async def scenario() -> None:
        store, factory = slow(1.0), Factory(1.0)
        stores.append(store)
        assert await store.get_or_set("a", factory) == b"made 1"

    def nothing_is_left() -> None:
        while stores:
            assert not stores.pop()._makes.is_busy()

    assert sweep(scenario, after=nothing_is_left).points == 3


def test_cancelled_anywhere_it_leaves_the_others_alone() -> None:
    async def scenario() -> None:
        store, factory = slow(1.0), Factory(1.0)
        other = store.bound.runtime.spawn(_asks(store, factory), "other")
        try:
            await store.get_or_set("a", factory)
        finally:
            await other

    sweep(scenario)


async def _asks(store: KeyValue, factory: Factory) -> None:
    await asyncio.sleep(0)
    assert (await store.get_or_set("a", factory)).startswith(b"made")


def changes() -> Callable[[], Coroutine[Any, Any, None]]:
    seeds = count()
    return lambda: _change(random.Random(next(seeds)))


async def _change(rng: random.Random) -> None:
    """What is made shows what was true; whoever changes that deletes what was made of it."""
    backend = Faulty(MemoryKeyValue(), rng, latency=lambda rng: rng.choice((0.0, 0.5, 1.0)))
    store = Stack(Cache(100)).over(backend)
    truth, floor = [1], [1]

    async def factory() -> bytes:
        found = truth[0]
        await asyncio.sleep(rng.choice((0.0, 0.5, 2.0)))
        return b"%d" % found

    async def makes() -> None:
        for _ in range(6):
            await asyncio.sleep(rng.choice((0.0, 0.5, 1.0)))
            least = floor[0]
            task = spawn(store, store.get_or_set("a", factory))
            if rng.random() < 0.2:
                await asyncio.sleep(rng.choice((0.0, 0.5)))
                task.cancel()
            with suppress(asyncio.CancelledError):
                assert int(await task) >= least, "what was deleted is back"

    async def changes() -> None:
        for _ in range(4):
            await asyncio.sleep(rng.choice((0.0, 0.5, 1.0)))
            truth[0] += 1
            now = truth[0]
            await store.delete("a")
            floor[0] = max(floor[0], now)

    works = [makes(), makes(), makes(), changes(), changes()]
    tasks = [store.bound.runtime.spawn(work, "racer") for work in works]
    for task in tasks:
        await task
    assert not store._makes.is_busy()
    assert int(await store.get_or_set("a", factory)) == truth[0]


@pytest.mark.slow
def test_no_schedule_brings_back_what_was_deleted() -> None:
    explore(changes(), schedules=600)


@pytest.mark.parametrize("part", ["outdate", "wait"])
def test_without_minding_deletions_what_was_deleted_is_found(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if part == "outdate":
        monkeypatch.setattr("lamina.once.Once.outdate", lambda *_: None)
    else:
        made = "lamina.domains.keyvalue.makes"
        monkeypatch.setattr(f"{made}.Makes._store", lambda _, store, send: _stored(store, send))

    with pytest.raises(AssertionError):
        explore(changes(), schedules=600)


def races() -> Callable[[], Coroutine[Any, Any, None]]:
    seeds = count()
    return lambda: _race(random.Random(next(seeds)))


async def _race(rng: random.Random) -> None:
    """Makers, a writer and cancelled ones at one key; a write told as done is not lost."""
    backend = Faulty(MemoryKeyValue(), rng, latency=lambda rng: rng.choice((0.0, 0.5, 1.0)))
    store = Stack(Cache(100)).over(backend)
    numbers, written = count(1), [b""]

    async def factory() -> bytes:
        number = next(numbers)
        await asyncio.sleep(rng.choice((0.0, 0.5, 2.0)))
        return b"made %d" % number

    async def makes() -> None:
        for _ in range(4):
            await asyncio.sleep(rng.choice((0.0, 0.5, 1.0)))
            floor = written[0]
            task = spawn(store, store.get_or_set("a", factory))
            if rng.random() < 0.3:
                await asyncio.sleep(rng.choice((0.0, 0.5)))
                task.cancel()
            with suppress(asyncio.CancelledError):
                found = await task
                assert not floor or found >= floor, "a write that was told as done is lost"

    async def writes() -> None:
        for number in range(3):
            await asyncio.sleep(rng.choice((0.0, 1.0, 2.0)))
            value = b"written %d" % number  # later than each that was made, in this order
            await store.set("a", value)
            written[0] = value

    works = [makes(), makes(), makes(), writes()]
    tasks = [store.bound.runtime.spawn(work, "racer") for work in works]
    for task in tasks:
        await task
    assert not store._makes.is_busy()
    assert await store.get("a", fresh=True) == b"written 2"


@pytest.mark.slow
def test_no_schedule_loses_a_write_to_what_is_made() -> None:
    explore(races(), schedules=600)


def test_stored_without_asking_for_absence_a_lost_write_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def stored(store: CompareAndSet, send: Any) -> bytes:
        await send(Set(store.key, store.value, store.ttl, scope=store.scope))
        return store.value

    monkeypatch.setattr("lamina.domains.keyvalue.makes._stored", stored)

    with pytest.raises(AssertionError):
        explore(races(), schedules=600)
