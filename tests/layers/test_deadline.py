"""Deadline gives one call one budget, whatever the layers below do with it."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

import lamina
from lamina.backend import serves
from lamina.context import Call, current
from lamina.domains.keyvalue import Get, KeyValue, KeyValueBackend, Set
from lamina.errors import (
    Brief,
    Conflict,
    DeadlineExceeded,
    StackError,
    StorageError,
    TimedOut,
    Unavailable,
)
from lamina.layer import Layer
from lamina.layers.batch import Batch
from lamina.layers.breaker import Breaker
from lamina.layers.cache import Cache
from lamina.layers.deadline import Deadline
from lamina.layers.fallback import Fallback
from lamina.layers.hedge import Hedge
from lamina.layers.limit import Limit
from lamina.layers.rate import Throttle
from lamina.layers.retry import Retry
from lamina.layers.timeout import Timeout
from lamina.runtime import Runtime
from lamina.stack import Stack
from lamina.testing.clock import explore, run
from lamina.testing.scripted import ScriptedKeyValue
from lamina.testing.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from lamina.operation import Handler, Op, R

CLEANUP = 1.5


class Sleeper(KeyValueBackend):
    """Answers after as many seconds as a key says; *on_cancel* is what a cancelled read does."""

    name = "sleeper"

    def __init__(self, on_cancel: Callable[[], Coroutine[Any, Any, Any]] | None = None) -> None:
        self.on_cancel = on_cancel
        self.asked = 0
        self.seen: list[Call | None] = []

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        await self._sleep(op.key)
        return op.key.encode()

    @serves(Set)
    async def set(self, op: Set) -> None:
        await self._sleep(op.key)

    async def _sleep(self, key: str) -> None:
        self.asked += 1
        self.seen.append(current.get())
        try:
            if float(key):
                await asyncio.sleep(float(key))
        except asyncio.CancelledError:
            if self.on_cancel is None or await self.on_cancel() is None:
                raise


class Failing(Sleeper):
    """Fails each read at once."""

    async def _sleep(self, key: str) -> None:
        await super()._sleep("0")
        msg = f"down for {key}"
        raise Unavailable(msg)


class Waits(Layer):
    """A layer of the user's that waits, and knows nothing of deadlines."""

    slot = "scope"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def around(self, op: Op, inner: Handler[Op, R]) -> R:
        await asyncio.sleep(self.seconds)
        return await inner(op)


class Queues(Waits):
    """A layer of the user's whose wait ends by itself at the deadline, and says so."""

    async def around(self, op: Op, inner: Handler[Op, R]) -> R:
        place = asyncio.get_running_loop().create_future()
        context = current.get()
        assert context is not None
        assert context.deadline is not None
        timer = asyncio.get_running_loop().call_at(context.deadline, place.cancel)
        try:
            await asyncio.wait([place])  # a task of its own may stand between
        finally:
            timer.cancel()
        msg = "no place before the deadline"
        raise DeadlineExceeded(msg, layer="queue", sent="no")


def over(backend: Any = None, *layers: Layer) -> KeyValue:
    allow = {"E02": "who of the two ends a call is what is tested"}
    return Stack(*(layers or (Deadline(2.0),)), allow=allow).over(backend or Sleeper())


def now() -> float:
    return asyncio.get_running_loop().time()


def layer(store: KeyValue, kind: type[Any] = Deadline) -> Any:
    found = store.bound.layer(kind)
    assert found is not None
    return found


async def outcome(call: Coroutine[Any, Any, Any]) -> tuple[str, float]:
    """Return how a call ended, and when."""
    try:
        await call
    except StorageError as error:
        return type(error).__name__, now()
    return "answered", now()


async def test_a_hang_ends_with_the_budget() -> None:
    store = over()

    with pytest.raises(DeadlineExceeded, match="the deadline has passed") as caught:
        await store.get("60")

    error = caught.value
    assert (error.layer, error.sent, error.transient) == ("deadline", "maybe", False)
    assert error.brief == Brief("Get", "keyvalue", "'60'")
    assert isinstance(error, TimeoutError)
    assert now() == pytest.approx(2.0)
    assert layer(store).status() == (0, 1, 0)


async def test_an_answer_in_time_is_delivered() -> None:
    store = over()
    assert await store.get("1.9") == b"1.9"
    assert layer(store).status() == (0, 0, 0)
    assert current.get() is None


async def test_dl1_the_earlier_of_two_budgets_holds() -> None:
    backend = Sleeper()
    store = over(backend)

    async with lamina.call(deadline=1.0):
        assert await outcome(store.get("60")) == ("DeadlineExceeded", 1.0)
    async with lamina.call(deadline=10.0):
        assert await outcome(store.get("60")) == ("DeadlineExceeded", 3.0)
    async with lamina.call():
        assert await outcome(store.get("60")) == ("DeadlineExceeded", 5.0)

    assert [call.deadline for call in backend.seen if call is not None] == [1.0, 3.0, 5.0]
    assert layer(store).status() == (0, 3, 0)


async def test_dl1_the_same_call_goes_on_below_where_it_ends_sooner() -> None:
    backend = Sleeper()
    async with lamina.call(deadline=1.0) as mine:
        await over(backend).get("0")
    async with lamina.call(deadline=5.0) as other:
        await over(backend).get("0")

    assert backend.seen[0] is mine
    assert backend.seen[1] is not other
    assert backend.seen[1] is not None
    assert backend.seen[1].parent is other


async def test_dl1_attempts_and_the_waits_between_share_one_budget() -> None:
    backend = Failing()
    store = over(backend, Deadline(2.0), Retry(attempts=50, base=0.5, cap=1.0, budget=None))

    with pytest.raises(Unavailable) as caught:
        await store.get("ever")

    assert backend.asked > 2
    assert now() <= 2.0
    assert "does not fit into the" in caught.value.__notes__[0]
    assert {call.deadline for call in backend.seen if call is not None} == {2.0}


async def test_dl1_one_budget_holds_for_calls_at_once_and_one_after_another() -> None:
    store = over(None, Deadline(5.0), Timeout(5.0))

    async with lamina.call(deadline=3.0):
        assert await store.get("1") == b"1"
        both = await asyncio.gather(outcome(store.get("1")), outcome(store.get("60")))
        assert both == [("answered", 2.0), ("DeadlineExceeded", 3.0)]
        assert await outcome(store.get("0")) == ("DeadlineExceeded", 3.0)


async def test_dl1_tasks_begun_inside_are_within_the_budget_also_when_it_was_left() -> None:
    store = over(None, Deadline(5.0))
    async with lamina.call(deadline=3.0):
        task = asyncio.ensure_future(outcome(store.get("60")))
        await asyncio.sleep(1)
    assert current.get() is None
    assert await task == ("DeadlineExceeded", 3.0)


async def test_dl2_what_comes_too_late_is_refused_before_anything_is_asked() -> None:
    backend = Sleeper()
    store = over(backend)

    async with lamina.call(deadline=0.0):
        with pytest.raises(DeadlineExceeded, match="passed before it was asked") as caught:
            await store.get("0")
        with pytest.raises(DeadlineExceeded):
            await store.set("0", b"")

    assert (caught.value.sent, caught.value.layer) == ("no", "deadline")
    assert backend.asked == 0
    assert layer(store).status().refused == 2


async def test_dl2_no_attempt_follows_once_the_time_is_over() -> None:
    backend = Sleeper()
    store = over(backend, Timeout(5.0))

    async with lamina.call(deadline=1.0):
        await asyncio.sleep(1)
        with pytest.raises(DeadlineExceeded, match="before the attempt") as caught:
            await store.get("0")

    assert (caught.value.sent, caught.value.layer) == ("no", "timeout")
    assert backend.asked == 0
    assert layer(store, Timeout).status().cut_short == 1


async def test_dl4_a_deadline_over_a_timeout_has_no_timer_of_its_own() -> None:
    store = over(None, Deadline(2.0), Cache(60), Retry(attempts=3), Breaker(), Timeout(5.0))
    task = asyncio.ensure_future(outcome(store.get("60")))
    await asyncio.sleep(1)

    assert len(layer(store)._timed.timers) == 0
    assert len(layer(store, Timeout)._timers) == 1
    assert await task == ("DeadlineExceeded", 2.0)
    assert layer(store, Timeout).status() == (0, 1, 0)
    assert layer(store).status() == (0, 1, 0)


async def test_c3_an_attempt_cut_short_by_the_deadline_is_no_failure_of_the_backend() -> None:
    store = over(None, Deadline(1.0), Breaker(min_calls=2), Timeout(5.0))

    for _ in range(10):
        assert (await outcome(store.get("60")))[0] == "DeadlineExceeded"

    status = layer(store, Breaker).status()
    assert status.state.value == "closed"
    assert (await outcome(store.get("0")))[0] == "answered"


async def test_dl5_what_never_suspends_starts_no_timer() -> None:
    store = over()
    assert await store.get("0") == b"0"
    assert layer(store)._timed.timers._timer is None
    assert len(layer(store)._timed.timers) == 0


@pytest.mark.parametrize(
    "below",
    [
        [Batch()],
        [Cache(60)],
        [Limit(1, queue=1)],
        [Retry(attempts=9)],
        [Throttle(1, per=0.5, burst=1, queue=1)],
        [Hedge(0.5, extra_load=None)],
        [Retry(attempts=9), Hedge(0.5, extra_load=None), Breaker(window=200), Limit(3, queue=1)],
    ],
    ids=["batch", "cache", "limit", "retry", "throttle", "hedge", "many"],
)
async def test_dl4_what_waits_outside_a_timeout_without_a_timer_ends_its_wait(
    below: list[Layer],
) -> None:
    store = over(None, Deadline(2.0), *below, Timeout(60.0))

    calls = [asyncio.ensure_future(outcome(store.get("90"))) for _ in range(2)]
    await asyncio.sleep(1)
    assert len(layer(store)._timed.timers) == 0

    assert await asyncio.gather(*calls) == [("DeadlineExceeded", 2.0)] * 2


@pytest.mark.parametrize("slot", ["fallback", "scope", "shadow", "readonly"])
async def test_what_waits_outside_the_timeout_is_ended_too(slot: str) -> None:
    waits = Waits(60.0)
    waits.slot = slot  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]  # stands anywhere
    store = over(None, Deadline(2.0), waits, Timeout(1.0))

    assert await outcome(store.get("0")) == ("DeadlineExceeded", 2.0)


async def test_a_wait_that_ends_by_itself_is_heard_before_the_deadline_cancels() -> None:
    store = over(None, Deadline(2.0), Queues(0.0))

    with pytest.raises(DeadlineExceeded, match="no place") as caught:
        await store.get("0")

    assert (caught.value.sent, caught.value.layer, now()) == ("no", "queue", 2.0)
    assert layer(store).status() == (0, 1, 0)


def test_a_wait_that_ends_by_itself_is_heard_first_in_every_order() -> None:
    async def scenario() -> None:
        store = over(None, Deadline(2.0), Queues(0.0), Timeout(1.0))
        ended = await asyncio.gather(*map(store.get, "abc"), return_exceptions=True)
        assert [getattr(error, "sent", "") for error in ended] == ["no"] * 3

    explore(scenario, schedules=500)


class Shorter(Sleeper):
    """Gives what it does a budget of its own, and answers when that is over."""

    async def _sleep(self, key: str) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0), lamina.call(deadline=0.5):
                await super()._sleep(key)


@pytest.mark.parametrize("limit", [Deadline(8.0), Timeout(8.0)], ids=["deadline", "timeout"])
async def test_a_shorter_budget_set_below_does_not_end_the_call_above(limit: Layer) -> None:
    assert await outcome(over(Shorter(), limit).get("60")) == ("answered", 1.0)


@pytest.mark.parametrize("below", [[], [Timeout(60.0)]], ids=["bare", "timeout"])
async def test_dl1_the_other_store_of_a_fallback_has_all_that_is_left(below: list[Layer]) -> None:
    other = Stack().over(Sleeper())
    slow = ScriptedKeyValue()
    slow.expect(Get).hangs()
    store = over(slow, Deadline(8.0), Fallback(other.bound, reserve=0.25), *below)

    assert await outcome(store.get("1.9")) == ("answered", pytest.approx(7.9))


@pytest.mark.parametrize("limit", [Deadline(60.0), Timeout(60.0)], ids=["deadline", "timeout"])
async def test_a_call_that_outlives_closing_still_ends_in_time(limit: Layer) -> None:
    store = Stack(limit).over(Sleeper(), runtime=Runtime(grace=1.0))
    call = asyncio.ensure_future(outcome(store.get("90")))
    await asyncio.sleep(0.5)

    await store.close()

    assert (await call)[1] == 60.0


async def test_dl7_it_waits_for_the_cleanup_of_what_it_cancels() -> None:
    async def clean_up() -> None:
        await asyncio.sleep(0.25)

    assert await outcome(over(Sleeper(clean_up)).get("60")) == ("DeadlineExceeded", 2.25)


async def test_an_attempt_cut_short_has_a_second_to_clean_up_and_is_then_cancelled_again() -> None:
    cleaned: list[float] = []

    async def clean_up() -> None:
        try:
            await asyncio.sleep(0.5)
            cleaned.append(now())
            await asyncio.sleep(60)
        finally:
            cleaned.append(now())

    store = over(Sleeper(clean_up), Deadline(2.0), Waits(0.0), Timeout(5.0))

    assert await outcome(store.get("60")) == ("DeadlineExceeded", 3.0)
    assert cleaned == [2.5, 3.0]


async def test_dl8_a_late_answer_is_delivered_counted_and_told() -> None:
    async def answer() -> bytes:
        return b"late"

    store = over(Sleeper(answer))
    task = asyncio.current_task()
    assert task is not None

    async with lamina.call() as told:
        assert await store.get("60") == b"60"
        await store.set("60", b"")

    assert told.late == [Brief("Get", "keyvalue", "'60'"), Brief("Set", "keyvalue", "'60'")]
    assert not told.is_fresh()
    assert layer(store).status() == (0, 0, 2)
    assert task.cancelling() == 0


async def test_dl10_the_caller_s_cancellation_wins_in_the_same_turn() -> None:
    task = asyncio.ensure_future(over().get("60"))
    asyncio.get_running_loop().call_at(2.0, task.cancel)

    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("kinds", [("Deadline",), ("Timeout",), ("Deadline", "Waits", "Timeout")])
def test_dl10_the_caller_s_cancellation_wins_in_every_order(kinds: tuple[str, ...]) -> None:
    made: dict[str, Layer] = {
        "Deadline": Deadline(2.0),
        "Waits": Waits(0.0),
        "Timeout": Timeout(2.0),
    }
    ended: set[str] = set()

    async def scenario() -> None:
        store = over(None, *(made[kind] for kind in kinds))
        tasks = [asyncio.ensure_future(store.get("60")) for _ in range(3)]
        asyncio.get_running_loop().call_at(2.0, tasks[1].cancel)
        await asyncio.wait(tasks)
        assert [task.cancelled() for task in tasks] == [False, True, False]
        assert tasks[1].cancelling() == 1
        ended.update(type(tasks[place].exception()).__name__ for place in (0, 2))

    explore(scenario, schedules=500)

    assert ended <= {"DeadlineExceeded", "TimedOut"}


async def test_what_the_operation_collects_reaches_the_caller() -> None:
    class Degrades(Sleeper):
        async def _sleep(self, key: str) -> None:
            context = current.get()
            assert context is not None
            context.degraded.append(Brief("Get", "keyvalue", key))
            context.queued += 5.0

    async with lamina.call() as told:
        await asyncio.gather(*map(over(Degrades()).get, "ab"))

    assert [brief.target for brief in told.degraded] == ["a", "b"]
    assert told.queued == 0.0  # of one operation each


@pytest.mark.parametrize("error", [Unavailable, Conflict, TimedOut, RuntimeError])
async def test_a_failure_comes_out_itself_and_leaves_the_context_as_it_was(
    error: type[Exception],
) -> None:
    backend = ScriptedKeyValue()
    raised = error("as scripted")
    backend.expect(Get).after(1.0).raises(raised)

    async with lamina.call() as mine:
        with pytest.raises(error) as caught:
            await over(backend).get("a")
        assert current.get() is mine

    assert caught.value is raised


async def test_a_driver_s_own_error_at_the_cancellation_comes_out() -> None:
    async def break_down() -> None:
        msg = "cut off"
        raise Unavailable(msg)

    task = asyncio.current_task()
    assert task is not None
    assert await outcome(over(Sleeper(break_down)).get("60")) == ("Unavailable", 2.0)
    assert task.cancelling() == 0


async def test_a_thousand_calls_end_on_one_timer_each_at_its_own_time() -> None:
    store = over(None, Deadline(5.0))
    ended: dict[float, float] = {}

    async def read(place: int) -> None:
        own = (place * 7919 % 1000) / 100
        async with lamina.call(deadline=own):
            ended[own] = (await outcome(store.get("60")))[1]

    await asyncio.gather(*map(read, range(1000)))

    assert len(ended) == 1000
    assert all(at == pytest.approx(min(own, 5.0)) for own, at in ended.items())
    assert len(layer(store)._timed.timers) == 0


@pytest.mark.parametrize("layers", ["alone", "over waits and a timeout", "over a timeout"])
def test_c5_is_cancellable_at_each_suspension(layers: str) -> None:
    below: dict[str, tuple[Layer, ...]] = {
        "alone": (),
        "over waits and a timeout": (Waits(0.5), Timeout(1.0)),
        "over a timeout": (Retry(attempts=2), Timeout(1.0)),
    }

    async def scenario() -> None:
        store = over(None, Deadline(2.0), *below[layers])
        await store.get("0.5")

        async def read(key: str) -> None:
            await outcome(store.get(key))

        await asyncio.gather(read("60"), read("1.7"))
        async with lamina.call(deadline=0.2):
            await outcome(store.get("0.5"))

    assert sweep(scenario).points >= 3


def test_c5_whatever_ends_a_call_it_is_told_once_and_nothing_is_left() -> None:
    ended: dict[str, int] = {}

    async def one(rng: random.Random, store: KeyValue, limits: list[float]) -> None:
        task = asyncio.ensure_future(store.get(str(rng.choice([0, 0.5, 1.5, 60]))))
        cancelled = rng.choice([0.0, 0.25, 1.0, 2.0, 2.5, 3.0, 99.0])
        told: list[bool] = []
        timer = asyncio.get_running_loop().call_later(cancelled, lambda: told.append(task.cancel()))
        began = now()
        await asyncio.wait([task])
        timer.cancel()
        name = "cancelled" if task.cancelled() else type(task.exception()).__name__
        ended[name] = ended.get(name, 0) + 1
        assert task.cancelling() == any(told)
        if any(told):
            assert name in {"cancelled", "NoneType"}
        else:
            assert name in {"DeadlineExceeded", "TimedOut", "NoneType"}
        assert now() - began <= limits[0] + 1.0 + CLEANUP

    async def scenario(seed: int) -> None:
        rng = random.Random(seed)

        async def clean_up() -> bytes | None:
            await asyncio.sleep(rng.choice([0.0, 0.25, CLEANUP]))
            return rng.choice([None, None, b"late"])

        waits = [Waits(rng.choice([0.0, 0.5]))] if rng.random() < 0.5 else []
        limits = [rng.choice([1.0, 2.0]), rng.choice([0.5, 1.0, 2.0])]
        store = over(Sleeper(clean_up), Deadline(limits[0]), *waits, Timeout(limits[1]))
        await asyncio.gather(*(one(rng, store, limits) for _ in range(20)))
        for held in (layer(store)._timed.timers, layer(store, Timeout)._timers):
            assert (len(held), held._ended) == (0, 0)

    for seed in range(100):
        run(scenario(seed), seed=seed)

    assert min(ended.values()) > 50, ended


@pytest.mark.parametrize(
    "seconds", [0, -1, float("inf"), float("nan"), True, None, "1", [1.0], 10**400]
)
def test_a_budget_that_is_no_duration_is_refused(seconds: Any) -> None:
    with pytest.raises(StackError, match="Deadline: seconds must be a finite number above 0"):
        Deadline(seconds)


def test_the_plan_knows_the_smaller_bound() -> None:
    def seconds(*layers: Layer) -> set[float | None]:
        return {planned.worst.seconds for planned in over(None, *layers).bound.plan().operations}

    assert seconds(Deadline(2.0)) == {2.0}
    assert seconds(Deadline(2.0), Timeout(5.0)) == {2.0}
    assert seconds(Deadline(9.0), Timeout(5.0)) == {5.0}
