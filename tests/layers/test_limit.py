"""Limit keeps so many at once, serves the line in order, and loses no place."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from holding import Holding, clock
from mutants import mutant

import lamina
from lamina.domains.keyvalue import KeyValue
from lamina.errors import Closed, DeadlineExceeded, LimitReached, StackError
from lamina.layers.breaker import Breaker
from lamina.layers.limit import Limit, layer, waiters
from lamina.layers.limit.core import LimitStatus
from lamina.site import Site
from lamina.stack import Stack
from lamina.testing.clock import DeadlockError, explore
from lamina.testing.sweep import sweep


def limit_of(store: KeyValue) -> Limit:
    found = store.bound.layer(Limit)
    assert found is not None
    return found


async def outcomes(store: KeyValue, count: int) -> list[Any]:
    return await asyncio.gather(*(store.get(f"{n}") for n in range(count)), return_exceptions=True)


async def test_bh1_more_than_may_wait_are_refused_at_once_and_never_sent() -> None:
    backend = Holding()
    store = Stack(Limit(2, queue=1)).over(backend)

    told = await outcomes(store, 5)

    assert told[:3] == [b"0", b"1", b"2"]
    assert backend.most == 2
    assert backend.began == ["0", "1", "2"]
    refused = told[3]
    assert isinstance(refused, LimitReached)
    assert (refused.sent, refused.layer, refused.transient) == ("no", "limit", False)
    assert "2 are running and 1 may wait" in str(refused)
    assert limit_of(store).status() == LimitStatus(2, 0, 0, 2)


async def test_bh1_a_wait_has_its_own_bound() -> None:
    store = Stack(Limit(1, queue=9, wait=0.3)).over(Holding())
    running = asyncio.ensure_future(store.get("a"))
    await asyncio.sleep(0)

    async with lamina.call(deadline=0.9):
        with pytest.raises(LimitReached, match=r"no place within 0\.3 s"):
            await store.get("b")

    assert clock() == pytest.approx(0.3)
    assert await running == b"a"
    assert limit_of(store).status() == LimitStatus(1, 0, 0, 1)


async def test_bh1_nobody_waits_past_the_callers_deadline() -> None:
    backend = Holding()
    store = Stack(Limit(1, queue=9, wait=0.9)).over(backend)
    running = asyncio.ensure_future(store.get("a"))
    await asyncio.sleep(0)

    async with lamina.call(deadline=0.5):
        with pytest.raises(DeadlineExceeded, match="deadline has passed, 1 are running") as caught:
            await store.get("b")
        assert clock() == pytest.approx(0.5)
        with pytest.raises(DeadlineExceeded):  # and not a moment, when it has passed
            store.get("c").send(None)

    assert clock() == pytest.approx(0.5)
    assert (caught.value.sent, caught.value.layer) == ("no", "limit")
    assert await running == b"a"
    assert backend.began == ["a"]


async def test_bh1_a_place_that_comes_as_the_wait_ends_goes_to_the_next() -> None:
    store = Stack(Limit(1, queue=2)).over(Holding(1.0))
    running = asyncio.ensure_future(store.get("a"))
    await asyncio.sleep(0)

    async def hurried() -> object:
        async with lamina.call(deadline=1.0):
            return await store.get("b")

    late, patient = asyncio.ensure_future(hurried()), asyncio.ensure_future(store.get("c"))
    told = await asyncio.gather(running, late, patient, return_exceptions=True)

    assert told[0] == b"a"
    assert told[2] == b"c"
    assert limit_of(store).status()[1:3] == (0, 0)


async def test_bh2_a_free_place_is_taken_without_a_turn_of_the_loop() -> None:
    store = Stack(Limit(1)).over(Holding(0.0))

    call = store.get("a")
    call.send(None)  # stops inside the backend, not before it

    assert limit_of(store).status().running == 1
    call.close()
    assert limit_of(store).status().running == 0


async def crowd(store: KeyValue, backend: Holding) -> None:
    """Have six come, of whom three are cancelled at moments that the schedule decides."""
    tasks = [asyncio.ensure_future(store.get(f"{n}")) for n in range(6)]
    for victim in (2, 0, 4):
        await asyncio.sleep(0.5)
        tasks[victim].cancel()
    told = await asyncio.gather(*tasks, return_exceptions=True)
    assert [told[n] for n in (1, 3, 5)] == [b"1", b"3", b"5"]
    assert backend.most <= 2


def test_bh3_a_cancelled_waiter_hands_its_place_on() -> None:
    async def scenario() -> None:
        backend = Holding(0.5)  # places come free in the very moments of the cancellations
        store = Stack(Limit(2, queue=6)).over(backend)
        await crowd(store, backend)
        assert limit_of(store).status() == LimitStatus(2, 0, 0, 0)

    explore(scenario, schedules=600)


def test_bh3_a_waiter_that_keeps_its_place_when_cancelled_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keeps = "                self._wake(self.permits.abandon(ticket))\n            note"
    broken = mutant(waiters, keeps, "                pass\n            note")
    monkeypatch.setattr(layer, "Waiters", broken.__dict__["Waiters"])

    async def scenario() -> None:
        backend = Holding(0.5)
        await crowd(Stack(Limit(2, queue=6)).over(backend), backend)

    with pytest.raises((DeadlockError, AssertionError)):
        explore(scenario, schedules=600)


def test_bh3_places_are_conserved_wherever_callers_are_cancelled() -> None:
    limits: list[Limit] = []

    async def scenario() -> None:
        store = Stack(Limit(1, queue=3, wait=1.6)).over(Holding())
        limits.append(limit_of(store))

        async def behind() -> bytes | None:
            await asyncio.sleep(0.5)
            return await store.get("behind")

        others = [asyncio.ensure_future(one) for one in (store.get("before"), behind())]
        try:
            await asyncio.sleep(0.25)
            await store.get("in line")
            await store.get("again")
        finally:
            await asyncio.wait(others)
            assert [other.result() for other in others] == [b"before", b"behind"]

    def conserved() -> None:
        while limits:  # none, if cancelled before the first step
            assert limits.pop().status()[1:3] == (0, 0)

    swept = sweep(scenario, after=conserved)
    assert swept.points == 1 + 2 + 2 + 1  # each waits in the line and in the store; for the others


async def test_bh4_the_line_is_served_in_the_order_of_coming() -> None:
    backend = Holding()
    store = Stack(Limit(1, queue=9)).over(backend)

    await outcomes(store, 6)

    assert backend.began == ["0", "1", "2", "3", "4", "5"]
    assert clock() == pytest.approx(6.0)


async def test_bh4_a_smaller_limit_cancels_nothing_and_a_larger_one_wakes_so_many() -> None:
    backend = Holding()
    store = Stack(Limit(3, queue=9)).over(backend)
    task = asyncio.ensure_future(outcomes(store, 7))
    await asyncio.sleep(0.5)

    limit_of(store).resize(1)
    await asyncio.sleep(0)
    assert limit_of(store).status() == LimitStatus(1, 3, 4, 0)
    await asyncio.sleep(0.6)
    assert limit_of(store).status() == LimitStatus(1, 1, 3, 0)
    limit_of(store).resize(3)
    assert limit_of(store).status() == LimitStatus(3, 3, 1, 0)

    assert await task == [b"%d" % n for n in range(7)]
    with pytest.raises(StackError, match="at_once"):
        limit_of(store).resize(0)


async def test_cb11_the_wait_is_told_and_not_taken_for_slowness() -> None:
    store = Stack(Breaker(slow=1.5, slow_rate=0.1, min_calls=3), Limit(1, queue=9)).over(Holding())

    async with lamina.call():
        assert await outcomes(store, 4) == [b"0", b"1", b"2", b"3"]  # the last waited 3 s

    breaker = store.bound.layer(Breaker)
    assert breaker is not None
    assert breaker.status().slow == 0


async def test_cb11_who_measures_hears_of_a_wait_as_soon_as_it_is_over() -> None:
    store = Stack(Breaker(slow=9), Limit(1, queue=9)).over(Holding())
    calls: list[lamina.Call] = []

    async def ask(key: str) -> None:
        async with lamina.call() as call:
            calls.append(call)
            await store.get(key)

    asking = [asyncio.ensure_future(ask(key)) for key in "ab"]
    await asyncio.sleep(1.5)

    assert [call.queued for call in calls] == [0.0, 1.0]
    await asyncio.gather(*asking)
    assert [call.queued for call in calls] == [0.0, 1.0]


async def test_closing_lets_those_who_wait_have_their_turn() -> None:
    store = Stack(Limit(1, queue=2)).over(Holding())
    calls = asyncio.ensure_future(outcomes(store, 3))
    await asyncio.sleep(0.5)

    await store.close()

    assert await calls == [b"0", b"1", b"2"]
    assert limit_of(store).status().running == 0
    with pytest.raises(Closed):
        await store.get("late")


async def test_who_still_waits_when_the_store_is_closed_is_told_so_and_sends_nothing() -> None:
    stack, slow, quick = Stack(Limit(1, queue=9, shared="closing")), Holding(50.0), Holding()
    store, other = stack.over(slow), stack.over(quick)
    running = asyncio.ensure_future(store.get("a"))
    await asyncio.sleep(0)
    waiting, others = asyncio.ensure_future(store.get("b")), asyncio.ensure_future(other.get("c"))
    await asyncio.sleep(0)

    await store.close()

    with pytest.raises(Closed, match="closed while it waited for a place"):
        await waiting
    assert clock() == pytest.approx(store.bound.runtime.grace)
    assert await running == b"a"
    assert await others == b"c"
    assert slow.began == ["a"]
    assert limit_of(other).status() == LimitStatus(1, 0, 0, 0)


async def test_a_failure_gives_its_place_back() -> None:
    store = Stack(Limit(1)).over(Holding())
    call = store.get("a")
    call.send(None)
    with pytest.raises(ZeroDivisionError):
        call.throw(ZeroDivisionError())

    assert limit_of(store).status().running == 0
    assert await store.get("b") == b"b"


async def test_stacks_fill_a_shared_limit_together_and_others_do_not() -> None:
    stack = Stack(Limit(1, shared="pool"))
    one, other, alone = (
        stack.over(Holding()),
        stack.over(Holding()),
        Stack(Limit(1)).over(Holding()),
    )

    told = await asyncio.gather(
        one.get("a"), other.get("b"), alone.get("c"), return_exceptions=True
    )

    assert told[0] == b"a"
    assert isinstance(told[1], LimitReached)
    assert told[2] == b"c"
    with pytest.raises(StackError, match="shared with other options"):
        Stack(Limit(2, shared="pool")).over(Holding())


def test_the_plan_knows_the_longest_wait() -> None:
    from lamina.layers.timeout import Timeout

    def seconds(limit: Limit) -> float | None:
        plan = Stack(limit, Timeout(2)).over(Holding()).bound.plan()
        return next(op.worst.seconds for op in plan.operations if op.operation == "Get")

    assert seconds(Limit(10)) == 2
    assert seconds(Limit(10, queue=25)) == 2 + 3 * 2
    assert seconds(Limit(10, queue=25, wait=1)) == 2 + 1
    plan = Stack(Limit(10)).over(Holding()).bound.plan()
    assert {op.worst.seconds for op in plan.operations} == {None}


async def test_a_layer_above_may_ask_whether_calls_wait() -> None:
    asked: list[Site] = []

    class Asks(lamina.Layer):
        slot = "hedge"

        def setup(self, site: Site) -> None:
            asked.append(site)

        def wants(self, op: object) -> bool:
            return False

    store = Stack(Asks(), Limit(1, queue=1)).over(Holding())
    (waits,) = asked[0].common.reluctant
    task = asyncio.ensure_future(outcomes(store, 2))
    await asyncio.sleep(0.5)

    assert waits()
    await task
    assert not waits()


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"at_once": 0}, "at_once"),
        ({"at_once": -1}, "at_once"),
        ({"at_once": 1.5}, "at_once"),
        ({"at_once": True}, "at_once"),
        ({"at_once": "1"}, "at_once"),
        ({"at_once": float("nan")}, "at_once"),
        ({"queue": -1}, "queue"),
        ({"queue": None}, "queue"),
        ({"wait": 0}, "wait"),
        ({"wait": float("inf")}, "wait"),
        ({"wait": float("nan")}, "wait"),
        ({"shared": ""}, "shared"),
        ({"shared": 1}, "shared"),
    ],
)
def test_an_option_out_of_range_is_refused(options: dict[str, Any], name: str) -> None:
    with pytest.raises(StackError, match=f"Limit: {name} must be"):
        Limit(options.get("at_once", 1), **{k: v for k, v in options.items() if k != "at_once"})
