"""aiobreaker's listeners hear what they know, and can harm nothing."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import aiobreaker
import pytest

from lamina.domains.keyvalue import Get
from lamina.errors import CircuitOpen, Conflict, Unavailable
from lamina.layers.breaker import Breaker, State
from lamina.stack import Stack
from lamina.testing.scripted import ScriptedKeyValue

if TYPE_CHECKING:
    from lamina.domains.keyvalue import KeyValue

CLOSED, OPEN, HALF_OPEN = (
    aiobreaker.CircuitBreakerState.CLOSED,
    aiobreaker.CircuitBreakerState.OPEN,
    aiobreaker.CircuitBreakerState.HALF_OPEN,
)


class Recorder(aiobreaker.CircuitBreakerListener):  # type: ignore[misc]  # aiobreaker ships no types
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.breaker: Any = None

    def before_call(self, breaker: Any, func: Any, *args: Any, **kwargs: Any) -> None:
        assert isinstance(breaker, aiobreaker.CircuitBreaker)
        self.breaker = breaker
        self.heard.append(("before", args[0].key))

    def success(self, breaker: Any) -> None:
        self.heard.append("success")

    def failure(self, breaker: Any, exception: Exception) -> None:
        self.heard.append(("failure", type(exception)))

    def state_change(self, breaker: Any, old: Any, new: Any) -> None:
        self.heard.append((old.state, new.state))


class Raising(Recorder):
    def before_call(self, breaker: Any, func: Any, *args: Any, **kwargs: Any) -> None:
        raise LookupError

    success = failure = state_change = before_call


def over(backend: ScriptedKeyValue, *listeners: Any) -> tuple[KeyValue, Breaker]:
    stack = Stack(Breaker(min_calls=2, jitter=0.0, probes=1, listeners=listeners))
    store: KeyValue = stack.over(backend)
    breaker = store.bound.layer(Breaker)
    assert breaker is not None
    return store, breaker


def down_then_up() -> ScriptedKeyValue:
    backend = ScriptedKeyValue(ordered=True)
    backend.expect(Get).raises(Unavailable()).times(2)
    backend.expect(Get).returns(b"1")
    return backend


async def trip(store: KeyValue) -> None:
    for _ in range(2):
        with pytest.raises(Unavailable):
            await store.get("a")


async def test_cb10_listeners_hear_calls_and_each_transition_once_in_order() -> None:
    recorder = Recorder()
    store, _ = over(down_then_up(), recorder)
    await trip(store)
    with pytest.raises(CircuitOpen):
        await store.get("a")
    await asyncio.sleep(5.0)
    await store.get("a")

    failed = ("failure", Unavailable)
    assert recorder.heard == [
        *(("before", "a"), failed, ("before", "a"), failed, (CLOSED, OPEN)),
        *((OPEN, HALF_OPEN), ("before", "a"), (HALF_OPEN, CLOSED), "success"),
    ]


async def test_an_answer_that_is_an_error_of_the_caller_is_a_success() -> None:
    recorder = Recorder()
    backend = ScriptedKeyValue()
    backend.expect(Get).raises(Conflict())
    store, _ = over(backend, recorder)
    with pytest.raises(Conflict):
        await store.get("a")

    assert recorder.heard == [("before", "a"), "success"]


async def test_a13_a_raising_listener_changes_nothing_and_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    recorder = Recorder()
    backend = down_then_up()
    store, breaker = over(backend, Raising(), recorder)
    with caplog.at_level(logging.WARNING, "lamina.layers.breaker"):
        await trip(store)
        assert breaker.status().state is State.OPEN
        await asyncio.sleep(5.0)
        assert await store.get("a") == b"1"

    assert breaker.status().state is State.CLOSED
    assert len(recorder.heard) == 9
    assert breaker._guard.listeners.raised == 9
    assert [record.getMessage() for record in caplog.records] == [
        "listener Raising raised LookupError; it is logged once"
    ]


async def test_a7_the_breaker_they_see_shows_our_circuit_and_acts_on_it() -> None:
    recorder = Recorder()
    store, breaker = over(down_then_up(), recorder)
    await trip(store)
    shown = recorder.breaker
    assert shown.current_state is OPEN
    assert shown.state.state is OPEN
    assert (shown.name, shown.fail_counter, shown.fail_max) == ("scripted", 2, 1)
    assert shown.time_until_open.total_seconds() == 5.0
    assert shown.opens_at is not None

    shown.close()
    assert breaker.status().state is State.CLOSED
    shown.open()
    assert breaker.status().state is State.OPEN
    shown.half_open()
    assert recorder.heard[-3:] == [(OPEN, CLOSED), (CLOSED, OPEN), (OPEN, HALF_OPEN)]
    with pytest.raises(TypeError):
        await shown.call_async(store.get, "a")


async def test_a_transition_that_aiobreaker_does_not_know_is_not_told() -> None:
    recorder = Recorder()
    store, breaker = over(down_then_up(), recorder)
    await trip(store)
    recorder.heard.clear()

    breaker.force_open()
    assert recorder.heard == []
    breaker.disable()
    breaker.reset()
    assert recorder.heard == [(OPEN, CLOSED)]


async def test_what_a_listener_causes_is_told_after_what_it_heard() -> None:
    class Closing(Recorder):
        def state_change(self, breaker: Any, old: Any, new: Any) -> None:
            if new.state is OPEN:
                breaker.close()

    recorder = Recorder()
    store, breaker = over(down_then_up(), Closing(), recorder)
    await trip(store)

    assert recorder.heard[-2:] == [(CLOSED, OPEN), (OPEN, CLOSED)]
    assert breaker.status().state is State.CLOSED
