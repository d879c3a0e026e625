"""What a user may say to Breaker and hear of it, and how it stands among its neighbours."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from typing import TYPE_CHECKING, Any

import aiobreaker
import pytest

from lamina import context
from lamina.backend import serves
from lamina.domains.keyvalue import Get, GetMany, KeyValueBackend
from lamina.errors import AuthError, CircuitOpen, Invalid, StackError, Throttled, Unavailable
from lamina.layer import Layer
from lamina.layers.breaker import Breaker, State, Verdict
from lamina.layers.limit import Limit
from lamina.runtime import Runtime
from lamina.stack import Stack
from lamina.testing.clock import explore
from lamina.testing.scripted import ScriptedKeyValue
from lamina.values import Done, Failed, Outcome

if TYPE_CHECKING:
    from lamina.domains.keyvalue import KeyValue
    from lamina.operation import Handler, Op, R
    from lamina.site import Site


def over(backend: Any, **options: Any) -> tuple[KeyValue, Breaker]:
    options = {"min_calls": 2, "jitter": 0.0, "probes": 1, **options}
    store: KeyValue = Stack(Breaker(**options)).over(backend, runtime=Runtime(rng=random.Random(1)))
    breaker = store.bound.layer(Breaker)
    assert breaker is not None
    return store, breaker


def failing(error: Exception) -> ScriptedKeyValue:
    backend = ScriptedKeyValue()
    backend.expect(Get).raises(error).always()
    return backend


async def call(store: KeyValue, times: int = 2) -> None:
    await asyncio.gather(*(store.get("a") for _ in range(times)), return_exceptions=True)


async def test_classify_judges_an_error_and_leaves_what_it_does_not_know_to_the_rule() -> None:
    asked: list[Exception] = []

    def classify(error: Exception) -> Verdict | None:
        asked.append(error)
        kinds = {AuthError: Verdict.FAILURE, Unavailable: Verdict.NONE}
        return kinds.get(type(error))

    for error, failures, calls in ((AuthError(), 2, 2), (Unavailable(), 0, 0), (Invalid(), 0, 2)):
        store, breaker = over(failing(error), classify=classify, min_calls=9)
        await call(store)
        status = breaker.status()
        assert (status.failures, status.calls) == (failures, calls)
    assert len(asked) == 6


async def test_classify_judges_each_item_of_a_batch_once() -> None:
    asked: list[Exception] = []

    class Batches(KeyValueBackend):
        name = "batches"

        @serves(GetMany)
        async def get_many(self, op: GetMany) -> tuple[Outcome[bytes | None], ...]:
            return (Done(b"1"), Failed(AuthError()), Failed(Invalid()))

    def classify(error: Exception) -> Verdict | None:
        asked.append(error)
        return Verdict.FAILURE if isinstance(error, AuthError) else None

    store, breaker = over(Batches(), classify=classify, min_calls=9)
    await store.get_many(["a", "b", "c"], outcomes=True)

    assert (breaker.status().failures, len(asked)) == (1, 2)


async def test_throttling_is_a_failure_only_if_it_is_to_be_counted() -> None:
    for counted in (False, True):
        store, breaker = over(failing(Throttled()), count_throttled=counted)
        await call(store)
        assert (breaker.status().state is State.OPEN) is counted


async def test_no_function_of_the_user_sees_a_cancellation() -> None:
    asked: list[Exception] = []
    backend = ScriptedKeyValue()
    backend.expect(Get).hangs()
    store, breaker = over(backend, classify=asked.append)
    task = asyncio.create_task(store.get("a"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (asked, breaker.status().calls) == ([], 0)


async def test_cb10_each_transition_is_told_once_and_in_order_without_aiobreaker() -> None:
    told: list[tuple[State, State]] = []
    backend = ScriptedKeyValue(ordered=True)
    backend.expect(Get).raises(Unavailable()).times(2)
    backend.expect(Get).returns(b"1")
    store, breaker = over(backend, on_change=lambda *pair: told.append(pair))
    await call(store, 2)
    assert told == [(State.CLOSED, State.OPEN)]
    await asyncio.sleep(5.0)
    await store.get("a")
    breaker.force_open()
    breaker.force_open()
    breaker.disable()
    breaker.reset()
    breaker.reset()

    path = [State.CLOSED, State.OPEN, State.HALF_OPEN, State.CLOSED]
    path += [State.FORCED_OPEN, State.DISABLED, State.CLOSED]
    assert told == list(itertools.pairwise(path))


def test_cb10_calls_at_once_cause_each_transition_once() -> None:
    async def scenario() -> None:
        told: list[tuple[State, State]] = []
        backend = ScriptedKeyValue()
        backend.expect(Get).raises(Unavailable()).after(0.1).times(4)
        backend.expect(Get).returns(b"1").after(0.1).always()
        store, _ = over(backend, on_change=lambda *pair: told.append(pair))
        await call(store, 4)
        await asyncio.sleep(5.0)
        await call(store, 5)
        path = [State.CLOSED, State.OPEN, State.HALF_OPEN, State.CLOSED]
        assert told == list(itertools.pairwise(path))
        assert len(backend.calls) == 4 + 1

    explore(scenario, schedules=500)


async def test_what_on_change_or_classify_raises_changes_nothing_and_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*told: object) -> Any:
        raise (LookupError if len(told) == 1 else asyncio.CancelledError)

    heard: list[str] = []

    class Hears(aiobreaker.CircuitBreakerListener):  # type: ignore[misc]  # no types
        def state_change(self, breaker: Any, old: Any, new: Any) -> None:
            heard.append(new.state.name)

    with caplog.at_level(logging.WARNING, "lamina.hooks"):
        store, breaker = over(
            failing(Unavailable()), classify=broken, on_change=broken, listeners=[Hears()]
        )
        await call(store)

    assert (breaker.status().state, heard) == (State.OPEN, ["OPEN"])
    assert [record.getMessage() for record in caplog.records] == [
        "Breaker.classify raised LookupError; it is logged once",
        "Breaker.on_change raised CancelledError; it is logged once",
    ]


async def test_on_change_may_act_on_the_circuit() -> None:
    told: list[State] = []
    breakers: list[Breaker] = []

    def change(_before: State, after: State) -> None:
        told.append(after)
        if after is State.OPEN:
            breakers[0].reset()

    store, breaker = over(failing(Unavailable()), on_change=change)
    breakers.append(breaker)
    await call(store)

    assert (told, breaker.status().state) == ([State.OPEN, State.CLOSED], State.CLOSED)


@pytest.mark.parametrize(
    ("by_hand", "state"),
    [("force_open", State.FORCED_OPEN), ("disable", State.DISABLED), ("reset", State.CLOSED)],
)
async def test_cb1_what_is_set_while_the_length_of_a_break_is_asked_for_stays(
    by_hand: str, state: State
) -> None:
    told: list[tuple[State, State]] = []
    breakers: list[Breaker] = []

    def lasts(_breaks: int) -> float:
        getattr(breakers[0], by_hand)()
        return 1.0

    store, breaker = over(
        failing(Unavailable()), break_for=lasts, on_change=lambda *pair: told.append(pair)
    )
    breakers.append(breaker)
    await call(store)

    assert (breaker.status().state, breaker.status().opened) == (state, 0)
    assert told == ([] if state is State.CLOSED else [(State.CLOSED, state)])


async def test_cb1_a_listener_cannot_undo_what_an_operator_set() -> None:
    shown: list[Any] = []

    class Keeps(aiobreaker.CircuitBreakerListener):  # type: ignore[misc]  # no types
        def before_call(self, breaker: Any, func: Any, *args: Any, **kwargs: Any) -> None:
            shown.append(breaker)

    store, breaker = over(failing(Unavailable()), listeners=[Keeps()])
    await call(store, 1)
    for by_hand, state in (
        (breaker.force_open, State.FORCED_OPEN),
        (breaker.disable, State.DISABLED),
    ):
        by_hand()
        shown[0].close()
        shown[0].open()
        shown[0].half_open()
        assert breaker.status().state is state
    breaker.reset()
    shown[0].open()
    assert breaker.status().state is State.OPEN


async def test_cb1_what_a_call_tells_that_began_before_an_override_changes_nothing() -> None:
    for by_hand in ("force_open", "disable", "reset"):
        backend = ScriptedKeyValue()
        backend.expect(Get).raises(Unavailable()).after(1.0).always()
        store, breaker = over(backend, min_calls=1)
        late = asyncio.create_task(call(store, 3))
        await asyncio.sleep(0.5)
        getattr(breaker, by_hand)()
        before = breaker.status()
        await late
        assert breaker.status() == before


async def test_cb8_each_refusal_is_an_error_of_its_own_that_does_not_grow() -> None:
    store, _ = over(failing(Unavailable()))
    await call(store)
    seen: list[tuple[CircuitOpen, int]] = []
    for _ in range(5):
        with pytest.raises(CircuitOpen, match="after Unavailable") as caught:
            await store.get("a")
        depth, trace = 0, caught.value.__traceback__
        while trace is not None:
            depth, trace = depth + 1, trace.tb_next
        seen.append((caught.value, depth))

    assert len({id(error) for error, _ in seen}) == 5
    assert len({depth for _, depth in seen}) == 1
    assert all(error.__context__ is None for error, _ in seen)


async def test_cb11_the_time_in_the_line_of_limit_is_not_slow_also_of_calls_at_once() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).returns(b"1").after(0.6).always()
    store = Stack(Breaker(min_calls=2, slow=1.0), Limit(1, queue=20)).over(backend)
    breaker = store.bound.layer(Breaker)
    assert breaker is not None
    async with context.call() as mine:
        await call(store, 10)
        assert context.current.get() is mine
    assert (breaker.status().calls, breaker.status().slow) == (10, 0)


async def test_cb11_one_call_s_wait_does_not_hide_that_another_was_slow() -> None:
    class Mixed(KeyValueBackend):
        name = "mixed"

        @serves(Get)
        async def get(self, op: Get) -> bytes | None:
            await asyncio.sleep(1.5)
            if op.key == "queued":
                context.note_queued(1.0)
            return b"1"

    store, breaker = over(Mixed(), slow=1.0, min_calls=9)
    async with context.call() as mine:
        await asyncio.gather(store.get("queued"), store.get("slow"))

    assert (breaker.status().calls, breaker.status().slow) == (2, 1)
    assert mine.queued == 1.0


async def test_a_circuit_that_is_not_closed_makes_those_above_reluctant() -> None:
    seen: list[Any] = []

    class Looks(Layer):
        slot = "hedge"

        def setup(self, site: Site) -> None:
            seen.extend(site.common.reluctant)

        async def around(self, op: Op, inner: Handler[Op, R]) -> R:
            return await inner(op)

    store = Stack(Looks(), Breaker(min_calls=2, probes=1)).over(failing(Unavailable()))
    assert [one() for one in seen] == [False]
    await call(store)
    assert [one() for one in seen] == [True]
    breaker = store.bound.layer(Breaker)
    assert breaker is not None
    breaker.disable()
    assert [one() for one in seen] == [False]


def test_a_circuit_shared_by_name_serves_one_loop_after_another() -> None:
    stack = Stack(Breaker(min_calls=2, shared="loops"))
    stores = [stack.over(failing(Unavailable())) for _ in range(2)]
    asyncio.run(call(stores[0]))

    async def refused() -> float | None:
        with pytest.raises(CircuitOpen) as caught:
            await stores[1].get("a")
        return caught.value.retry_after

    wait = asyncio.run(refused())
    assert wait is not None
    assert 0 < wait <= 6.0


class Waits(aiobreaker.CircuitBreakerListener):  # type: ignore[misc]  # no types
    async def state_change(self, breaker: Any, old: Any, new: Any) -> None: ...


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"classify": 3}, "classify must be a function that is not async, or None, got 3"),
        ({"classify": asyncio.sleep}, "classify"),
        ({"on_change": "x"}, "on_change must be a function"),
        ({"count_throttled": 1}, "count_throttled must be True or False, got 1"),
        ({"listeners": [Waits()]}, "called, not awaited: state_change is async"),
    ],
    ids=["classify", "async", "change", "throttled", "listener"],
)
def test_a_further_option_that_cannot_work_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(StackError, match=f"Breaker: .*{told}"):
        Breaker(**options)
