"""Appends, counters and conditions through Seal and Squeeze: nothing lost, nothing done twice."""

from __future__ import annotations

import asyncio
import json
import random
import types
from typing import Any

import pytest
from tests.layers.mutants import mutant

import lamina
from lamina.backends.memory import MemoryKeyValue
from lamina.domains.keyvalue import (
    Append,
    CompareAndSet,
    GetStamped,
    Increment,
    KeyValue,
    coded,
)
from lamina.errors import Conflict, DeadlineExceeded, Unavailable, Unsupported
from lamina.layer import Layer
from lamina.layers.retry import Retry
from lamina.layers.seal import Seal
from lamina.layers.seal.codecs import Sealed
from lamina.layers.squeeze import Squeeze
from lamina.stack import Stack
from lamina.testing.clock import explore, run
from lamina.testing.faulty import Faulty
from lamina.testing.scripted import ScriptedKeyValue
from lamina.testing.sweep import sweep

KEY = Seal.new_key()
STACKS = {
    "seal": Stack(Seal(KEY)),
    "squeeze": Stack(Squeeze(least=1)),
    "both": Stack(Squeeze(least=1), Seal(KEY)),
}


@pytest.fixture(params=list(STACKS))
def stack(request: pytest.FixtureRequest) -> Stack:
    return STACKS[request.param]


def slow(backend: MemoryKeyValue, seed: int = 0) -> Faulty[KeyValue]:
    return Faulty(backend, random.Random(seed), latency=0.01)


async def race(stack: Stack, processes: int, each: int) -> None:
    """Append from several processes at once; check that all is there once, in its own order."""
    backend = MemoryKeyValue()
    stores = [stack.over(slow(backend, seed)) for seed in range(processes)]

    async def appends(place: int, store: KeyValue) -> list[int]:
        return list(
            await asyncio.gather(*(store.append("a", [place, item]) for item in range(each)))
        )

    told = await asyncio.gather(*(appends(place, store) for place, store in enumerate(stores)))

    lengths = sorted(length for lengths in told for length in lengths)
    assert lengths == list(range(1, processes * each + 1))
    found = json.loads(await stores[0].get("a") or b"")
    assert sorted(found) == [[place, item] for place in range(processes) for item in range(each)]
    for store in stores:
        await store.close()


def test_fifty_appends_at_once_are_all_kept(stack: Stack) -> None:
    run(race(stack, 1, 50))


def test_appends_of_two_processes_are_all_kept_in_every_order() -> None:
    explore(lambda: race(STACKS["seal"], 2, 3), schedules=500)


def test_appends_of_three_processes_are_all_kept(stack: Stack) -> None:
    explore(lambda: race(stack, 3, 3), schedules=500)


def _use(module: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sealed, "way", staticmethod(lambda domain: module.CodedKeyValue))


WRITE = "await self._below(CompareAndSet)(write)"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (WRITE, "await self._below(Set)(Set(write.key, write.value))"),
        ("for tried in range(_TRIES):", "for tried in range(1):"),
    ],
    ids=["no condition", "one try"],
)
def test_appends_without_a_condition_or_another_try_are_found_out(
    old: str, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use(mutant(coded, old, new), monkeypatch)

    with pytest.raises((AssertionError, Conflict)):
        explore(lambda: race(STACKS["seal"], 2, 3), schedules=500)


def test_counts_of_two_processes_are_all_counted() -> None:
    async def scenario() -> None:
        backend = MemoryKeyValue()
        stores = [STACKS["both"].over(slow(backend, seed)) for seed in range(2)]
        told = await asyncio.gather(
            *(store.increment("a", 2) for store in stores for _ in range(4))
        )
        assert sorted(told) == [2, 4, 6, 8, 10, 12, 14, 16]
        assert await stores[1].get("a") == b"16"

    explore(scenario, schedules=500)


def test_one_idempotency_key_appends_once_whoever_asks() -> None:
    async def scenario() -> None:
        backend = MemoryKeyValue()
        stores = [STACKS["both"].over(slow(backend, seed)) for seed in range(2)]
        told = await asyncio.gather(
            *(store.append("a", 1, idempotency="once") for store in stores for _ in range(3))
        )
        assert told == [1] * 6
        assert await stores[0].get("a") == b"[1]"

    explore(scenario, schedules=500)


async def test_idempotency_keys_go_with_the_value_and_64_are_known(stack: Stack) -> None:
    store = stack.over(MemoryKeyValue())
    for place in range(65):
        assert await store.append("a", place, idempotency=f"k{place}") == place + 1

    assert await store.append("a", 64, idempotency="k64") == 65
    assert await store.append("a", 1, idempotency="k1") == 2
    assert await store.append("a", 0, idempotency="k0") == 66
    value = await store.get("a")
    assert value is not None
    await store.compare_and_set("a", value, b"[]")
    assert await store.append("a", 1, idempotency="k2") == 3
    await store.delete("a")
    assert await store.append("a", 1, idempotency="k2") == 1


async def test_an_append_keeps_what_is_left_of_a_time_to_live(stack: Stack) -> None:
    store = stack.over(MemoryKeyValue())
    await store.append("a", 1, ttl=100)
    await store.append("b", 1)
    await asyncio.sleep(40)

    await store.append("a", 2)
    await store.append("b", 2)

    assert await store.ttl("a") == pytest.approx(60, abs=0.01)
    assert await store.ttl("b") == float("inf")
    await asyncio.sleep(61)
    assert await store.append("a", 3) == 1


class Meddler(Layer):
    """Writes the key anew just before each conditional write: somebody is always faster."""

    slot = "chaos"

    def __init__(self, times: int) -> None:
        self.times = times

    def bind(self, op: Any, inner: Any, site: Any) -> Any:
        write = site.below(CompareAndSet)
        left = [self.times]

        async def meddled(op: Any) -> Any:
            if isinstance(op, CompareAndSet) and left[0]:
                left[0] -= 1
                await write(CompareAndSet(op.key, op.expect, b"%d" % left[0], scope=op.scope))
            return await inner(op)

        return meddled


async def test_gives_up_once_others_were_faster_sixteen_times() -> None:
    backend = MemoryKeyValue()
    store = Stack(Seal(KEY, allow_plain=True), Meddler(16)).over(backend)

    with pytest.raises(Conflict, match="each of 16 tries") as caught:
        await store.increment("a")

    told = caught.value
    assert (told.layer, told.transient, told.sent) == ("seal", True, "no")
    assert await store.increment("a", 5) == 5
    assert asyncio.get_running_loop().time() < 1


async def test_waits_between_tries_no_longer_than_the_caller_has_time() -> None:
    store = Stack(Seal(KEY, allow_plain=True), Meddler(1000)).over(MemoryKeyValue())

    with pytest.raises(DeadlineExceeded):
        async with lamina.call(deadline=0.02):
            await store.increment("a")

    assert asyncio.get_running_loop().time() <= 0.02


async def test_waits_for_its_turn_no_longer_than_the_caller_has_time() -> None:
    backend = ScriptedKeyValue()
    backend.expect(GetStamped).hangs()
    store = Stack(Seal(KEY)).over(backend)
    stuck = asyncio.ensure_future(store.append("a", 1))
    await asyncio.sleep(1)

    with pytest.raises(DeadlineExceeded) as caught:
        async with lamina.call(deadline=2):
            await store.append("a", 2)

    assert (caught.value.sent, caught.value.layer) == ("no", "seal")
    assert asyncio.get_running_loop().time() == pytest.approx(3)
    stuck.cancel()
    await asyncio.wait([stuck])
    backend.expect(GetStamped).raises(Unavailable("down"))
    with pytest.raises(Unavailable):  # the turn was handed on
        await store.append("a", 3)


async def test_keys_do_not_wait_for_each_other(stack: Stack) -> None:
    store = stack.over(slow(MemoryKeyValue()))
    loop = asyncio.get_running_loop()
    start = loop.time()
    await store.append("0", 1)
    alone = loop.time() - start

    await asyncio.gather(*(store.append(str(key), 1) for key in range(1, 20)))

    assert loop.time() - start == pytest.approx(2 * alone)


async def test_a_conditional_write_compares_what_was_given_not_what_is_stored() -> None:
    backend = MemoryKeyValue()
    one, other = (STACKS["both"].over(backend) for _ in range(2))
    await one.set("a", b"1")
    await other.compare_and_set("a", b"1", b"2")

    with pytest.raises(Conflict):
        await one.compare_and_set("a", b"1", b"3")
    with pytest.raises(Conflict):
        await one.compare_and_set("a", None, b"3")
    with pytest.raises(Conflict):
        await one.compare_and_set("none", b"", b"3")
    assert await one.get("a") == b"2"


async def test_a_conditional_write_holds_when_the_same_was_sealed_anew_meanwhile() -> None:
    backend = MemoryKeyValue()
    store = Stack(Seal(KEY), SealsAnew(backend)).over(backend)
    await store.set("a", b"1")

    await store.compare_and_set("a", b"1", b"2")

    assert await store.get("a") == b"2"


class SealsAnew(Layer):
    """Writes the same value in other bytes once, between a read and the write after it."""

    slot = "chaos"

    def __init__(self, backend: MemoryKeyValue) -> None:
        self.backend = backend

    def bind(self, op: Any, inner: Any, site: Any) -> Any:
        done: list[int] = []

        async def answer(op: Any) -> Any:
            if isinstance(op, CompareAndSet) and not done:
                done.append(1)
                await STACKS["seal"].over(self.backend).set(op.key, b"1")
            return await inner(op)

        return answer


class LosesFirstAnswer(Layer):
    """Carries the first conditional write out and loses the answer."""

    slot = "chaos"

    def bind(self, op: Any, inner: Any, site: Any) -> Any:
        lost: list[int] = []

        async def answer(op: Any) -> Any:
            told = await inner(op)
            if isinstance(op, CompareAndSet) and not lost:
                lost.append(1)
                raise Unavailable(sent="maybe")
            return told

        return answer


async def test_an_append_whose_answer_was_lost_is_repeated_and_done_once(stack: Stack) -> None:
    layers = [*stack.layers, Retry(), LosesFirstAnswer()]
    store = Stack(*layers).over(MemoryKeyValue())

    assert await store.append("a", 1) == 1
    assert await store.get("a") == b"[1]"


class OvertakesLostAnswer(Layer):
    """Carries the first conditional write out, loses the answer, and lets another follow."""

    slot = "chaos"

    def __init__(self, other: KeyValue) -> None:
        self.other = other

    def bind(self, op: Any, inner: Any, site: Any) -> Any:
        lost: list[int] = []

        async def answer(op: Any) -> Any:
            told = await inner(op)
            if isinstance(op, CompareAndSet) and not lost:
                lost.append(1)
                if op.key == "count":
                    await self.other.increment(op.key, -10)
                else:
                    await self.other.append(op.key, "other")
                raise Unavailable(sent="maybe")
            return told

        return answer


async def check_overtaken(stack: Stack) -> None:
    backend = MemoryKeyValue()
    other = stack.over(backend)
    store = Stack(*stack.layers, Retry(), OvertakesLostAnswer(other)).over(backend)

    assert await store.append("a", "mine") == 1
    assert json.loads(await other.get("a") or b"") == ["mine", "other"]
    assert await store.append("a", "mine") == 3

    store = Stack(*stack.layers, Retry(), OvertakesLostAnswer(other)).over(backend)
    assert await store.increment("count", -5) == -5
    assert await other.get("count") == b"-15"


async def test_a_change_whose_answer_was_lost_and_that_was_followed_is_not_made_again(
    stack: Stack,
) -> None:
    await check_overtaken(stack)


async def test_changes_that_are_not_noted_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    _use(mutant(coded, "if once is None and self._doubts:", "if False:"), monkeypatch)

    with pytest.raises(AssertionError):
        await check_overtaken(STACKS["seal"])


def test_a_cancelled_append_is_there_or_not_and_the_next_goes_on(stack: Stack) -> None:
    async def scenario() -> None:
        store = stack.over(slow(MemoryKeyValue()))
        try:
            await asyncio.gather(store.append("a", 1), store.append("a", 1))
            await store.compare_and_set("a", b"[1,1]", b"[]")
        finally:
            found = json.loads(await store.get("a") or b"[]")
            assert found in ([], [1], [1, 1])

    assert sweep(scenario).points >= 4


def test_a_cancelled_waiter_hands_its_turn_on() -> None:
    async def scenario() -> None:
        store = STACKS["seal"].over(slow(MemoryKeyValue()))
        calls = [asyncio.ensure_future(store.append("a", place)) for place in range(5)]
        await asyncio.sleep(0.005)
        calls[1].cancel()
        calls[0].cancel()
        told = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in told[:2])
        async with asyncio.timeout(10):
            assert len(json.loads(await store.get("a") or b"")) in {3, 4}

    explore(scenario, schedules=500)


@pytest.mark.parametrize("missing", [GetStamped, CompareAndSet])
async def test_append_is_not_served_where_it_could_not_be_atomic(missing: Any) -> None:
    backend = ScriptedKeyValue(without=[missing])

    store = STACKS["seal"].over(backend)

    assert Append not in store.bound.capabilities
    assert Increment not in store.bound.capabilities
    with pytest.raises(Unsupported, match="Append is taken away by Seal"):
        await store.append("a", 1)


def test_the_plan_tells_how_often_an_append_asks() -> None:
    plan = STACKS["seal"].over(MemoryKeyValue()).bound.plan()
    worst = {op.operation: op.worst.attempts for op in plan.operations}

    assert (worst["Append"], worst["CompareAndSet"], worst["Get"]) == (32, 6, 1)
