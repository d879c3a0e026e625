"""Why orders are refused: each does the harm that its rule names, and the legal one does not."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from lamina.backends.memory import MemoryKeyValue
from lamina.domains.keyvalue import Get
from lamina.errors import StorageError, Unavailable
from lamina.layers.breaker import Breaker
from lamina.layers.cache import Cache
from lamina.layers.chaos import Chaos
from lamina.layers.deadline import Deadline
from lamina.layers.fallback import Fallback
from lamina.layers.retry import Retry
from lamina.layers.timeout import Timeout
from lamina.stack import Stack
from lamina.testing import ScriptedKeyValue
from lamina.testing.faulty import Faulty

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from lamina.layer import Layer


def against(code: str, *layers: Layer) -> Stack:
    return Stack(*layers, allow={code: "to show the harm"})


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
