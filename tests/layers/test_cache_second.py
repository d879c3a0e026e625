"""A second tier under Cache: shared by processes, never in the way, and told what writes change."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest
from cache_backend import Slow, cache_of
from second_backend import Shared

from lamina.backends.memory import MemoryKeyValue
from lamina.backends.sqlite import SqliteKeyValue
from lamina.context import call, current
from lamina.domains.keyvalue import Get
from lamina.errors import StackError
from lamina.layers.cache import Cache
from lamina.layers.timeout import Timeout
from lamina.operation import Operation
from lamina.stack import Stack
from lamina.testing import ScriptedKeyValue
from lamina.testing.clock import run
from lamina.testing.sweep import sweep

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.layer import Bytes


def now() -> float:
    return asyncio.get_running_loop().time()


def shared(**told: Any) -> Shared:
    return Shared(random.Random(1), **told)


def process(backend: Any, l2: Any, ttl: float = 60.0, **told: Any) -> Any:
    options = {"l2_namespace": "x", **told}
    return Stack(Cache(ttl, jitter=0, l2=l2, **options)).over(backend)


def stats(store: Any) -> Any:
    return cache_of(store).stats().second


async def read(store: Any, key: str = "a") -> bytes | None:
    """Read, and let what goes on behind the answer end."""
    told: bytes | None = await store.get(key)
    await asyncio.sleep(0.01)
    return told


@pytest.fixture
def backend() -> Slow:
    made = Slow(0.0)
    made.values["", "a"] = b"1"
    return made


async def test_another_process_is_answered_without_the_backend(backend: Slow) -> None:
    l2 = Stack().over(MemoryKeyValue())
    one, two = process(backend, l2), process(backend, l2)

    told = [await read(one), await read(two), await read(two)]

    assert (told, len(backend.calls)) == ([b"1"] * 3, 1)
    assert stats(one)._replace(available=True) == (0, 1, 1, 0, 0, 0, 0, True)
    assert (stats(two).hits, stats(two).misses, stats(two).available) == (1, 0, True)


async def test_over_a_database_file_it_outlives_the_process(tmp_path: Path) -> None:
    backend = Slow(0.0)
    for key in ("a", "b"):
        backend.values["", key] = key.encode()
    for _ in range(2):
        async with Stack().over(SqliteKeyValue(tmp_path / "l2.db")) as l2:
            store = process(backend, l2)
            assert await store.get_many(["a", "b", "none"]) == (b"a", b"b", None)
            await store.close()

    assert len(backend.calls) == 1


async def test_ca11_what_a_process_writes_no_other_reads_from_before(backend: Slow) -> None:
    l2 = shared()
    one, two = process(backend, l2, ttl=1.0, l2_ttl=60.0), process(backend, l2, ttl=1.0, l2_ttl=60)
    await read(one)
    await one.set("a", b"2")
    await asyncio.sleep(1.0)

    assert await read(two) == b"2"
    await asyncio.sleep(6.0)  # the hold is over, and there are new generations
    assert [await read(two), await read(one)] == [b"2", b"2"]
    assert stats(one).hits == 1


async def test_a_sure_write_costs_one_call_of_the_store(backend: Slow) -> None:
    l2 = shared()
    store = process(backend, l2)

    await store.set("a", b"2")
    await asyncio.sleep(1.0)

    assert l2.calls == 1


async def test_ca3_ca10_an_answer_asked_before_a_write_is_not_kept(backend: Slow) -> None:
    l2 = shared()
    one, two = process(backend, l2), process(backend, l2)
    backend.delay = 1.0
    late = asyncio.create_task(one.get("a"), name="late")
    await asyncio.sleep(0.5)
    backend.delay = 0.0
    await two.set("a", b"2")
    assert await late == b"1"
    await asyncio.sleep(6.0)

    assert await read(process(backend, l2)) == b"2"


async def test_ca3_what_cannot_be_read_is_a_miss_and_counted(backend: Slow) -> None:
    l2 = shared()
    one, two = process(backend, l2), process(backend, l2)
    await read(one)
    (key,) = [key for key in l2.held if ":Get:" in key]
    l2.write({key: l2.held[key][0][:-1]}, None)

    assert await read(two) == b"1"
    assert (stats(two).unreadable, stats(two).misses, len(backend.calls)) == (1, 1, 2)
    assert await read(process(backend, l2)) == b"1"  # it was put right
    assert len(backend.calls) == 2


async def test_a_generation_that_is_none_is_replaced(backend: Slow) -> None:
    l2 = shared()
    store = process(backend, l2)
    for _ in range(2):
        await read(store)
        l2.write({key: b"junk" for key in l2.held if ":gen:" in key}, None)
        assert await read(process(backend, l2)) == b"1"
        await asyncio.sleep(6.0)

    assert await read(process(backend, l2)) == b"1"
    assert not [value for value, _, _ in l2.held.values() if value == b"junk"]


@pytest.mark.parametrize("told", [(b"x",), "ab", (1, 2, 3, 4), None], ids=repr)
async def test_a_store_that_answers_nonsense_is_a_miss(backend: Slow, told: Any) -> None:
    l2: Any = shared()

    async def nonsense(*_: object, **__: object) -> Any:
        return told

    l2.get_many = nonsense
    store = process(backend, l2)

    assert await read(store) == b"1"
    assert stats(store).failed == 1


async def test_a_store_that_is_down_leaves_the_first_tier(backend: Slow) -> None:
    l2 = shared()
    store = process(backend, l2)
    l2.down = True

    assert [await read(store), await read(store)] == [b"1", b"1"]
    assert (len(backend.calls), l2.calls) == (1, 1)
    assert (stats(store).failed, stats(store).available) == (1, False)

    l2.down = False
    await asyncio.sleep(1.0)
    await read(store, "b")
    assert stats(store).available


async def test_a_store_that_hangs_costs_its_timeout_once(backend: Slow) -> None:
    l2 = shared(faults=1.5)  # hangs, mostly
    l2.rng = random.Random(5)
    l2.rng.random = lambda: 0.8  # type: ignore[method-assign]
    store = process(backend, l2, l2_timeout=0.2, l2_pause=3.0)

    await store.get("a")
    first = now()
    await asyncio.gather(*(store.get(f"{n}") for n in range(50)))

    assert (first, now()) == (pytest.approx(0.2), pytest.approx(0.2))
    assert (stats(store).failed, stats(store).skipped) == (1, 50)
    await asyncio.sleep(3.0)
    took = await asyncio.gather(*(_seconds(store.get(f"later {n}")) for n in range(50)))
    assert sorted(took) == pytest.approx([0.0] * 49 + [0.2])


async def _seconds(work: Any) -> float:
    began = now()
    await work
    return now() - began


async def test_of_a_deadline_half_is_left_for_the_backend(backend: Slow) -> None:
    l2 = shared(faults=3.0)
    l2.rng.random = lambda: 1.5  # type: ignore[method-assign]
    store = process(backend, l2, l2_timeout=10.0)

    async with call(deadline=0.4) as told:
        assert await store.get("a") == b"1"
        assert now() == pytest.approx(0.2)
        assert (told.degraded, told.late, current.get()) == ([], [], told)

    assert stats(store).available  # the deadline was short, the store need not be slow


async def test_a_store_s_own_troubles_are_not_told_to_the_caller(backend: Slow) -> None:
    scripted = ScriptedKeyValue()
    l2 = Stack(Timeout(0.05)).over(scripted)
    store = process(backend, l2)
    async with call() as told:
        await store.get("a")  # the script expects nothing

    assert (told.degraded, told.served_by, stats(store).failed) == ([], {}, 1)


async def test_what_a_store_was_not_told_is_owed_and_paid(backend: Slow) -> None:
    l2 = shared()
    one = process(backend, l2, ttl=0.5, l2_ttl=600.0)
    await read(one)
    l2.down = True
    await one.set("a", b"2")
    assert (stats(one).owed, stats(one).available) == (2, False)
    l2.down = False
    await asyncio.sleep(0.7)
    assert await read(one) == b"2"  # still paused, and it goes without
    await asyncio.sleep(1.0)

    assert [await read(one), await read(one)] == [b"2", b"2"]
    assert (stats(one).owed, stats(one).available) == (0, True)
    assert await read(process(backend, l2)) == b"2"


async def test_too_many_debts_become_one() -> None:
    backend, l2 = Slow(0.0), shared()
    store = process(backend, l2)
    await read(store)
    l2.down = True
    for place in range(5000):
        await store.set(f"{place}", b"")
    assert stats(store).owed <= 4097
    await asyncio.sleep(1.0)
    l2.down = False
    await read(store)
    await read(store, "b")
    assert stats(store).owed == 0


async def test_ca11_a_cancelled_write_is_owed_and_its_hold_is_renewed(backend: Slow) -> None:
    l2 = shared()
    store = process(backend, l2)
    await read(store)
    backend.delay = 3.0
    task = asyncio.create_task(store.set("a", b"2"), name="cut")
    await asyncio.sleep(2.0)
    before = [at for key, (_, at, _) in l2.held.items() if ":gen:" in key]
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0.01)

    after = [at for key, (value, at, _) in l2.held.items() if ":gen:" in key and value == b"?"]
    assert max(before) < 0.1
    assert after == pytest.approx([2.01, 2.01])  # a read took the rest
    assert stats(store).owed == 0


async def test_a_write_longer_than_its_hold_is_not_over_before_the_next(backend: Slow) -> None:
    l2 = shared()
    store = process(backend, l2)
    backend.delay = 7.0

    await store.set("a", b"2")

    held = [at for key, (value, at, _) in l2.held.items() if ":gen:" in key and value == b"?"]
    assert held == pytest.approx([7.0, 7.0])


@pytest.mark.parametrize("how", ["tag", "scope", "key", "all"])
async def test_ca12_an_invalidation_reaches_every_process(backend: Slow, how: str) -> None:
    l2 = shared()
    one, two = process(backend, l2), process(backend, l2, ttl=0.1, l2_ttl=60.0)
    await read(one)
    assert await read(two) == b"1"
    backend.values["", "a"] = b"2"  # by another program

    told = {"tag": {"tag": Get("a").tags()[0]}, "scope": {"scope": ""}, "key": {"key": "a"}}
    cache_of(one).invalidate(**told.get(how, {}))
    await asyncio.sleep(0.2)

    assert [await read(two), await read(one)] == [b"2", b"2"]


async def test_an_invalidation_outside_of_a_loop_is_paid_at_the_next_use(backend: Slow) -> None:
    l2 = shared()
    one = process(backend, l2)
    await read(one)
    await asyncio.to_thread(cache_of(one).invalidate)
    assert stats(one).owed == 1
    await read(one, "b")

    assert stats(one).owed == 0


async def test_a_store_that_lost_everything_is_used_again_after_a_while(backend: Slow) -> None:
    l2 = shared()
    one = process(backend, l2, ttl=0.1, l2_ttl=60.0)
    await read(one)
    l2.held.clear()
    for _ in range(50):
        await asyncio.sleep(0.1)
        await read(one)
    assert (stats(one).hits, stats(one).stored) == (0, 1)
    await asyncio.sleep(2.0)
    await read(one)
    await asyncio.sleep(0.2)
    await read(one)

    assert (stats(one).hits, stats(one).stored) == (1, 2)


async def test_an_answer_does_not_live_longer_than_from_when_it_was_true(backend: Slow) -> None:
    l2 = shared()
    one, two = process(backend, l2), process(backend, l2)
    await read(one)
    await asyncio.sleep(40.0)
    backend.values["", "a"] = b"2"
    assert await read(two) == b"1"
    await asyncio.sleep(19.0)
    assert await read(two) == b"1"
    await asyncio.sleep(1.1)

    assert await read(two) == b"2"


async def test_a_value_s_own_expiry_goes_along() -> None:
    l2, backend = shared(), MemoryKeyValue()
    one, two = process(backend, l2), process(backend, l2)
    await one.set("a", b"1", ttl=8.0)
    await asyncio.sleep(5.5)
    assert [await read(one), await read(two)] == [b"1", b"1"]
    assert stats(two).hits == 1
    await asyncio.sleep(2.5)

    assert [await read(one), await read(two)] == [None, None]


async def test_ca9_an_absent_answer_is_kept_for_its_own_time(backend: Slow) -> None:
    l2 = shared()
    await read(process(backend, l2, negative_ttl=3.0), "none")
    await read(process(backend, l2, negative_ttl=3.0), "none")
    assert len(backend.calls) == 1
    await asyncio.sleep(3.0)
    await read(process(backend, l2, negative_ttl=3.0), "none")
    await read(process(backend, l2, negative_ttl=None), "none")

    assert len(backend.calls) == 3


async def test_tenants_and_programs_do_not_see_each_other(backend: Slow) -> None:
    backend.values["t", "a"] = b"t"
    l2 = shared()
    one = process(backend, l2)
    other = process(ScriptedKeyValue(), l2, l2_namespace="other")
    assert [await read(one), await read(one.scoped("t"))] == [b"1", b"t"]
    assert await read(process(backend, l2).scoped("t")) == b"t"

    with pytest.raises(AssertionError):
        await read(other)


async def test_fresh_reads_ask_the_backend_and_refill_both_tiers(backend: Slow) -> None:
    l2 = shared()
    one = process(backend, l2)
    await read(one)
    backend.values["", "a"] = b"2"
    await one.get("a", fresh=True)
    await asyncio.sleep(0.01)

    assert await read(process(backend, l2)) == b"2"
    assert len(backend.calls) == 2


async def test_ca15_a_batch_takes_one_look_and_asks_for_the_rest(backend: Slow) -> None:
    backend.values["", "b"] = b"b"
    l2 = shared()
    await read(process(backend, l2))
    store, before = process(backend, l2), l2.calls

    told = await store.get_many(["b", "a", "none"])

    assert told == (b"b", b"1", None)
    assert l2.calls == before + 1
    assert backend.calls[-1].keys == ("b", "none")
    await asyncio.sleep(0.01)
    assert await process(backend, l2).get_many(["b", "a", "none"]) == told
    assert len(backend.calls) == 2


async def test_an_answer_too_large_is_not_kept(backend: Slow) -> None:
    backend.values["", "a"] = bytes(2**20)
    l2 = shared()
    store = process(backend, l2)
    await read(store)

    assert (stats(store).stored, stats(store).skipped) == (0, 1)


async def test_without_room_for_a_task_nothing_is_stored(backend: Slow) -> None:
    l2 = shared()
    store = process(backend, l2)
    store.bound.runtime.room = 0
    await read(store)

    assert (stats(store).stored, stats(store).skipped) == (0, 1)


async def test_closing_pays_what_is_owed(backend: Slow) -> None:
    l2 = shared()
    store = process(backend, l2)
    l2.down = True
    await store.set("a", b"2")
    l2.down = False
    await asyncio.sleep(1.0)
    await store.close()

    assert [value for value, _, _ in l2.held.values()] == [b"?", b"?"]


def test_a_tier_without_a_name_of_its_data_is_refused() -> None:
    with pytest.raises(StackError, match="l2 needs l2_namespace, a name that only caches of the"):
        Cache(60, l2=Stack().over(MemoryKeyValue()))


@pytest.mark.parametrize(
    "told",
    [
        {"l2": object()},
        {"l2": MemoryKeyValue},
        {"l2": "redis"},
        {"l2_ttl": 0},
        {"l2_ttl": float("nan")},
        {"l2_timeout": 0},
        {"l2_timeout": None},
        {"l2_timeout": float("inf")},
        {"l2_timeout": True},
        {"l2_pause": -1},
        {"l2_pause": "1"},
        {"l2_namespace": ""},
        {"l2_namespace": "a\0"},
        {"l2_namespace": "n" * 201},
        {"l2_namespace": 1},
    ],
    ids=lambda told: next(iter(told)) + "-" + type(next(iter(told.values()))).__name__,
)
def test_options_that_cannot_work_are_refused(told: dict[str, Any]) -> None:
    with pytest.raises(StackError, match=f"Cache: {next(iter(told))} must be"):
        Cache(60, **told)


def test_ca11_cancelled_at_any_await_nothing_is_left_and_nothing_is_stale() -> None:
    kept: list[tuple[Slow, Shared]] = []

    async def scenario() -> None:
        backend, l2 = Slow(0.1), shared(delay=0.01)
        kept.append((backend, l2))
        backend.values["", "a"] = b"1"
        async with process(backend, l2) as store:
            await store.get("a")
            await store.set("a", b"2")
            await store.get_many(["a", "b"])

    def judge() -> None:
        while kept:
            run(later(*kept.pop()))

    async def later(backend: Slow, l2: Shared) -> None:
        l2.held = {key: (value, at - 10, end - 10) for key, (value, at, end) in l2.held.items()}
        store = process(backend, l2, negative_ttl=None)
        assert await read(store) == backend.values["", "a"]
        await store.close()

    done = sweep(scenario, after=judge)
    assert done.points > 8


def test_a_store_of_ours_is_one_of_bytes() -> None:
    store: Bytes = Stack().over(MemoryKeyValue())
    Cache(60, l2=store, l2_namespace="x")


def test_an_operation_whose_answer_says_too_little_is_not_kept(backend: Slow) -> None:
    second: Any = vars(cache_of(process(backend, shared())))["_second"]
    assert second.keeps(Get)
    assert not second.keeps(Operation)
