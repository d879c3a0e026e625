"""Throttle and Quota let so many pass in a time, in order, and lose no token."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from holding import Holding, clock
from mutants import mutant

import lamina
from lamina.domains.keyvalue import KeyValue
from lamina.errors import Closed, RateLimited, StackError
from lamina.layers.breaker import Breaker
from lamina.layers.cache import Cache
from lamina.layers.hedge import Hedge
from lamina.layers.rate import Quota, Throttle, limited, line
from lamina.layers.rate.limited import Limited
from lamina.layers.rate.line import RateStatus
from lamina.layers.retry import Retry
from lamina.layers.timeout import Timeout
from lamina.runtime import Runtime
from lamina.stack import Stack
from lamina.testing.clock import DeadlockError, explore, run
from lamina.testing.faulty import Faulty
from lamina.testing.sweep import sweep

Kind = Callable[..., Limited]
both = pytest.mark.parametrize("kind", [Throttle, Quota])


def status(store: KeyValue) -> RateStatus:
    found = store.bound.layer(Throttle) or store.bound.layer(Quota)
    assert found is not None
    return found.status()


async def times(store: KeyValue, count: int) -> list[Any]:
    """Ask *count* times at once; return when each was answered, or its error."""

    async def one(number: int) -> float:
        await store.get(f"{number}")
        return clock()

    return await asyncio.gather(*map(one, range(count)), return_exceptions=True)


@both
async def test_rl1_a_refusal_tells_exactly_when_a_token_comes(kind: Kind) -> None:
    backend = Holding(0.0)
    store = Stack(kind(2, per=1.0)).over(backend)

    told = await times(store, 3)

    assert told[:2] == [0.0, 0.0]
    refused = told[2]
    assert isinstance(refused, RateLimited)
    assert (refused.sent, refused.layer) == ("no", "throttle" if kind is Throttle else "quota")
    assert refused.retry_after == pytest.approx(0.5)
    assert backend.began == ["0", "1"]
    await asyncio.sleep(refused.retry_after or 0)
    assert await store.get("again") == b"again"
    assert status(store) == RateStatus(tokens=0, waiting=0, refused=1)


@both
async def test_rl2_who_waits_is_served_in_order_at_the_rate(kind: Kind) -> None:
    backend = Holding(0.0)
    store = Stack(kind(10, burst=1, queue=3)).over(backend)

    told = await times(store, 6)

    assert told[:4] == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert [type(one) for one in told[4:]] == [RateLimited, RateLimited]
    assert told[4].retry_after == pytest.approx(0.4)
    assert "3 of at most 3 wait" in str(told[4])
    assert backend.began == ["0", "1", "2", "3"]


@both
async def test_rl2_nobody_waits_longer_than_he_may(kind: Kind) -> None:
    store = Stack(kind(1, burst=1, queue=9, wait=2.5)).over(Holding(0.0))

    told = await times(store, 5)

    assert told[:3] == pytest.approx([0.0, 1.0, 2.0])
    assert [one.retry_after for one in told[3:]] == [3.0, 3.0]


@both
async def test_rl2_a_wait_past_the_callers_deadline_is_refused_at_once(kind: Kind) -> None:
    store = Stack(kind(1, burst=1, queue=9)).over(Holding(0.0))

    async with lamina.call(deadline=1.5):
        told = await times(store, 3)

    assert told[:2] == pytest.approx([0.0, 1.0])
    assert isinstance(told[2], RateLimited)
    assert told[2].retry_after == 2.0


@both
async def test_rl2_who_may_wait_just_as_long_as_a_token_takes_gets_it_at_any_time(
    kind: Kind,
) -> None:
    for _ in range(100):
        store = Stack(kind(10, burst=1, queue=9, wait=0.1)).over(Holding(0.0))
        began = clock()
        assert await times(store, 2) == pytest.approx([began, began + 0.1])
        async with lamina.call(deadline=0.1):
            await store.get("a")
            await asyncio.sleep(0.1 / 3)
    assert clock() > 10


@both
async def test_rl2_a_newcomer_does_not_overtake_the_line(kind: Kind) -> None:
    backend = Holding(0.0)
    store = Stack(kind(1, burst=1, queue=9)).over(backend)
    waiting = asyncio.ensure_future(times(store, 3))
    await asyncio.sleep(0.5)

    assert await store.get("late") == b"late"

    assert clock() == pytest.approx(3.0)
    assert backend.began == ["0", "1", "2", "late"]
    await waiting


@both
async def test_rl2_who_stands_behind_a_cancelled_one_moves_up(kind: Kind) -> None:
    store = Stack(kind(1, burst=1, queue=9)).over(Holding(0.0))
    await store.get("first")
    gone, last = asyncio.ensure_future(store.get("a")), asyncio.ensure_future(store.get("b"))
    await asyncio.sleep(0.5)

    gone.cancel()

    assert await last == b"b"
    assert clock() == pytest.approx(1.0)
    assert status(store).waiting == 0


async def crowd() -> None:
    """Have some wait who are cancelled as their tokens come; the others' tokens must not go."""
    backend = Holding(0.0)
    store = Stack(Throttle(1, burst=1, queue=9)).over(backend)
    tasks = [asyncio.ensure_future(store.get(f"{n}")) for n in range(6)]
    asyncio.get_running_loop().call_later(1.0, tasks[1].cancel)  # together with the token's timer
    await asyncio.sleep(2.0)
    tasks[4].cancel()  # a token may have come at this very moment
    told = await asyncio.gather(*tasks, return_exceptions=True)
    passed = len(backend.began)
    assert clock() == pytest.approx(passed - 1)  # no token was wasted
    assert [one for n, one in enumerate(told) if n not in {1, 4}] == [b"0", b"2", b"3", b"5"]


def test_rl2_a_cancelled_one_loses_no_token() -> None:
    explore(crowd, schedules=600)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("            self.bucket.give()\n", ""),
        ("            self._turn(runtime)\n\n    def _r", "            pass\n\n    def _r"),
        ("        return not self._futures and ", "        return "),
    ],
)
def test_a_line_that_loses_tokens_is_caught(
    old: str, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = mutant(line, old, new)
    monkeypatch.setattr(limited, "Line", broken.__dict__["Line"])

    async def in_order() -> None:
        backend = Holding(0.0)
        store = Stack(Throttle(1, burst=1, queue=9)).over(backend)
        first = asyncio.ensure_future(times(store, 2))
        await asyncio.sleep(1.0)
        await store.get("late")
        await first
        assert backend.began == ["0", "1", "late"]

    async def both_at_once() -> None:
        await crowd()
        await in_order()

    with pytest.raises((DeadlockError, AssertionError)):
        explore(both_at_once, schedules=600)


def test_rl2_tokens_and_places_are_conserved_wherever_callers_are_cancelled() -> None:
    left: list[RateStatus] = []

    async def scenario() -> None:
        backend = Holding(0.1)
        store = Stack(Throttle(1, burst=1, queue=5)).over(backend)

        async def behind() -> float:
            await asyncio.sleep(0.5)
            await store.get("behind")
            return clock()

        before, last = map(asyncio.ensure_future, (store.get("before"), behind()))
        try:
            await asyncio.sleep(0.25)
            await store.get("in line")
            await store.get("again")
        finally:
            await asyncio.wait([before, last])
            assert last.result() == backend.began.index("behind") + 0.1  # no token was wasted
            left.append(status(store))

    def conserved() -> None:
        while left:  # none, if cancelled before the first step
            assert left.pop().waiting == 0

    swept = sweep(scenario, after=conserved)
    assert swept.points == 1 + 2 + 2 + 1  # each waits in the line and in the store; for the others


async def test_rl3_a_quota_counts_calls_and_a_throttle_attempts() -> None:
    import random

    def failing() -> Faulty[KeyValue]:
        return Faulty(Holding(0.0), random.Random(1), error_rate=0.5)

    layers = (Quota(1, burst=100), Retry(20, base=0, budget=None), Throttle(1, burst=100))
    store = Stack(*layers).over(failing())
    for number in range(20):
        await store.get(f"{number}")

    quota, throttle = store.bound.layer(Quota), store.bound.layer(Throttle)
    assert quota is not None
    assert throttle is not None
    retry = store.bound.layer(Retry)
    assert retry is not None
    assert retry.status().retried > 5
    assert quota.status().tokens == 100 - 20
    assert throttle.status().tokens == 100 - 20 - retry.status().retried


async def test_rl3_a_hit_of_the_cache_costs_quota_and_no_throttle() -> None:
    store = Stack(Quota(1, burst=5), Cache(60), Throttle(1, burst=5)).over(Holding(0.0))

    for _ in range(4):
        await store.get("same")

    quota, throttle = store.bound.layer(Quota), store.bound.layer(Throttle)
    assert quota is not None
    assert throttle is not None
    assert (quota.status().tokens, throttle.status().tokens) == (1, 4)


async def test_hg6_no_hedge_while_attempts_wait_for_tokens() -> None:
    store = Stack(Hedge(0.5), Throttle(1, burst=1, queue=9)).over(Holding(2.0))

    calls = [asyncio.ensure_future(store.get(f"{n}")) for n in range(4)]
    await asyncio.sleep(2.9)  # the last has its token at 3.0

    hedge = store.bound.layer(Hedge)
    assert hedge is not None
    assert hedge.status().reluctant > 0
    assert hedge.status().hedged == 0
    await asyncio.gather(*calls)


async def test_cb11_the_wait_for_a_token_is_not_slowness() -> None:
    layers = (Breaker(slow=1.5, slow_rate=0.1, min_calls=3), Throttle(1, burst=1, queue=9))
    store = Stack(*layers).over(Holding(0.0))

    assert await times(store, 4) == pytest.approx([0.0, 1.0, 2.0, 3.0])

    breaker = store.bound.layer(Breaker)
    assert breaker is not None
    assert breaker.status().slow == 0


async def test_closing_lets_those_who_wait_have_their_tokens() -> None:
    store = Stack(Throttle(1, burst=1, queue=2)).over(Holding(0.0))
    calls = asyncio.ensure_future(times(store, 3))
    await asyncio.sleep(0.5)

    await store.close()

    assert await calls == pytest.approx([0.0, 1.0, 2.0])
    assert status(store) == RateStatus(tokens=0, waiting=0, refused=0)


@pytest.mark.parametrize("at", [0.5, 1.0])
def test_who_still_waits_when_the_store_is_closed_is_told_so_and_costs_no_token(at: float) -> None:
    names = map(str, count())

    async def scenario() -> None:
        stack = Stack(Throttle(1, burst=1, queue=9, shared=f"closing {at} {next(names)}"))
        backend = Holding(0.0)
        store, other = stack.over(backend, runtime=Runtime(grace=at)), stack.over(backend)
        await store.get("a")
        waiting = [asyncio.ensure_future(store.get(key)) for key in "bc"]
        await asyncio.sleep(0)
        others = asyncio.ensure_future(times(other, 2))
        await asyncio.sleep(0)

        await store.close()
        told = await asyncio.gather(*waiting, return_exceptions=True)

        passed = [one for one in told if one in (b"b", b"c")]
        refused = [one for one in told if isinstance(one, Closed)]
        assert len(passed) + len(refused) == 2
        assert len(passed) <= (at == 1.0)
        first = 1.0 + len(passed)
        assert sorted(await others) == pytest.approx([first, first + 1.0])
        assert status(other) == RateStatus(tokens=0, waiting=0, refused=0)

    explore(scenario, schedules=500)


def test_a_token_that_comes_as_the_store_is_closed_is_counted_once() -> None:
    async def scenario() -> None:
        store = Stack(Throttle(1, burst=2, queue=9)).over(Holding(0.0))
        throttle = store.bound.layer(Throttle)
        assert throttle is not None

        def close() -> None:
            with pytest.raises(StopIteration):
                throttle.close().send(None)

        await times(store, 2)
        waiting = asyncio.ensure_future(store.get("late"))
        asyncio.get_running_loop().call_later(1.0, close)
        (told,) = await asyncio.gather(waiting, return_exceptions=True)

        assert clock() == 1.0
        assert status(store).tokens == isinstance(told, Closed)

    explore(scenario, schedules=500)


async def test_retry_waits_for_a_token_that_is_told() -> None:
    store = Stack(Retry(3), Throttle(1, burst=1)).over(Holding(0.0))

    told = await times(store, 2)

    assert told[0] == 0.0
    assert told[1] >= 1.0


@both
async def test_stacks_use_a_shared_rate_together(kind: Kind) -> None:
    stack = Stack(kind(1, burst=1, shared="upstream"))
    one, other = stack.over(Holding(0.0)), stack.over(Holding(0.0))

    assert await one.get("a") == b"a"
    with pytest.raises(RateLimited):
        await other.get("b")
    with pytest.raises(StackError, match="shared with other options"):
        Stack(kind(2, burst=1, shared="upstream")).over(Holding())


def test_a_rate_shared_by_name_serves_one_loop_after_another() -> None:
    stack = Stack(Throttle(1, burst=1, queue=1, shared="loops"))
    stores = [stack.over(Holding(0.0)) for _ in range(2)]

    async def one_leaves_the_line() -> None:
        await stores[0].get("a")
        waiting = asyncio.ensure_future(stores[0].get("b"))
        await asyncio.sleep(0.5)
        waiting.cancel()
        await asyncio.wait([waiting])

    run(one_leaves_the_line())
    assert run(stores[1].get("c")) == b"c"


@both
def test_the_plan_knows_the_longest_wait(kind: Kind) -> None:
    def seconds(layer: Limited) -> float | None:
        plan = Stack.ordered(layer, Timeout(2)).over(Holding()).bound.plan()
        return next(op.worst.seconds for op in plan.operations if op.operation == "Get")

    assert seconds(kind(10)) == 2
    assert seconds(kind(10, per=60, queue=2)) == 2 + 12
    assert seconds(kind(10, per=60, queue=2, wait=3)) == 2 + 3


@both
@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"rate": 0}, "rate"),
        ({"rate": -1}, "rate"),
        ({"rate": float("nan")}, "rate"),
        ({"rate": float("inf")}, "rate"),
        ({"rate": True}, "rate"),
        ({"rate": "5"}, "rate"),
        ({"per": 0}, "per"),
        ({"per": None}, "per"),
        ({"rate": 1e308, "per": 1e-308}, "rate"),
        ({"rate": 1e-308, "per": 1e308}, "rate"),
        ({"rate": 1e10}, "rate"),
        ({"burst": 10**13}, "burst"),
        ({"burst": 0}, "burst"),
        ({"burst": 1.5}, "burst"),
        ({"queue": -1}, "queue"),
        ({"queue": True}, "queue"),
        ({"wait": 0}, "wait"),
        ({"wait": float("nan")}, "wait"),
        ({"shared": ""}, "shared"),
    ],
)
def test_an_option_out_of_range_is_refused(kind: Kind, options: dict[str, Any], name: str) -> None:
    with pytest.raises(StackError, match=f": {name} must "):
        kind(**{"rate": 1, **options})
