"""Why orders are refused: each does the harm that its rule names, and the legal one does not."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest

from lamina.backends.memory import MemoryKeyValue
from lamina.domains.keyvalue import Get, Set
from lamina.errors import LimitReached, StorageError, Throttled, Unavailable
from lamina.layer import Layer
from lamina.layers.breaker import Breaker
from lamina.layers.cache import Cache
from lamina.layers.chaos import Chaos
from lamina.layers.deadline import Deadline
from lamina.layers.fallback import Fallback
from lamina.layers.hedge import Hedge
from lamina.layers.limit import Limit
from lamina.layers.retry import Retry
from lamina.layers.seal import Seal
from lamina.layers.seal.keys import new_key
from lamina.layers.timeout import Timeout
from lamina.stack import Stack
from lamina.testing import ScriptedKeyValue
from lamina.testing.faulty import Faulty

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from lamina.operation import Handler, Op, R


def against(code: str, *layers: Layer) -> Stack:
    return Stack(*layers, allow={code: "to show the harm"})


class Far(Layer):
    """Where a server begins: a write that was sent arrives after its delay, cancelled or not."""

    slot = "chaos"

    def __init__(self, delays: list[float]) -> None:
        self.delays = delays
        self.asked: list[float] = []
        self.held: dict[str, bytes] = {}

    async def around(self, op: Op, inner: Handler[Op, R]) -> R:
        loop = asyncio.get_running_loop()
        self.asked.append(loop.time())
        if isinstance(op, Set):
            delay = self.delays.pop(0) if self.delays else 0.05
            loop.call_later(delay, self.held.__setitem__, op.key, op.value)
            await asyncio.sleep(delay)
        return await inner(op)


def hanging() -> ScriptedKeyValue:
    backend = ScriptedKeyValue()
    backend.expect(Get).hangs().always()
    return backend


def failing() -> ScriptedKeyValue:
    backend = ScriptedKeyValue()
    backend.expect(Get).raises(Unavailable("down")).always()
    return backend


async def end(call: Coroutine[Any, Any, object]) -> StorageError | None:
    try:
        await call
    except StorageError as error:
        return error
    return None


def state(store: Any) -> str:
    found: str = store.bound.layer(Breaker).status().state.value
    return found


async def test_e01_a_breaker_outside_no_timeout_never_opens_on_hangs() -> None:
    wrong = against("E01", Timeout(1), Breaker(min_calls=5)).over(hanging())
    right = Stack(Breaker(min_calls=5), Timeout(1)).over(hanging())
    for store in (wrong, right):
        for _ in range(20):
            await end(store.get("a"))

    assert state(wrong) == "closed"
    assert wrong.bound.layer(Breaker).status().calls == 0
    assert state(right) == "open"


async def test_e02_a_timeout_past_the_deadline_lets_nothing_repeat_or_be_counted() -> None:
    layers = Deadline(1), Retry(3, base=0), Breaker(min_calls=2)
    once, thrice = hanging(), hanging()
    wrong = against("E02", *layers, Timeout(1)).over(once)
    right = Stack(*layers, Timeout(0.3)).over(thrice)
    await end(wrong.get("a"))
    await end(right.get("a"))

    assert (len(once.calls), state(wrong)) == (1, "closed")
    assert (len(thrice.calls), state(right)) == (2, "open")


async def test_e03_a_window_too_short_forgets_hangs_before_the_next_is_told() -> None:
    wrong = against("E03", Breaker(window=4.0, min_calls=2), Timeout(5)).over(hanging())
    right = Stack(Breaker(window=10.0, min_calls=2), Timeout(5)).over(hanging())
    for store in (wrong, right):
        for _ in range(20):
            await end(store.get("a"))

    assert state(wrong) == "closed"
    assert right.bound.layer(Breaker).status().opened > 0


async def test_e04_hedges_due_after_the_deadline_are_never_sent() -> None:
    slow, quick = hanging(), hanging()
    wrong = against("E04", Deadline(1), Hedge(0.4, hedges=3)).over(slow)
    right = Stack(Deadline(1), Hedge(0.25, hedges=3)).over(quick)
    await end(wrong.get("a"))
    await end(right.get("a"))

    assert (len(slow.calls), len(quick.calls)) == (3, 4)


async def test_e05_hits_of_a_cache_inside_a_breaker_hide_that_the_backend_is_down() -> None:
    breaker, cache = Breaker(min_calls=5), Cache(600, jitter=0)
    wrong = against("E05", breaker, cache).over(
        backend := Faulty(MemoryKeyValue(), random.Random(1))
    )
    right = Stack(cache, breaker).over(other := Faulty(MemoryKeyValue(), random.Random(1)))
    for store, broken in ((wrong, backend), (right, other)):
        await store.set("hot", b"1")
        await store.get("hot")
        broken._error_rate = 1.0
        for place in range(20):
            await end(store.get("hot"))
            await end(store.get("hot"))
            await end(store.get(f"cold {place}"))

    assert state(wrong) == "closed"
    assert state(right) == "open"


async def test_e05_hits_of_a_cache_inside_a_limit_are_refused_for_want_of_places() -> None:
    limit, cache = Limit(1), Cache(600)
    for stack, refused in ((against("E05", limit, cache), True), (Stack(cache, limit), False)):
        store = stack.over(Faulty(MemoryKeyValue(), random.Random(1), latency=1.0))
        await store.set("hot", b"1")
        await store.get("hot")
        slow = asyncio.ensure_future(store.get("cold"))
        await asyncio.sleep(0.5)
        assert isinstance(await end(store.get("hot")), LimitReached) == refused
        await slow


async def test_e05_hedges_outside_a_cache_wait_for_the_first_instead_of_asking() -> None:
    hedge, cache = Hedge(0.1), Cache(600)
    wrong = await slowest(against("E05", hedge, cache))
    right = await slowest(Stack(cache, hedge))

    assert (wrong, right) == (5.0, pytest.approx(0.15))


async def slowest(stack: Stack) -> float:
    """Return the seconds of a read whose first attempt takes 5 s, and the others 50 ms."""
    seconds = iter([0.05, 0.05, 5.0])
    backend = Faulty(MemoryKeyValue(), random.Random(1), latency=lambda rng: next(seconds, 0.05))
    store = stack.over(backend)
    await store.get("first")
    await store.get("second")
    began = asyncio.get_running_loop().time()
    await store.get("a")
    return asyncio.get_running_loop().time() - began


async def test_e06_a_limit_outside_a_retry_is_held_by_calls_that_only_wait() -> None:
    limit, retry = Limit(10, queue=200), Retry(3, base=1.0, budget=None)
    wrong = await makespan(against("E06", limit, retry))
    right = await makespan(Stack(retry, limit))

    assert right < 4
    assert wrong > 3 * right


async def makespan(stack: Stack) -> float:
    """Return the seconds that 200 calls of 50 ms take, of which every second fails."""
    rng = random.Random(5)
    store = stack.over(Faulty(MemoryKeyValue(), rng, error_rate=0.5, latency=0.05))
    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(end(store.get(f"k{place}")) for place in range(200)))
    return asyncio.get_running_loop().time() - began


async def test_e07_a_fallback_inside_hides_failures_from_retry_and_breaker() -> None:
    def other() -> Fallback:
        return Fallback(Stack().over(MemoryKeyValue()).bound)

    backend, repeated = failing(), failing()
    wrong = against("E07", Retry(3, base=0), Breaker(min_calls=2), other()).over(backend)
    right = Stack(other(), Retry(3, base=0), Breaker(min_calls=3)).over(repeated)
    for store in (wrong, right):
        for _ in range(5):
            await store.get("a")

    assert (len(backend.calls), state(wrong)) == (5, "closed")
    assert wrong.bound.layer(Retry).status().retried == 0
    assert (len(repeated.calls), state(right)) == (3, "open")


async def test_e08_a_hedge_around_a_retry_asks_while_the_first_waits_as_it_was_told() -> None:
    hedge, retry = Hedge(0.1), Retry(2, base=0)
    assert await asked_at(against("E08", hedge, retry)) == pytest.approx([0.0, 0.1])
    assert await asked_at(Stack(retry, hedge)) == pytest.approx([0.0, 2.0])


async def asked_at(stack: Stack) -> list[float]:
    """Return when a backend is asked twice that says at first: not for two seconds."""
    backend = ScriptedKeyValue(ordered=True)
    backend.expect(Get("before")).after(0.01).returns(b"1")
    backend.expect(Get("a")).raises(Throttled("slower", retry_after=2.0))
    backend.expect(Get("a")).returns(b"1").always()
    far = Far([])
    store = Stack(*stack.layers, far, allow=stack.allow).over(backend)
    await store.get("before")
    began = asyncio.get_running_loop().time()
    await store.get("a")
    return [time - began for time in far.asked[1:]]


async def test_e10_of_two_writes_in_flight_the_loser_lands_on_a_later_one() -> None:
    wrong = await left_after(against("E10", Hedge(0.1, ops=("Set",))))
    right = await left_after(Stack(Hedge(0.1)))

    assert (wrong, right) == (b"old", b"new")


async def left_after(stack: Stack) -> bytes | None:
    """Return what a far server holds in the end for one who writes "old", and then "new"."""
    far = Far([0.05, 0.05, 5.0, 0.05])
    store = Stack(*stack.layers, far, allow=stack.allow).over(MemoryKeyValue())
    for value in (b"first", b"second", b"old", b"new"):
        await store.set("a", value)
    await asyncio.sleep(60)
    return far.held["a"]


async def test_e11_faults_outside_what_they_are_to_test_never_meet_it() -> None:
    chaos = Chaos(1.0, seed=1)
    wrong = against("E11", chaos, Retry(3, base=0), Breaker(min_calls=3)).over(MemoryKeyValue())
    right = Stack(Retry(3, base=0), Breaker(min_calls=3), chaos).over(MemoryKeyValue())
    for store in (wrong, right):
        assert await end(store.get("a")) is not None

    assert (wrong.bound.layer(Retry).status().retried, state(wrong)) == (0, "closed")
    assert (right.bound.layer(Retry).status().retried, state(right)) == (2, "open")


async def test_e12_one_circuit_twice_on_a_path_counts_each_failure_twice() -> None:
    def circuit() -> Breaker:
        return Breaker(min_calls=10, shared="twice on a path")

    backend, other = failing(), failing()
    wrong = against("E12", circuit(), circuit(), Timeout(1)).over(backend)
    right = Stack(Breaker(min_calls=10), Timeout(1)).over(other)
    for store in (wrong, right):
        for _ in range(20):
            await end(store.get("a"))

    assert (len(backend.calls), len(other.calls)) == (5, 10)


async def test_e12_one_limit_twice_on_a_path_waits_for_itself() -> None:
    def limit() -> Limit:
        return Limit(1, queue=1, wait=5.0, shared="one place")

    wrong = against("E12", limit(), limit()).over(MemoryKeyValue())
    assert isinstance(await end(wrong.get("a")), LimitReached)
    assert await end(Stack(limit()).over(MemoryKeyValue()).get("a")) is None


async def test_e14_a_plain_second_tier_holds_what_the_seal_hides() -> None:
    key = new_key()
    plain, sealed = MemoryKeyValue(), MemoryKeyValue()
    wrong = against("E14", Cache(60, l2=Stack().over(plain), l2_namespace="x"), Seal(key)).over(
        MemoryKeyValue()
    )
    right = Stack(Cache(60, l2=Stack(Seal(key)).over(sealed), l2_namespace="x"), Seal(key)).over(
        MemoryKeyValue()
    )
    for store in (wrong, right):
        await store.set("a", b"a secret")
        await asyncio.sleep(6.0)  # no answer is kept so soon after a write
        assert await store.get("a") == b"a secret"
        await asyncio.sleep(0.1)

    assert len(await held(plain)) == len(await held(sealed))
    assert any(b"a secret" in value for value in await held(plain))
    assert not any(b"a secret" in value for value in await held(sealed))


async def held(backend: MemoryKeyValue) -> list[bytes]:
    """Return what a backend keeps, as it keeps it."""
    store = Stack().over(backend)
    return [await store.get(key) or b"" async for key in store.scan()]
