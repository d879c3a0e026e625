"""Hedge sends a slow read again, takes the first good answer, and no more than it may."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest

import lamina
from lamina.backend import serves
from lamina.context import current
from lamina.domains.keyvalue import (
    Append,
    Get,
    GetMany,
    KeyValue,
    KeyValueBackend,
    Set,
)
from lamina.errors import (
    AuthError,
    CircuitOpen,
    DeadlineExceeded,
    Invalid,
    LimitReached,
    StackError,
    StorageError,
    Throttled,
    TimedOut,
    Unavailable,
)
from lamina.layers.breaker import Breaker
from lamina.layers.deadline import Deadline
from lamina.layers.hedge import Hedge, HedgeStatus
from lamina.layers.limit import Limit
from lamina.layers.retry import Retry
from lamina.layers.timeout import Timeout
from lamina.operation import Operation
from lamina.runtime import Runtime
from lamina.stack import Stack
from lamina.testing import ScriptedKeyValue
from lamina.values import Done, Failed

if TYPE_CHECKING:
    from lamina.layer import Layer

OWN: ContextVar[str] = ContextVar("own", default="")


def over(backend: Any, *layers: Layer, allow: Any = None, room: int = 256) -> KeyValue:
    store: KeyValue = Stack(*layers, allow=allow).over(backend, runtime=Runtime(room=room))
    return store


def status(store: Any) -> HedgeStatus:
    layer = store.bound.layer(Hedge)
    assert layer is not None
    told: HedgeStatus = layer.status()
    return told


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_hg2_a_read_that_takes_longer_than_the_delay_is_sent_again() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(5.0).returns(b"first")
    backend.expect(Get).after(0.1).returns(b"second")
    store = over(backend, Hedge(1.0))

    assert await store.get("a") == b"second"

    assert now() == pytest.approx(1.1)
    told = status(store)
    assert (told.hedged, told.won, told.cancelled, told.abandoned) == (1, 1, 1, 0)
    backend.verify()


async def test_hg2_a_read_in_time_is_sent_once() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(0.9).returns(b"first")
    store = over(backend, Hedge(1.0))

    assert await store.get("a") == b"first"

    assert now() == pytest.approx(0.9)
    assert status(store).hedged == 0
    backend.verify()


async def test_hg2_a_passing_failure_sends_the_next_at_once() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(0.2).raises(Unavailable("down"))
    backend.expect(Get).after(0.1).returns(b"second")
    store = over(backend, Hedge(10.0))

    assert await store.get("a") == b"second"

    assert now() == pytest.approx(0.3)


async def test_hg2_each_failure_sends_one_more_and_delays_count_from_the_last() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).hangs()
    backend.expect(Get).after(0.5).raises(Unavailable("down"))
    backend.expect(Get).hangs()
    backend.expect(Get).after(0.25).returns(b"fourth")
    store = over(backend, Hedge(1.0, hedges=3))

    assert await store.get("a") == b"fourth"

    assert now() == pytest.approx(1.0 + 0.5 + 1.0 + 0.25)
    assert status(store)[:3] == (3, 1, 2)


async def test_hg2_a_failure_for_good_ends_all_legs() -> None:
    error = AuthError("no")
    backend = ScriptedKeyValue()
    backend.expect(Get).hangs()
    backend.expect(Get).after(0.5).raises(error)
    store = over(backend, Hedge(1.0, hedges=5))

    with pytest.raises(AuthError) as caught:
        await store.get("a")

    assert caught.value is error
    assert now() == pytest.approx(1.5)
    assert status(store)[:3] == (1, 0, 1)


async def test_hg2_a_primary_that_fails_for_good_is_not_hedged() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(0.5).raises(Invalid("no"))
    store = over(backend, Hedge(1.0))

    with pytest.raises(Invalid):
        await store.get("a")

    backend.verify()


async def test_hg2_with_neither_delay_nor_quantile_only_failures_are_hedged() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(100.0).returns(b"first")
    backend.expect(Get).after(0.5).raises(Unavailable("down"))
    backend.expect(Get).after(0.5).returns(b"second")
    store = over(backend, Hedge(quantile=None))

    assert await store.get("a") == b"first"
    assert await store.get("a") == b"second"
    assert now() == pytest.approx(101.0)


async def test_hg2_with_no_delay_at_all_every_leg_is_sent_at_once() -> None:
    backend = ScriptedKeyValue()
    for seconds in (3.0, 2.0, 1.0):
        backend.expect(Get).after(seconds).returns(str(seconds).encode())
    store = over(backend, Hedge(0, hedges=2))

    assert await store.get("a") == b"1.0"

    assert now() == pytest.approx(1.0)
    assert status(store)[:3] == (2, 1, 2)


async def test_hg3_an_answer_wins_over_an_earlier_error() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(2.0).returns(b"first")
    backend.expect(Get).after(0.1).raises(Unavailable("down"))
    store = over(backend, Hedge(1.0))

    assert await store.get("a") == b"first"
    assert now() == pytest.approx(2.0)


async def test_hg3_absent_is_an_answer() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).hangs()
    backend.expect(Get).after(0.1).returns(None)

    assert await over(backend, Hedge(1.0)).get("a") is None


async def test_hg3_if_all_fail_the_primary_s_error_comes_out() -> None:
    first = Unavailable("first")
    backend = ScriptedKeyValue()
    backend.expect(Get).after(2.0).raises(first)
    backend.expect(Get).after(0.5).raises(Unavailable("second"))

    with pytest.raises(Unavailable) as caught:
        await over(backend, Hedge(1.0)).get("a")

    assert caught.value is first
    assert caught.value.__notes__ == ["hedge 1 failed too: Unavailable: second"]
    assert now() == pytest.approx(2.0)


@pytest.mark.parametrize("primary", [1.5, 1.25])
async def test_hg7_in_the_same_instant_the_primary_wins(primary: float) -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(primary).returns(b"first")
    backend.expect(Get).after(primary - 1.0).returns(b"second")

    assert await over(backend, Hedge(1.0)).get("a") == b"first"


@pytest.mark.parametrize("tasks", [0, 1, 2])
async def test_hg7_no_hedge_is_sent_when_the_answer_comes_with_the_delay(tasks: int) -> None:
    class Between(KeyValueBackend):
        name = "between"

        @serves(Get)
        async def get(self, op: Get) -> bytes | None:
            work: Any = asyncio.sleep(1.0, b"first")
            for _ in range(tasks):
                work = asyncio.ensure_future(work)
            answer: bytes = await work
            return answer

    store = over(Between(), Hedge(1.0))

    assert await store.get("a") == b"first"

    assert status(store).hedged == 0


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("do not", retry_after=-1.0),
        Unavailable("unreadable", retry_after=float("nan")),
        Unavailable("later", retry_after=3.0),
        Throttled("fewer"),
        CircuitOpen("open"),
        LimitReached("full"),
    ],
    ids=["negative", "unreadable", "wait", "throttled", "open", "full"],
)
async def test_hg7_no_more_is_sent_where_the_answer_asks_for_less(error: StorageError) -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(0.5).raises(error)

    with pytest.raises(type(error)):
        await over(backend, Hedge(1.0)).get("a")

    assert now() == pytest.approx(0.5)
    backend.verify()


async def test_hg7_a_hedge_that_is_refused_leaves_the_primary_alone() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(5.0).returns(b"first")
    backend.expect(Get).raises(LimitReached("full"))
    store = over(backend, Hedge(1.0, hedges=3))

    assert await store.get("a") == b"first"
    assert status(store).hedged == 1


async def test_hg1_writes_are_sent_once() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Set).after(50.0)
    store = over(backend, Hedge(1.0))

    await store.set("a", b"1")

    slots = {op.operation: op.slots for op in store.bound.plan().operations}
    assert slots["Set"] == slots["Append"] == slots["Delete"] == ()
    assert slots["Get"] == slots["GetMany"] == slots["Scan"] == ("hedge",)


async def test_hg1_a_write_is_hedged_only_by_name_with_a_reason_and_while_repeatable() -> None:
    with pytest.raises(StackError, match="E10"):
        Stack(Hedge(1.0, ops=(Append,)))
    backend = ScriptedKeyValue()
    backend.expect(Append).after(50.0).returns(1)
    backend.expect(Append).after(50.0).returns(1)
    backend.expect(Append).after(0.5).returns(1)
    store = over(backend, Hedge(1.0, ops=("Append",)), allow={"E10": "it is keyed"})

    await store.append("a", 1)
    assert now() == pytest.approx(50.0)
    await store.append("a", 1, idempotency="once")
    assert now() == pytest.approx(51.5)


async def test_hg1_ops_narrows_what_is_hedged() -> None:
    store = over(ScriptedKeyValue(), Hedge(1.0, ops=(GetMany, "Scan")))

    wanted = {op.operation for op in store.bound.plan().operations if op.slots}

    assert wanted == {"GetMany", "Scan"}


async def test_a_hedged_write_that_failed_before_it_was_sent_may_have_arrived_by_its_hedge() -> (
    None
):
    backend = ScriptedKeyValue()
    backend.expect(Append).after(2.0).raises(Unavailable("refused", sent="no"))
    backend.expect(Append).after(0.5).raises(Unavailable("broken"))
    store = over(backend, Hedge(1.0, ops=("Append",)), allow={"E10": "it is keyed"})

    with pytest.raises(Unavailable, match="refused") as caught:
        await store.append("a", 1, idempotency="once")

    assert caught.value.sent == "maybe"


async def learned(store: KeyValue, count: int = 100) -> None:
    for _ in range(count):
        await store.get("a")


async def test_hg5_the_delay_is_learned_from_enough_calls() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(0.1).returns(b"1").times(99)
    backend.expect(Get).after(50.0).returns(b"2")
    backend.expect(Get).after(0.1).returns(b"3")
    backend.expect(Get).hangs()
    backend.expect(Get).after(0.1).returns(b"4")
    store = over(backend, Hedge())
    await learned(store, 99)
    assert status(store).delays["Get"] is None
    assert await store.get("a") == b"2"
    assert status(store).hedged == 0

    assert await store.get("a") == b"3"
    began = now()
    assert await store.get("a") == b"4"

    assert status(store).hedged == 1
    assert now() - began == pytest.approx(0.2, rel=0.05)
    backend.verify()


async def test_hg5_the_learned_delay_has_a_floor() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(0.002).returns(b"1").times(100)
    store = over(backend, Hedge(floor=0.25))

    await learned(store)

    assert status(store).delays["Get"] == 0.25


async def test_hg5_each_operation_type_has_its_own_delay() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(0.1).returns(b"1").always()
    backend.expect(GetMany).after(2.0).returns((Done(None),)).always()
    store = over(backend, Hedge(min_samples=10))
    await learned(store, 10)
    for _ in range(10):
        await store.get_many(["a"])

    delays = status(store).delays

    assert delays["Get"] == pytest.approx(0.1, rel=0.06)
    assert delays["GetMany"] == pytest.approx(2.0, rel=0.06)


async def test_hg5_timeouts_and_superseded_legs_keep_the_delay_from_drifting_down() -> None:
    backend = ScriptedKeyValue()
    store = over(backend, Hedge(min_samples=100, extra_load=None), Timeout(1.0))
    backend.expect(Get).after(0.1).returns(b"1").times(90)
    backend.expect(Get).hangs().times(20)
    await learned(store, 90)
    for _ in range(10):
        with suppress(TimedOut):
            await store.get("a")
    known = status(store).delays["Get"]
    assert known is not None
    assert known > 0.9

    backend.expect(Get).after(0.1).returns(b"1").always()
    hanging = ScriptedKeyValue()
    one = over(hanging, Hedge(min_samples=10, extra_load=None))
    hanging.expect(Get).after(0.1).returns(b"1").times(10)
    await learned(one, 10)
    for _ in range(300):
        hanging.expect(Get).hangs()
        hanging.expect(Get).after(0.05).returns(b"1")
        await one.get("a")
    drifted = status(one).delays["Get"]
    assert drifted is not None
    assert drifted >= 0.1


async def test_hg5_time_in_a_queue_is_neither_learned_nor_hedged() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(1.0).returns(b"1").always()
    store = over(backend, Hedge(min_samples=5), Limit(1, queue=100))

    await asyncio.gather(*(store.get(str(n)) for n in range(20)))

    told = status(store)
    assert told.delays["Get"] == pytest.approx(1.0, rel=0.06)
    assert told.hedged == 0


async def test_hg5_extra_load_caps_the_hedges() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(2.0).returns(b"1").always()
    store = over(backend, Hedge(1.0, extra_load=0.02))

    for _ in range(1000):
        await store.get("a")

    told = status(store)
    assert 20 <= told.hedged <= 10 + 20
    assert told.over_load == 1000 - told.hedged


async def test_hg5_an_outage_earns_no_hedges() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(2.0).raises(Unavailable("down")).always()
    store = over(backend, Hedge(1.0, extra_load=0.5))

    for _ in range(200):
        with suppress(Unavailable):
            await store.get("a")

    assert status(store).hedged <= 11


async def test_hg5_calls_that_nobody_waited_for_to_the_end_earn_no_hedges() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).hangs().always()
    store = over(backend, Deadline(1.5), Hedge(1.0, extra_load=0.5))

    for _ in range(50):
        with suppress(DeadlineExceeded):
            await store.get("a")

    assert status(store).hedged == 10


class Down(KeyValueBackend):
    """Fails after *seconds* each time, with an error that only who catches it holds."""

    name = "down"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.raised: list[weakref.ref[Unavailable]] = []

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        del op
        if self.seconds:
            await asyncio.sleep(self.seconds)
        error = Unavailable("down")
        self.raised.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error


@pytest.mark.parametrize("seconds", [0.0, 0.5])
async def test_a_call_that_fails_leaves_nothing_for_the_garbage_collector(seconds: float) -> None:
    backend = Down(seconds)
    store = over(backend, Hedge(1.0))
    gc.disable()
    try:
        for _ in range(3):
            with suppress(Unavailable):
                await store.get("a")
        await asyncio.sleep(0)
        alive = [error() for error in backend.raised]
    finally:
        gc.enable()

    assert alive == [None] * 6


async def test_hg5_rt10_hedges_and_retries_are_paid_from_one_budget() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(2.0).raises(Unavailable("down")).always()
    store = over(backend, Retry(2, base=0, budget=28), Hedge(1.0, extra_load=None))

    with pytest.raises(Unavailable):
        await store.get("a")

    retry = store.bound.layer(Retry)
    assert retry is not None
    assert (status(store).hedged, status(store).budget) == (1, 1)
    assert (retry.status().retried, retry.status().tokens) == (1, 0)
    assert len(backend.calls) == 3


async def test_hg5_rt10_a_hedge_that_wins_gets_its_cost_back_and_calls_refill_the_budget() -> None:
    backend = ScriptedKeyValue()
    store = over(backend, Hedge(1.0, extra_load=None))
    for _ in range(100):  # 1400 tokens, of 500
        backend.expect(Get).hangs()
        backend.expect(Get).after(0.1).returns(b"1")
        await store.get("a")
    assert status(store).won == 100

    backend.expect(Get).after(1.5).returns(b"1").always()
    for _ in range(400):  # 14 for each, of 500 and one for each call
        await store.get("a")

    told = status(store)
    assert told.budget > 0
    assert 55 <= told.hedged - 100 <= 1 + (500 + 400) // 14


async def test_hg6_no_hedge_while_the_circuit_is_not_closed() -> None:
    backend = ScriptedKeyValue()
    store = over(backend, Hedge(1.0), Breaker(min_calls=2, break_for=10, jitter=0, probes=1))
    backend.expect(Get).after(0.1).raises(Unavailable("down")).times(2)
    with pytest.raises(Unavailable):
        await store.get("a")
    await asyncio.sleep(11)
    hedged = status(store).hedged

    backend.expect(Get).after(5.0).returns(b"probe")
    assert await store.get("a") == b"probe"

    assert status(store).hedged == hedged
    assert status(store).reluctant >= 1
    backend.expect(Get).after(5.0).returns(b"1")
    backend.expect(Get).after(0.1).returns(b"2")
    assert await store.get("a") == b"2"


async def test_hg6_a_failure_is_told_at_once_where_the_circuit_has_opened() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(0.1).raises(Unavailable("down")).times(2)
    store = over(backend, Hedge(1.0, hedges=2), Breaker(min_calls=2))

    with pytest.raises(Unavailable):
        await store.get("a")

    assert now() == pytest.approx(0.2)
    assert status(store).reluctant == 1


async def test_hg6_without_a_delay_it_looks_again_after_the_floor() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(1.0).returns(b"1").always()
    store = over(backend, Hedge(0, floor=0.25), Limit(1, queue=9))

    earlier = [asyncio.ensure_future(store.get(key)) for key in "ab"]
    await asyncio.sleep(0.5)
    await store.get("c")

    assert 0 < status(store).reluctant <= 12
    await asyncio.gather(*earlier)


async def test_hg6_no_hedge_while_calls_wait_for_a_place() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(5.0).returns(b"1").times(2)
    backend.expect(Get).after(0.9).returns(b"2").times(2)
    store = over(backend, Hedge(1.0), Limit(2, queue=10))

    await asyncio.gather(*(store.get(str(n)) for n in range(4)))

    assert now() == pytest.approx(5.9)
    assert status(store).hedged == 0
    assert status(store).reluctant > 0


@pytest.mark.parametrize("between", [(), (Breaker(slow=9.0),)], ids=["alone", "with breaker"])
async def test_hg6_the_delay_begins_when_a_call_has_its_place(between: tuple[Layer, ...]) -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(1.5).returns(b"1").times(2)
    backend.expect(Get).hangs()
    backend.expect(Get).after(0.25).returns(b"2")
    store = over(backend, Hedge(1.0), *between, Limit(2, queue=10))

    await asyncio.gather(store.get("a"), store.get("b"), store.get("c"))

    assert now() == pytest.approx(1.5 + 1.0 + 0.25)


async def test_hg6_who_measures_a_hedged_call_hears_how_long_it_waited() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(1.0).returns(b"1").times(2)
    store = over(backend, Hedge(1.0), Limit(1, queue=10))
    held = asyncio.ensure_future(store.get("a"))
    await asyncio.sleep(0.25)

    async with lamina.call() as call:
        await store.get("b")

    assert call.queued == pytest.approx(0.75)
    await held


async def test_hg6_every_leg_passes_the_layers_below() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(5.0).returns(b"1")
    backend.expect(Get).after(5.0).returns(b"2")
    store = over(backend, Hedge(0.5), Breaker(min_calls=100), Timeout(1.0))

    with pytest.raises(TimedOut):
        await store.get("a")

    breaker = store.bound.layer(Breaker)
    assert breaker is not None
    assert (breaker.status().calls, breaker.status().failures) == (2, 2)
    assert now() == pytest.approx(1.5)


async def test_no_hedge_is_sent_without_room_for_its_task() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(5.0).returns(b"1")
    store = over(backend, Hedge(1.0), room=0)

    assert await store.get("a") == b"1"

    assert status(store).no_room == 1


async def test_a_crowd_of_first_legs_takes_no_room_from_hedges_and_from_others() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(5.0).returns(b"1").times(20)
    backend.expect(Get).after(0.5).returns(b"2").always()
    store = over(backend, Hedge(1.0), room=10)

    crowd = [asyncio.ensure_future(store.get(str(n))) for n in range(20)]
    await asyncio.sleep(0.5)
    assert store.bound.runtime.has_room()
    await asyncio.gather(*crowd)

    assert (status(store).hedged, status(store).no_room) == (10, 0)
    assert status(store).over_load == 10


async def test_no_hedge_is_sent_that_would_miss_the_deadline() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(0.5).returns(b"1").times(100)
    backend.expect(Get).hangs()
    store = over(backend, Hedge(1.0), Timeout(60.0))
    await learned(store)
    began = now()

    async with lamina.call(deadline=1.25):
        with pytest.raises(DeadlineExceeded):
            await store.get("a")

    assert now() - began == pytest.approx(1.25)
    assert status(store).too_late == 1
    backend.verify()


async def test_legs_are_bounded_by_the_deadline() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(1.5).raises(Unavailable("down"))
    backend.expect(Get).hangs()
    store = over(backend, Hedge(1.0))

    async with lamina.call(deadline=3.0):
        with pytest.raises(Unavailable, match="down"):
            await store.get("a")

    assert now() == pytest.approx(3.0)


class Seen(KeyValueBackend):
    """Keeps what each leg finds in its context."""

    name = "seen"

    def __init__(self) -> None:
        self.found: list[tuple[int, int, float | None, str]] = []

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        call = current.get()
        assert call is not None
        self.found.append((call.attempt, call.hedge, call.deadline, OWN.get()))
        if call.hedge:
            call.served_by[op.brief()] = "hedge"
            return b"hedge"
        call.degraded.append(op.brief())
        await asyncio.sleep(100)
        return b"primary"


async def test_each_leg_has_a_call_of_its_own_and_the_winner_s_is_told() -> None:
    backend = Seen()
    store = over(backend, Hedge(1.0))
    OWN.set("the caller's")

    async with lamina.call(deadline=10.0) as told:
        told.attempt = 2
        assert await store.get("a") == b"hedge"

    assert backend.found == [(2, 0, 10.0, "the caller's"), (2, 1, 10.0, "the caller's")]
    assert not told.degraded
    assert list(told.served_by.values()) == ["hedge"]


async def test_a_batch_is_taken_when_every_item_is_answered() -> None:
    partly = (Done(b"1"), Failed(Unavailable("down")))
    backend = ScriptedKeyValue()
    backend.expect(GetMany).after(0.5).returns(partly)
    backend.expect(GetMany).after(0.5).returns((Done(b"1"), Done(b"2")))
    store = over(backend, Hedge(10.0))

    assert await store.get_many(["a", "b"]) == (b"1", b"2")
    assert now() == pytest.approx(1.0)


async def test_of_batches_that_fail_in_part_the_primary_s_is_told() -> None:
    backend = ScriptedKeyValue()
    for word in (b"1", b"2"):
        answer = (Done(word), Failed(Unavailable("down")))
        backend.expect(GetMany).after(0.5).returns(answer)
    store = over(backend, Hedge(10.0))

    answer = await store.bound.send(GetMany(("a", "b")))

    assert answer[0] == Done(b"1")
    assert isinstance(answer[1], Failed)


@pytest.mark.parametrize("other", [Throttled("fewer"), Unavailable("later", retry_after=3.0)])
async def test_hg7_no_more_is_sent_where_an_item_of_a_batch_asks_for_less(
    other: StorageError,
) -> None:
    backend = ScriptedKeyValue()
    backend.expect(GetMany).after(0.5).returns((Failed(Unavailable("down")), Failed(other)))
    store = over(backend, Hedge(10.0))

    await store.bound.send(GetMany(("a", "b")))

    backend.verify()


async def test_a_part_of_a_batch_is_told_rather_than_an_error() -> None:
    backend = ScriptedKeyValue()
    backend.expect(GetMany).after(0.5).raises(Unavailable("down"))
    backend.expect(GetMany).after(0.5).returns((Done(b"1"), Failed(Unavailable("down"))))
    store = over(backend, Hedge(10.0))

    answer = await store.bound.send(GetMany(("a", "b")))

    assert answer[0] == Done(b"1")


async def test_items_that_failed_for_good_are_an_answer() -> None:
    backend = ScriptedKeyValue()
    backend.expect(GetMany).after(0.5).returns((Done(b"1"), Failed(Invalid("no"))))
    store = over(backend, Hedge(10.0))

    await store.bound.send(GetMany(("a", "b")))

    backend.verify()


async def test_a_call_that_never_suspends_makes_no_task() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).returns(b"1").always()
    store = over(backend, Hedge())
    await store.get("a")
    made: list[object] = []
    loop = asyncio.get_running_loop()

    def count(loop: Any, work: Any, **given: Any) -> Any:
        made.append(work)
        return asyncio.Task(work, loop=loop, **given)

    loop.set_task_factory(count)
    await learned(store)
    loop.set_task_factory(None)

    assert not made


async def test_hg5_calls_that_take_no_time_are_samples_too() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).returns(b"1").always()
    store = over(backend, Hedge())

    await learned(store, 101)

    assert status(store).delays["Get"] == 0.001


async def test_a_call_that_fails_without_suspending_is_hedged_at_once() -> None:
    backend = ScriptedKeyValue()
    store = over(backend, Hedge())
    backend.expect(Get).returns(b"1")
    assert await store.get("a") == b"1"
    backend.expect(Get).raises(Unavailable("down"))
    backend.expect(Get).returns(b"2")
    assert await store.get("a") == b"2"
    backend.expect(Get).raises(Invalid("no"))
    with pytest.raises(Invalid):
        await store.get("a")
    backend.expect(GetMany).returns((Done(b"1"),))
    assert await store.get_many(["a"]) == (b"1",)
    backend.expect(GetMany).returns((Failed(Unavailable("down")),))
    backend.expect(GetMany).returns((Done(b"2"),))
    assert await store.get_many(["a"]) == (b"2",)


async def test_calls_are_hedged_again_from_the_second_that_suspends() -> None:
    backend = ScriptedKeyValue()
    store = over(backend, Hedge(1.0))
    backend.expect(Get).returns(b"1")
    assert await store.get("a") == b"1"
    backend.expect(Get).after(3.0).returns(b"2")
    assert await store.get("a") == b"2"
    backend.expect(Get).hangs()
    backend.expect(Get).after(0.5).returns(b"3")

    assert await store.get("a") == b"3"
    assert now() == pytest.approx(4.5)


async def test_a_hook_hears_of_each_hedge_and_changes_nothing_by_raising() -> None:
    heard: list[tuple[str, int]] = []

    def hear(brief: Any, number: int) -> None:
        heard.append((brief.operation, number))
        raise RuntimeError

    backend = ScriptedKeyValue()
    backend.expect(Get).hangs().times(2)
    backend.expect(Get).after(0.1).returns(b"3")
    store = over(backend, Hedge(1.0, hedges=2, on_hedge=hear))

    assert await store.get("a") == b"3"
    assert heard == [("Get", 1), ("Get", 2)]
    assert status(store).raised == 2
    assert status(over(ScriptedKeyValue(), Hedge())).raised == 0


def test_the_plan_knows_the_worst_case() -> None:
    def worst(*layers: Layer) -> tuple[int, float | None]:
        plan = over(ScriptedKeyValue(), *layers).bound.plan()
        found = next(op.worst for op in plan.operations if op.operation == "Get")
        return found.attempts, found.seconds

    assert worst(Hedge(1.0)) == (2, None)
    assert worst(Hedge(1.0, hedges=2, grace=0.5), Timeout(5.0)) == (3, 7.5)
    assert worst(Hedge(grace=0), Timeout(5.0)) == (2, 10.0)
    assert worst(Hedge(9.0, grace=0), Timeout(5.0)) == (2, 10.0)


BAD = [0.5, True, "1", [1], None, float("nan"), float("inf"), -1, 10**400]


@pytest.mark.parametrize(
    ("option", "wrong"),
    [
        ("delay", [-0.1, True, "1", [1], float("nan"), float("inf"), 10**400]),
        ("quantile", [0, 1, -1, 1.5, True, "1", [1], float("nan"), float("inf")]),
        ("hedges", [0, 11, *BAD]),
        ("min_samples", [0, 100_001, *BAD]),
        ("floor", [0, 0.00009, -1, True, None, "1", [1], float("nan"), float("inf")]),
        ("extra_load", [-0.1, 1.1, True, "1", [1], float("nan"), float("inf")]),
        ("ops", ["Get", b"Get", (), [1], (None,), ("",), (int,), 5, (Operation,), ["a b"]]),
        ("grace", [-1, True, None, "1", [1], float("nan"), float("inf")]),
        ("on_hedge", [1, "f", learned]),
    ],
)
def test_options_that_cannot_work_are_refused(option: str, wrong: list[Any]) -> None:
    for value in wrong:
        with pytest.raises(StackError, match=f"Hedge: {option} must be"):
            Hedge(**{option: value})


def test_options_are_kept_and_shown() -> None:
    layer = Hedge(0.5, hedges=2, ops=[Get, "Scan"])

    assert layer == Hedge(0.5, hedges=2, ops=(Get, "Scan"))
    assert repr(layer).startswith("Hedge(0.5, hedges=2, ops=(")
