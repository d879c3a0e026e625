"""Batch sends what is asked at the same time as one, and tells each its own answer."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from batch_backend import Bulk, Single, batch_of, is_empty, settled, status
from holding import clock

import lamina
import lamina.context
from lamina.backends.memory import MemoryKeyValue, MemoryMedia
from lamina.domains.keyvalue import Append, Get, GetMany, Increment, KeyValue, Set, SetMany
from lamina.errors import (
    AuthError,
    Closed,
    Conflict,
    Corrupt,
    DeadlineExceeded,
    Invalid,
    RateLimited,
    StackError,
    StorageError,
    Unavailable,
)
from lamina.layers.batch import Batch
from lamina.layers.metrics import Metrics
from lamina.layers.timeout import Timeout
from lamina.stack import Stack
from lamina.testing.faulty import Faulty
from lamina.values import Done, Failed


def over(backend: Bulk, **options: Any) -> KeyValue:
    return Stack(Batch(**options)).over(backend)


async def gathered(store: KeyValue, keys: str) -> list[Any]:
    return await asyncio.gather(*map(store.get, keys), return_exceptions=True)


async def begun(*works: Any) -> list[asyncio.Task[Any]]:
    tasks = [asyncio.ensure_future(work) for work in works]
    for _ in range(4):
        await asyncio.sleep(0)
    return tasks


async def test_concurrent_reads_become_one_and_each_gets_its_own() -> None:
    backend = Bulk()
    store = over(backend)

    assert await gathered(store, "abcd") == [b"a", b"b", b"c", b"d"]

    assert backend.sent() == ["a", "b+c+d"]  # the first found nothing pending or under way
    assert clock() == 1.0
    assert status(store) == (1, 1, 3, 3, 0, 0, 0, 0)
    await settled()
    assert is_empty(store)


async def test_a_lone_read_passes_at_once_as_it_is() -> None:
    backend = Bulk(0.0)
    store = over(backend, wait=9.0)

    for _ in range(3):
        assert await store.get("a") == b"a"

    assert backend.calls == [Get("a")] * 3
    assert status(store).lone == 3
    await settled()
    assert is_empty(store)


async def test_workers_that_loop_are_sent_together() -> None:
    backend = Bulk()
    store = over(backend)

    async def worker(number: int) -> None:
        for turn in range(5):
            assert await store.get(f"{number}.{turn}") == f"{number}.{turn}".encode()

    await asyncio.gather(*map(worker, range(20)))

    sizes = [len(op.keys) if isinstance(op, GetMany) else 1 for op in backend.calls]
    assert len(sizes) <= 10  # one more each time, for what does not end in the same turn
    assert sum(sizes) == 100


async def test_rounds_of_gather_are_one_batch_each_but_for_the_first_call() -> None:
    backend = Bulk()
    store = over(backend)

    for _ in range(4):
        await gathered(store, "abc")

    assert backend.sent() == ["a", "b+c", *["a+b+c"] * 3]
    await asyncio.sleep(0.1)  # whoever comes later is alone again
    await store.get("x")
    assert backend.calls[-1] == Get("x")
    assert status(store).lone == 2


async def test_groups_are_told_apart_by_scope_and_options() -> None:
    backend = Bulk()
    store = over(backend)
    acme = store.scoped("acme")
    await begun(store.get("x"), acme.get("x"), store.get("x", fresh=True))

    works = [store.get("a"), store.get("b"), acme.get("a"), acme.get("b")]
    works += [store.get("a", fresh=True), store.get("b", fresh=True)]
    await asyncio.gather(*works)

    assert backend.calls[3:] == [
        GetMany(("a", "b")),
        GetMany(("a", "b"), scope="acme"),
        GetMany(("a", "b"), fresh=True),
    ]
    await settled()
    assert is_empty(store)


async def test_many_tenants_leave_no_memory() -> None:
    store = over(Bulk())

    tenants = [store.scoped(f"t{number}") for number in range(200)]
    await asyncio.gather(*(one.get(key) for one in tenants for key in "ab"))

    assert status(store).batches == 200
    await settled()
    assert is_empty(store)


async def test_a_parcel_waits_as_long_as_told() -> None:
    backend = Bulk()
    store = over(backend, wait=0.5)
    first = await begun(store.get("x"))

    async def later() -> bytes | None:
        await asyncio.sleep(0.4)
        return await store.get("b")

    assert await asyncio.gather(store.get("a"), later()) == [b"a", b"b"]
    assert backend.sent() == ["x", "a+b"]
    assert clock() == 1.5
    await first[0]


async def test_a_parcel_is_sent_early_enough_for_the_earliest_deadline() -> None:
    backend = Bulk(0.1)
    store = over(backend, wait=10.0)
    await begun(store.get("x"))

    async def hurried() -> bytes | None:
        async with lamina.call(deadline=0.4):
            return await store.get("a")

    assert await asyncio.gather(store.get("b"), hurried()) == [b"b", b"a"]
    assert clock() == pytest.approx(0.3)


async def test_a_full_parcel_is_sent_at_once() -> None:
    backend = Bulk(0.5)
    store = over(backend, wait=60.0, max_items=3)
    first = await begun(store.get("x"))

    assert await gathered(store, "abcdef") == [b"a", b"b", b"c", b"d", b"e", b"f"]

    assert backend.sent() == ["x", "a+b+c", "d+e+f"]
    assert clock() == 0.5
    await first[0]


async def test_a_flood_is_cut_and_starves_no_other_group() -> None:
    backend = Bulk()
    store = over(backend, max_items=100)
    acme = store.scoped("acme")

    flood = [store.get(f"{number}") for number in range(1001)]
    told = await asyncio.gather(*flood, acme.get("a"), acme.get("b"))

    assert told[-2:] == [b"a", b"b"]
    assert clock() == 1.0  # all were under way at once
    assert status(store).largest == 100


async def test_content_is_bounded() -> None:
    backend = Bulk()
    store = over(backend, max_bytes=5)
    await begun(store.set("x", b"."))

    sizes = {"a": b"22", "b": b"333", "c": b"1", "d": b"999999999", "e": b"1"}
    await asyncio.gather(*(store.set(key, value) for key, value in sizes.items()))

    assert backend.sent() == ["x=.", "a=22+b=333", "c=1", "d=999999999", "e=1"]


async def test_writes_become_one_where_the_backend_can() -> None:
    backend = Bulk()
    store = over(backend)

    await asyncio.gather(*(store.set(key, b"1") for key in "abc"))

    assert backend.sent() == ["a=1", "b=1+c=1"]
    ttls = [store.set(key, b"2", ttl=ttl) for key, ttl in (("a", 1), ("b", 1), ("c", 2), ("d", 2))]
    await asyncio.gather(*ttls)
    assert backend.sent()[2:] == ["a=2", "c=2", "b=2", "d=2"]
    await settled()
    assert is_empty(store)


async def test_two_writes_of_one_key_are_sent_one_after_the_other() -> None:
    backend = Bulk()
    store = over(backend)

    await asyncio.gather(
        *(store.set(key, value) for key, value in [("a", b"1"), ("a", b"2"), ("b", b"1")]),
        store.set("b", b"2", ttl=9),
        *(store.set(key, value) for key, value in [("a", b"3"), ("b", b"3")]),
    )

    order = [shown for one in backend.sent() for shown in one.split("+")]
    for key in "ab":
        assert [shown for shown in order if shown[0] == key] == [f"{key}={n}" for n in (1, 2, 3)]
    assert clock() == 3.0
    assert backend.values == {("", "a"): b"3", ("", "b"): b"3"}
    await settled()
    assert is_empty(store)


async def test_a_write_that_waits_for_another_leaves_at_its_deadline() -> None:
    backend = Bulk()
    store = over(backend)
    tasks = await begun(store.set("a", b"1"))

    async with lamina.call(deadline=0.5):
        with pytest.raises(DeadlineExceeded, match="earlier write of the same key") as caught:
            await store.set("a", b"2")

    assert (caught.value.sent, clock()) == ("no", 0.5)
    await store.set("a", b"3")
    assert backend.sent() == ["a=1", "a=3"]
    assert all(task.done() for task in tasks)
    await settled()
    assert is_empty(store)


async def test_a_read_after_a_finished_write_sees_it() -> None:
    backend = Bulk()
    store = over(backend, wait=0.2)
    await begun(store.get("x"), store.get("y"))

    async def write_and_read() -> bytes | None:
        await store.set("a", b"new")
        return await store.get("a")

    assert await write_and_read() == b"new"


def test_writes_without_a_batch_and_unsafe_ones_pass_untouched() -> None:
    for backend in (MemoryKeyValue(), Single()):
        layer = batch_of(Stack(Batch()).over(backend))

        assert layer.wants(Get)
        assert layer.wants(Set) == isinstance(backend, MemoryKeyValue)
        assert not any(map(layer.wants, [Append, Increment, GetMany, SetMany]))


async def test_heads_are_asked_with_bounded_concurrency() -> None:
    slow = Faulty(MemoryMedia(), random.Random(1), latency=0.1)
    store = Stack(Batch()).over(slow)
    await store.set("a", b"1")

    told = await asyncio.gather(*(store.head("a") for _ in range(40)))

    assert {info.size for info in told if info is not None} == {1}
    assert status(store).items == 39


async def test_each_item_has_its_own_outcome() -> None:
    backend = Bulk()
    error = Invalid("bad item")
    backend.script = lambda op: (
        (Done(b"1"), Failed(error), Done(None)) if isinstance(op, GetMany) else None
    )
    store = over(backend)

    _, one, bad, absent = await gathered(store, "xabc")

    assert (one, absent) == (b"1", None)
    assert isinstance(bad, Invalid)
    assert bad is not error
    assert bad.__cause__ is error
    assert bad.brief is not None
    assert (bad.brief.operation, bad.brief.target) == ("Get", "'b'")


def failing(error: Exception, *, key: str | None = None) -> Any:
    """Return a script by which batches fail, and the read of *key* too."""

    def fail(op: Any) -> None:
        if isinstance(op, GetMany) or getattr(op, "key", "") == key:
            raise error

    return fail


@pytest.mark.parametrize(
    "error",
    [Unavailable("down"), AuthError("no"), RateLimited("full"), RuntimeError("bug"), Closed("x")],
    ids=lambda error: type(error).__name__,
)
async def test_a_whole_batch_that_fails_is_told_to_each_as_its_own(error: Exception) -> None:
    backend = Bulk()
    backend.script = failing(error)
    store = over(backend)

    good, *failed = await gathered(store, "xabc")

    assert good == b"x"
    assert {type(one) for one in failed} == {type(error)}
    assert len({id(one) for one in [error, *failed]}) == 4
    assert all(one.__cause__ is error for one in failed)
    assert backend.sent() == ["x", "a+b+c"]
    await settled()
    assert is_empty(store)


@pytest.mark.parametrize("kind", [Invalid, Corrupt, Conflict])
async def test_one_bad_item_never_fails_the_innocent_ones(kind: type[StorageError]) -> None:
    backend = Bulk()
    backend.script = failing(kind("bad"), key="b")
    store = over(backend)

    told = await gathered(store, "xabc")

    assert [told[0], told[1], told[3]] == [b"x", b"a", b"c"]
    assert isinstance(told[2], kind)
    assert backend.sent() == ["x", "a+b+c", "a", "b", "c"]
    assert status(store).split == 1


async def test_a_batch_of_writes_that_may_have_arrived_is_not_sent_again() -> None:
    backend = Bulk()

    def fail(op: Any) -> None:
        if not isinstance(op, Set):
            msg = "garbled"
            raise Corrupt(msg, sent=sent)

    backend.script = fail
    store = over(backend)
    for sent, count in (("maybe", 2), ("no", 4)):
        backend.calls.clear()
        writes = [store.set(key, b"1") for key in "xab"]
        told = await asyncio.gather(*writes, return_exceptions=True)
        assert len(backend.calls) == count
        assert isinstance(told[1], Corrupt) == (sent == "maybe")


@pytest.mark.parametrize(
    "garbage",
    [(), (Done(b"1"),), (Done(b"1"),) * 3, [Done(b"1"), Done(b"2")], "no", (None, None), (1, 2)],
    ids=["none", "fewer", "more", "list", "text", "nothing", "numbers"],
)
async def test_garbage_is_a_typed_error_or_asked_again_and_nobody_hangs(garbage: Any) -> None:
    backend = Bulk()
    backend.script = lambda op: garbage if isinstance(op, GetMany) else None
    store = over(backend)

    told = await gathered(store, "xab")

    is_split = status(store).split == 1
    assert is_split or all(isinstance(one, Corrupt) for one in told[1:])
    if is_split:
        assert told == [b"x", b"a", b"b"]
    await settled()
    assert is_empty(store)


async def test_each_leaves_at_its_own_deadline_and_the_batch_goes_on() -> None:
    backend = Bulk()
    seen: list[float | None] = []

    def note(op: Any) -> None:
        if isinstance(op, GetMany):
            found = lamina.context.current.get()
            seen.append(None if found is None else found.deadline)

    backend.script = note
    store = over(backend)

    async def within(seconds: float, key: str) -> Any:
        async with lamina.call(deadline=seconds):
            try:
                return await store.get(key)
            except DeadlineExceeded as error:
                return (clock(), error.layer, error.sent)

    first = await begun(store.get("x"))
    told = await asyncio.gather(within(0.3, "a"), within(0.2, "b"), within(5.0, "c"))
    assert told == [(0.3, "batch", "maybe"), (0.2, "batch", "maybe"), b"c"]
    assert backend.sent() == ["x", "a+b+c"]
    await asyncio.gather(*first)

    await begun(store.get("x"))
    told = await asyncio.gather(within(0.3, "a"), store.get("b"))
    assert told == [(pytest.approx(1.3), "batch", "maybe"), b"b"]
    assert seen == [5.0, None]  # the latest, and none if one has none
    await settled()
    assert is_empty(store)


async def test_a_deadline_that_has_passed_is_told_before_anything_is_sent() -> None:
    backend = Bulk()
    store = over(backend)
    first = await begun(store.get("x"))

    async with lamina.call(deadline=0.0):
        with pytest.raises(DeadlineExceeded) as caught:
            await store.get("a")
    await first[0]

    assert (caught.value.sent, backend.sent()) == ("no", ["x"])


async def test_when_the_last_has_left_the_batch_is_cancelled() -> None:
    backend = Bulk()
    store = over(backend)
    tasks = await begun(*map(store.get, "xab"))

    tasks[1].cancel()
    await asyncio.sleep(0.5)
    assert status(store).running == 1
    tasks[2].cancel()
    await asyncio.sleep(0.1)

    assert status(store).running == 0
    assert await tasks[0] == b"x"
    await asyncio.sleep(1.0)
    assert backend.ended == [Get("x")]
    await settled()
    assert is_empty(store)


async def test_a_pending_call_that_is_cancelled_is_never_sent() -> None:
    backend = Bulk()
    store = over(backend, wait=0.5)
    writes = await begun(*(store.set(key, b"1") for key in "xabc"))
    writes[2].cancel()
    alone = await begun(store.scoped("acme").set("x", b"1"), store.scoped("acme").set("a", b"1"))
    alone[1].cancel()

    await asyncio.wait([*writes, *alone])

    assert backend.sent() == ["x=1", "x=1", "a=1+c=1"]
    assert status(store).left == 2
    await settled()
    assert is_empty(store)


async def test_what_the_batch_collected_is_told_to_each_caller() -> None:
    backend = Bulk()

    def note(op: Any) -> None:
        found = lamina.context.current.get()
        if isinstance(op, GetMany) and found is not None:
            found.degraded.append(op.brief())
            found.served_by[op.brief()] = "another"

    backend.script = note
    store = over(backend)

    async def asked(key: str) -> Any:
        async with lamina.call() as call:
            assert await store.get(key) == key.encode()
        return len(call.degraded), [*call.served_by.values()]

    told = await asyncio.gather(*map(asked, "xab"))
    assert told == [(0, []), (1, ["another"]), (1, ["another"])]


async def test_closing_lets_nobody_hang() -> None:
    backend = Bulk(100.0)
    store = over(backend, wait=50.0)
    acme = store.scoped("acme")
    works = [store.get("x"), store.get("a"), acme.set("x", b"1"), acme.set("x", b"2")]
    tasks = await begun(*works, acme.set("b", b"3"))

    await store.close()
    done, hanging = await asyncio.wait(tasks, timeout=200)

    assert not hanging
    errors = [task.exception() for task in tasks]
    assert [isinstance(error, Closed) for error in errors] == [False, True, False, True, True]
    assert clock() <= 120.0
    assert done
    await settled()
    assert is_empty(store)


async def test_closing_ends_a_batch_that_does_not() -> None:
    backend = Bulk(100.0)
    store = over(backend)
    tasks = await begun(*map(store.get, "xab"))

    await store.close()
    await asyncio.wait(tasks[1:], timeout=1)

    assert all(isinstance(task.exception(), Closed) for task in tasks[1:])
    tasks[0].cancel()


async def test_calls_and_attempts_are_counted_apart() -> None:
    store = Stack(Metrics(), Batch()).over(Bulk())

    await gathered(store, "abcd")

    told = store.bound.layer(Metrics)
    assert told is not None
    summary = told.summary()
    assert summary["Get"]["calls"]["succeeded"] == 4
    assert summary["Get"]["attempts"]["succeeded"] == 1
    assert summary["GetMany"]["attempts"]["succeeded"] == 1


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"wait": -0.1}, "wait must be a finite number from 0"),
        ({"wait": float("nan")}, "wait"),
        ({"wait": float("inf")}, "wait"),
        ({"wait": True}, "wait"),
        ({"wait": "1"}, "wait"),
        ({"max_items": 1}, "max_items must be a whole number from 2"),
        ({"max_items": 2.0}, "max_items"),
        ({"max_items": True}, "max_items"),
        ({"max_bytes": 0}, "max_bytes must be a whole number from 1"),
        ({"max_bytes": [1]}, "max_bytes"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(StackError, match=f"Batch: {named}"):
        Batch(**options)


def test_the_plan_tells_the_worst_case() -> None:
    store = Stack(Batch(wait=0.5, max_items=32), Timeout(2.0)).over(Bulk())
    worst = {op.operation: op.worst for op in store.bound.plan().operations}

    assert (worst["Get"].attempts, worst["Get"].seconds) == (2, 6.5 + 0.0)
    assert (worst["Set"].attempts, worst["Set"].seconds) == (2, None)
    assert worst["GetMany"].attempts == 1
