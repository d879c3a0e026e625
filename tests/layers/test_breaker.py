"""Breaker, seen through a stack; A1 to A9 are the defects of aiobreaker that it must not have."""

from __future__ import annotations

import asyncio
import pickle
import random
from typing import TYPE_CHECKING, Any

import aiobreaker
import pytest

from lamina import context
from lamina.backend import serves
from lamina.domains.keyvalue import Get, GetMany, KeyValueBackend
from lamina.errors import (
    AuthError,
    BatchFailed,
    CircuitOpen,
    Conflict,
    Corrupt,
    DeadlineExceeded,
    Invalid,
    LimitReached,
    StackError,
    StorageError,
    Throttled,
    TimedOut,
    Unavailable,
    Unsupported,
)
from lamina.layers.breaker import Breaker, State, Verdict
from lamina.layers.breaker.verdict import of_error, of_outcomes
from lamina.layers.retry import Retry
from lamina.layers.timeout import Timeout
from lamina.runtime import Runtime
from lamina.stack import Stack
from lamina.testing.sweep import sweep
from lamina.values import Done, Failed, Outcome

if TYPE_CHECKING:
    from lamina.domains.keyvalue import KeyValue


class Service(KeyValueBackend):
    """Does to each call what it is set to: fail with *error*, take *seconds*, wait at *gate*."""

    name = "service"

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.seconds = 0.0
        self.gate: asyncio.Event | None = None
        self.calls = 0
        self.outcomes: tuple[Outcome[bytes | None], ...] = ()

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        self.calls += 1
        error, gate = self.error, self.gate  # as they are when the call begins
        if gate is not None:
            await gate.wait()
        if self.seconds:
            await asyncio.sleep(self.seconds)
        if error is not None:
            raise error
        return b"1"

    @serves(GetMany)
    async def get_many(self, op: GetMany) -> tuple[Outcome[bytes | None], ...]:
        return self.outcomes


def small(**options: Any) -> Breaker:
    options = {"min_calls": 4, "jitter": 0.0, "probes": 2, **options}
    return Breaker(**options)


def over(service: Service, breaker: Breaker | None = None) -> tuple[KeyValue, Breaker]:
    runtime = Runtime(rng=random.Random(1))
    store: KeyValue = Stack(breaker or small()).over(service, runtime=runtime)
    own = store.bound.layer(Breaker)
    assert own is not None
    return store, own


async def fail(store: KeyValue, service: Service, times: int = 4) -> None:
    service.error = Unavailable("down")
    for _ in range(times):
        with pytest.raises(Unavailable):
            await store.get("a")
    service.error = None


async def until_half_open(store: KeyValue, service: Service) -> None:
    await fail(store, service)
    await asyncio.sleep(5.0)


def state(breaker: Breaker) -> State:
    return breaker.status().state


async def test_cb2_it_opens_at_the_rate_once_there_are_enough_calls_on_a_success_too() -> None:
    service = Service()
    store, breaker = over(service)
    await store.get("a")
    await fail(store, service, 2)
    assert state(breaker) is State.CLOSED  # 2 of 3 failed: too few calls

    await store.get("a")  # 2 of 4

    assert state(breaker) is State.OPEN
    with pytest.raises(CircuitOpen):
        await store.get("a")
    assert service.calls == 4


async def test_a8_failures_need_not_follow_one_another() -> None:
    service = Service()
    store, breaker = over(service, Breaker(min_calls=20))
    for number in range(20):
        if number % 5 == 0:
            await store.get("a")
        else:
            await fail(store, service, 1)

    assert state(breaker) is State.OPEN


async def test_cb3_old_failures_are_forgotten() -> None:
    service = Service()
    store, breaker = over(service)
    await fail(store, service, 3)
    await asyncio.sleep(30.0)
    await fail(store, service, 3)

    assert state(breaker) is State.CLOSED


async def test_cb9_a5_the_call_that_opens_it_raises_its_own_error() -> None:
    service = Service()
    store, breaker = over(service)
    await fail(store, service, 3)
    service.error = mine = Unavailable("mine")

    with pytest.raises(Unavailable) as caught:
        await store.get("a")

    assert caught.value is mine
    assert state(breaker) is State.OPEN


async def test_cb8_a6_a_refusal_tells_the_exact_wait_and_is_both_errors() -> None:
    service = Service()
    store, breaker = over(service)
    await fail(store, service)
    await asyncio.sleep(1.5)

    with pytest.raises(aiobreaker.CircuitBreakerError) as caught:
        await store.get("a")

    error = caught.value
    assert isinstance(error, CircuitOpen)
    assert error.retry_after == 3.5
    assert (error.sent, error.layer, error.backend) == ("no", "breaker", "service")
    assert str(error).endswith(": the circuit is open for another 3.5 s after Unavailable")
    assert error.time_remaining.total_seconds() == pytest.approx(3.5, abs=1.0)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.retry_after) == (type(error), str(error), 3.5)
    assert error.__traceback__ is not None
    assert breaker.status().rejected == 1


async def test_cb5_a1_half_open_admits_its_probes_one_at_a_time() -> None:
    service = Service()
    store, breaker = over(service)
    await until_half_open(store, service)
    service.gate = asyncio.Event()
    calls = [asyncio.create_task(store.get("a")) for _ in range(100)]
    await asyncio.sleep(0)
    assert service.calls == 4 + 1

    service.gate.set()
    done = await asyncio.gather(*calls, return_exceptions=True)

    assert sum(isinstance(one, CircuitOpen) for one in done) == 99
    assert state(breaker) is State.HALF_OPEN
    await store.get("a")
    assert state(breaker) is State.CLOSED


async def test_cb4_a2_a_late_success_of_an_earlier_half_open_time_changes_nothing() -> None:
    service = Service()
    store, breaker = over(service, small(probes_at_once=2, lease=60.0))
    await until_half_open(store, service)
    service.gate = gate = asyncio.Event()
    late = asyncio.create_task(store.get("a"))
    await asyncio.sleep(0)
    service.gate = None
    await fail(store, service, 1)  # the other probe opens it again
    gate.set()
    await late

    assert state(breaker) is State.OPEN


async def test_cb4_a3_a_late_failure_of_a_call_begun_while_closed_changes_nothing() -> None:
    service = Service()
    store, breaker = over(service)
    service.gate, service.error = asyncio.Event(), Unavailable("late")
    late = asyncio.create_task(store.get("a"))
    await asyncio.sleep(0)
    gate, service.gate = service.gate, None
    await fail(store, service)
    await asyncio.sleep(1.0)
    gate.set()
    with pytest.raises(Unavailable, match="late"):
        await late

    status = breaker.status()
    assert (status.opened, status.retry_after) == (1, 4.0)


async def test_cb6_a4_a_cancelled_probe_gives_its_place_back_and_changes_nothing() -> None:
    service = Service()
    store, breaker = over(service, small(probes=1))
    await until_half_open(store, service)
    service.gate = asyncio.Event()
    probe = asyncio.create_task(store.get("a"))
    await asyncio.sleep(0)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert state(breaker) is State.HALF_OPEN

    service.gate = None
    await store.get("a")
    assert state(breaker) is State.CLOSED


async def test_a4_hangs_are_counted_when_timeout_stands_inside() -> None:
    service = Service()
    service.gate = asyncio.Event()
    stack = Stack(small(), Timeout(0.1))
    store = stack.over(service)
    for _ in range(4):
        with pytest.raises(TimedOut):
            await store.get("a")
    with pytest.raises(CircuitOpen):
        await store.get("a")


async def test_cb7_a_hung_probe_gives_way_and_its_late_verdict_still_counts() -> None:
    service = Service()
    store, breaker = over(service, small(lease=2.0))
    await until_half_open(store, service)
    service.gate = gate = asyncio.Event()
    hung = asyncio.create_task(store.get("a"))
    await asyncio.sleep(1.5)
    service.gate = None
    with pytest.raises(CircuitOpen) as caught:
        await store.get("a")
    assert caught.value.retry_after == 0.5
    await asyncio.sleep(0.5)
    await store.get("a")
    gate.set()
    await hung

    assert state(breaker) is State.CLOSED


async def test_breaks_grow_up_to_the_cap_and_start_anew_once_closed() -> None:
    service = Service()
    store, breaker = over(service, small(break_cap=15.0))
    await fail(store, service)
    for length in (5.0, 10.0, 15.0, 15.0):
        assert breaker.status().retry_after == length
        await asyncio.sleep(length)
        await fail(store, service, 1)
    await asyncio.sleep(15.0)
    for _ in range(2):
        await store.get("a")
    await fail(store, service)

    assert breaker.status().retry_after == 5.0


async def test_a_break_is_spread_by_its_jitter() -> None:
    waits: set[float] = set()
    for seed in range(20):
        service = Service()
        stack = Stack(small(jitter=0.2))
        store = stack.over(service, runtime=Runtime(rng=random.Random(seed)))
        await fail(store, service)
        waits.add(store.bound.layer(Breaker).status().retry_after)
    assert len(waits) == 20
    assert all(4.0 <= wait <= 6.0 for wait in waits)


async def test_cb2_cb11_slow_answers_open_it_but_not_the_time_spent_in_a_queue() -> None:
    service = Service()
    store, breaker = over(service, small(slow=1.0))
    service.seconds = 1.0
    for _ in range(3):
        await store.get("a")
    service.seconds = 0.9
    await store.get("a")
    assert state(breaker) is State.CLOSED  # 3 of 4 is below 0.8
    service.seconds = 1.0
    await store.get("a")
    assert state(breaker) is State.OPEN
    assert breaker.status().cause == "slow answers"

    class Queueing(Service):
        @serves(Get)
        async def get(self, op: Get) -> bytes | None:
            call = context.current.get()
            assert call is not None
            await asyncio.sleep(1.5)
            call.queued += 1.0
            return b"1"

    store, breaker = over(Queueing(), small(slow=1.0))
    for _ in range(10):
        await store.get("a")
    assert breaker.status().slow == 0


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (Unavailable(), Verdict.FAILURE),
        (TimedOut(), Verdict.FAILURE),
        (Conflict(), Verdict.SUCCESS),
        (Invalid(), Verdict.SUCCESS),
        (AuthError(), Verdict.SUCCESS),
        (Corrupt(), Verdict.SUCCESS),
        (Throttled(), Verdict.NONE),
        (LimitReached(), Verdict.NONE),
        (CircuitOpen(), Verdict.NONE),
        (DeadlineExceeded(), Verdict.NONE),
        (Unsupported(), Verdict.NONE),
        (BatchFailed(outcomes=(Failed(TimedOut()),)), Verdict.FAILURE),
        (StorageError(transient=True), Verdict.FAILURE),
        (StorageError(), Verdict.SUCCESS),
        (ConnectionResetError(), Verdict.FAILURE),
        (TimeoutError(), Verdict.FAILURE),
        (TypeError(), Verdict.NONE),
    ],
)
def test_each_error_has_its_verdict(error: Exception, verdict: Verdict) -> None:
    assert of_error(error) is verdict


def test_a_batch_is_judged_by_its_worst_item() -> None:
    down = Failed(Unavailable())
    assert of_outcomes((Done(1), down))[0] is Verdict.FAILURE
    assert of_outcomes((Done(1), Failed(Conflict())))[0] is Verdict.SUCCESS
    assert of_outcomes((Failed(Throttled()), Failed(Conflict())))[0] is Verdict.SUCCESS
    assert of_outcomes((Failed(Throttled()),))[0] is Verdict.NONE
    assert of_outcomes(())[0] is Verdict.SUCCESS


async def test_a_batch_with_a_failed_item_counts_as_a_failure() -> None:
    service = Service()
    store, breaker = over(service)
    service.outcomes = (Done(b"1"), Failed(Unavailable()))
    for _ in range(4):
        await store.get_many(["a", "b"], outcomes=True)

    assert state(breaker) is State.OPEN


async def test_throttling_and_refusals_count_neither_way() -> None:
    service = Service()
    store, breaker = over(service)
    for error in (Throttled(), LimitReached(), DeadlineExceeded(), Unsupported(), KeyError()):
        service.error = error
        for _ in range(4):
            with pytest.raises(type(error)):
                await store.get("a")
    assert breaker.status().calls == 0
    service.error = None
    await until_half_open(store, service)
    service.error = Throttled()
    for _ in range(4):  # a probe that tells nothing gives its place back
        with pytest.raises(Throttled):
            await store.get("a")
    assert state(breaker) is State.HALF_OPEN


async def test_cb1_an_operator_overrides_until_reset() -> None:
    service = Service()
    store, breaker = over(service)
    breaker.force_open()
    await asyncio.sleep(1000.0)
    with pytest.raises(CircuitOpen, match="opened by hand") as caught:
        await store.get("a")
    assert caught.value.retry_after is None
    breaker.disable()
    await fail(store, service, 40)
    assert state(breaker) is State.DISABLED
    assert breaker.status().calls == 0
    breaker.reset()
    assert state(breaker) is State.CLOSED
    await fail(store, service)
    assert state(breaker) is State.OPEN
    breaker.reset()
    await store.get("a")


async def test_cb13_one_stack_over_two_backends_has_two_circuits_and_a_name_shares_one() -> None:
    for shared, is_open in ((None, State.CLOSED), ("both", State.OPEN)):
        stack = Stack(small(shared=shared))
        services = Service(), Service()
        first, second = (stack.over(service) for service in services)
        await fail(first, services[0])
        assert state(second.bound.layer(Breaker)) is is_open
        if shared:
            with pytest.raises(StackError, match="shared with other options"):
                Stack(small(shared="both", window=31.0)).over(Service())


async def test_retry_does_not_wait_for_an_open_circuit_nor_send_through_it() -> None:
    service = Service()
    service.error = Unavailable("down")
    store = Stack(Retry(base=0), small(min_calls=2)).over(service)

    with pytest.raises(CircuitOpen) as caught:
        await store.get("a")

    assert service.calls == 2
    assert caught.value.__notes__ == ["at attempt 3 of 3"]


@pytest.mark.parametrize("options", [{}, {"slow": 0.5}], ids=["plain", "watched"])
@pytest.mark.parametrize("opened", [False, True], ids=["closed", "half-open"])
def test_a_cancellation_at_any_await_leaves_no_place_taken(options: Any, opened: bool) -> None:
    async def scenario() -> None:
        service = Service()
        store, breaker = over(service, small(**options))
        if opened:
            await until_half_open(store, service)
        before = context.current.get()
        service.seconds = 0.1
        try:
            await store.get("a")
        finally:
            assert context.current.get() is before
            if opened:
                assert breaker._circuit._out == []

    assert sweep(scenario).finished == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"failure_rate": 0}, "failure_rate must be a finite number above 0 to 1, got 0"),
        ({"failure_rate": 1.1}, "failure_rate"),
        ({"failure_rate": True}, "failure_rate"),
        ({"slow_rate": float("nan")}, "slow_rate"),
        ({"window": -1}, "window must be a finite number above 0, got -1"),
        ({"window": "30"}, "window"),
        ({"buckets": 0}, "buckets must be a whole number from 1, got 0"),
        ({"min_calls": 2.5}, "min_calls"),
        ({"slow": 0}, "slow must"),
        ({"break_for": float("inf")}, "break_for"),
        ({"break_for": 61.0}, "break_for must be at most break_cap, got 61.0 and 60.0"),
        ({"jitter": 2}, "jitter must be a finite number from 0 to 1"),
        ({"probes_at_once": 4}, "probes_at_once must be at most probes, got 4 and 3"),
        ({"lease": 0}, "lease"),
        ({"listeners": [object()]}, "each of listeners must have before_call"),
        ({"listeners": 3}, "listeners must be several"),
        ({"shared": 3}, "shared must be a name or None, got 3"),
    ],
)
def test_an_option_that_cannot_work_is_refused_by_name(options: dict[str, Any], told: str) -> None:
    with pytest.raises(StackError, match=f"Breaker: .*{told}"):
        Breaker(**options)
