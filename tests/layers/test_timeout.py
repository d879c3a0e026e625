"""Timeout ends what takes too long, and nothing else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

import lamina
from lamina.backend import serves
from lamina.domains.keyvalue import Get, KeyValue, KeyValueBackend
from lamina.errors import DeadlineExceeded, StackError, TimedOut, Unavailable
from lamina.layers.timeout import Timeout
from lamina.stack import Stack
from lamina.testing.sweep import sweep
from lamina.timers import Timers

if TYPE_CHECKING:
    from collections.abc import Callable


class Sleeper(KeyValueBackend):
    """Answers each read after as many seconds as its key says."""

    name = "sleeper"

    def __init__(self, on_cancel: Callable[[], bytes | Exception] | None = None) -> None:
        self.on_cancel = on_cancel
        self.cancelled = 0

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        try:
            if float(op.key):
                await asyncio.sleep(float(op.key))
        except asyncio.CancelledError:
            self.cancelled += 1
            if self.on_cancel is None:
                raise
            told = self.on_cancel()
            if isinstance(told, Exception):
                raise told from None
            return told
        return op.key.encode()


def limited(seconds: float = 5.0, backend: Sleeper | None = None) -> KeyValue:
    return Stack(Timeout(seconds)).over(backend or Sleeper())


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_gives_up_when_time_is_out() -> None:
    store = limited(5.0)

    with pytest.raises(TimedOut, match=r"no answer within 5 s") as caught:
        await store.get("5.1")

    assert caught.value.brief is not None
    assert caught.value.brief.operation == "Get"
    assert caught.value.backend == "sleeper"
    assert (caught.value.transient, caught.value.sent) == (True, "maybe")
    assert now() == pytest.approx(5.0)


async def test_an_answer_in_time_is_delivered() -> None:
    assert await limited(5.0).get("4.9") == b"4.9"


async def test_an_attempt_that_never_suspends_starts_no_timer() -> None:
    store = limited()
    layer = store.bound.layer(Timeout)
    assert layer is not None

    assert await store.get("0") == b"0"

    assert layer._timers._timer is None
    assert now() == 0.0


async def test_the_hung_attempt_is_cancelled_and_the_task_is_not() -> None:
    backend = Sleeper()
    task = asyncio.current_task()
    assert task is not None

    with pytest.raises(TimedOut):
        await limited(1.0, backend).get("60")

    assert backend.cancelled == 1
    assert task.cancelling() == 0
    await asyncio.sleep(100)


async def test_many_attempts_share_one_timer_and_each_ends_at_its_own_time() -> None:
    store = limited(5.0)
    ended: dict[str, float] = {}

    async def read(start: float, key: str) -> None:
        await asyncio.sleep(start)
        try:
            await store.get(key)
        except TimedOut:
            ended[key] = now()

    await asyncio.gather(*(read(start, str(60 + start)) for start in (0.0, 1.0, 2.5)), read(1, "2"))

    assert ended == {"60.0": 5.0, "61.0": 6.0, "62.5": 7.5}


async def test_the_caller_s_deadline_ends_it_sooner() -> None:
    store = limited(5.0)

    async with lamina.call(deadline=2.0):
        with pytest.raises(DeadlineExceeded, match="deadline"):
            await store.get("60")

    assert now() == pytest.approx(2.0)


async def test_a_deadline_between_others_overtakes_them() -> None:
    store = limited(5.0)
    ended: list[tuple[str, float]] = []

    async def read(name: str, deadline: float | None) -> None:
        async with lamina.call(deadline=deadline):
            try:
                await store.get("60")
            except (TimedOut, DeadlineExceeded) as error:
                ended.append((f"{name} {type(error).__name__}", now()))

    await asyncio.gather(read("a", None), read("b", 1.0), read("c", 3.0), read("d", 2.0))

    assert ended == [
        ("b DeadlineExceeded", 1.0),
        ("d DeadlineExceeded", 2.0),
        ("c DeadlineExceeded", 3.0),
        ("a TimedOut", 5.0),
    ]


async def test_a_deadline_that_has_passed_ends_it_at_once() -> None:
    async with lamina.call(deadline=0.0):
        with pytest.raises(DeadlineExceeded):
            await limited(5.0).get("60")

    assert now() == pytest.approx(0.0)


async def test_a_cancellation_from_outside_is_passed_on() -> None:
    task = asyncio.ensure_future(limited(5.0).get("60"))
    await asyncio.sleep(1)

    task.cancel("from outside")

    with pytest.raises(asyncio.CancelledError, match="from outside"):
        await task


async def test_a_cancellation_from_outside_wins_in_the_same_turn() -> None:
    task = asyncio.ensure_future(limited(5.0).get("60"))
    asyncio.get_running_loop().call_at(5.0, task.cancel)

    with pytest.raises(asyncio.CancelledError):
        await task

    assert now() == pytest.approx(5.0)


async def test_an_answer_given_in_spite_of_the_cancellation_is_delivered() -> None:
    task = asyncio.current_task()
    assert task is not None

    assert await limited(1.0, Sleeper(lambda: b"late")).get("60") == b"late"

    assert task.cancelling() == 0


async def test_an_error_raised_in_spite_of_the_cancellation_is_passed_on() -> None:
    task = asyncio.current_task()
    assert task is not None

    with pytest.raises(Unavailable):
        await limited(1.0, Sleeper(lambda: Unavailable("driver gave up"))).get("60")

    assert task.cancelling() == 0


async def test_an_inner_timeout_ends_before_an_outer_one() -> None:
    store = limited(1.0)

    async with asyncio.timeout(5.0):
        with pytest.raises(TimedOut):
            await store.get("60")


async def test_an_outer_timeout_of_asyncio_ends_it_too() -> None:
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(1.0):
            await limited(5.0).get("60")

    assert not isinstance(caught.value, TimedOut)


def test_is_cancellable_at_each_suspension() -> None:
    async def scenario() -> None:
        store = limited(5.0)
        await store.get("1")
        with pytest.raises(TimedOut):
            await store.get("6")

    assert sweep(scenario).points >= 2


async def test_finished_attempts_are_not_kept() -> None:
    timers = Timers()

    for _ in range(1000):
        timers.end(timers.start(now() + 5.0))

    assert len(timers._line) == 0
    timers.stop()


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan"), True])
def test_a_limit_that_is_no_duration_is_refused(seconds: float) -> None:
    with pytest.raises(StackError, match="Timeout: seconds must be a finite number above 0"):
        Timeout(seconds)


def test_the_plan_knows_the_limit() -> None:
    plan = limited(5.0).bound.plan()

    assert {operation.worst.seconds for operation in plan.operations} == {5.0}
