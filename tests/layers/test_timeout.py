"""Timeout ends what takes too long, and nothing else."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

import lamina
from lamina.backend import serves
from lamina.domains.keyvalue import Get, GetMany, KeyValue, KeyValueBackend, Scan, Set
from lamina.domains.media import PART, Chunk, Head, Info, ReadRange
from lamina.errors import DeadlineExceeded, StackError, TimedOut, Unavailable
from lamina.layers.breaker import Breaker
from lamina.layers.cache import Cache
from lamina.layers.deadline import Deadline
from lamina.layers.timeout import Timeout, TimeoutStatus
from lamina.stack import Stack
from lamina.testing.scripted import ScriptedMedia
from lamina.testing.sweep import sweep
from lamina.values import Done, Page

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


def status(store: KeyValue) -> TimeoutStatus:
    layer = store.bound.layer(Timeout)
    assert layer is not None
    return layer.status()


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
    assert caught.value.layer == "timeout"
    assert now() == pytest.approx(5.0)


async def test_an_answer_in_time_is_delivered() -> None:
    assert await limited(5.0).get("4.9") == b"4.9"


async def test_dl5_an_attempt_that_never_suspends_starts_no_timer() -> None:
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


async def test_dl4_the_caller_s_deadline_ends_it_sooner() -> None:
    store = limited(5.0)

    for _ in range(2):
        async with lamina.call(deadline=2.0):
            with pytest.raises(DeadlineExceeded, match=": the caller's deadline has") as caught:
                await store.get("60")

    assert caught.value.layer == "timeout"
    assert now() == pytest.approx(4.0)
    assert status(store) == (0, 2, 0)


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
    store = limited(5.0)
    async with lamina.call(deadline=0.0):
        for _ in range(2):
            with pytest.raises(DeadlineExceeded, match=r"^sleeper .* the caller's") as caught:
                await store.get("60")

    assert now() == pytest.approx(0.0)
    assert status(store) == (0, 2, 0)
    assert (caught.value.sent, caught.value.layer) == ("no", "timeout")


async def test_a_cancellation_from_outside_is_passed_on() -> None:
    task = asyncio.ensure_future(limited(5.0).get("60"))
    await asyncio.sleep(1)

    task.cancel("from outside")

    with pytest.raises(asyncio.CancelledError, match="from outside"):
        await task


async def test_dl10_a_cancellation_from_outside_wins_in_the_same_turn() -> None:
    task = asyncio.ensure_future(limited(5.0).get("60"))
    asyncio.get_running_loop().call_at(5.0, task.cancel)

    with pytest.raises(asyncio.CancelledError):
        await task

    assert now() == pytest.approx(5.0)


async def test_dl8_an_answer_given_in_spite_of_the_cancellation_is_delivered_and_counted() -> None:
    task = asyncio.current_task()
    assert task is not None
    store = limited(1.0, Sleeper(lambda: b"late"))

    async with lamina.call() as told:
        assert await store.get("60") == await store.get("61") == b"late"

    assert task.cancelling() == 0
    assert status(store) == (0, 0, 2)
    assert [brief.target for brief in told.late] == ["'60'", "'61'"]


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("patience", [None, 5.0])
async def test_dl8_a_late_answer_is_given_to_all_who_wait_and_kept_by_no_cache(
    patience: float | None, *, many: bool
) -> None:
    class Many(Sleeper):
        @serves(GetMany)
        async def get_many(self, op: GetMany) -> tuple[Done[bytes | None], ...]:
            return tuple([Done(await self.get(single)) for single in op.singles()])

    backend = Many(lambda: b"late")
    outer = [] if patience is None else [Deadline(patience)]
    store = Stack(*outer, Cache(60), Timeout(1.0)).over(backend)

    async def read() -> bytes | None:
        if many:
            return (await store.get_many(["60"]))[0]
        return await store.get("60")

    async with lamina.call() as told:
        assert await asyncio.gather(read(), read()) == [b"late", b"late"]
    assert told.late
    asked = backend.cancelled
    assert await read() == b"late"
    assert backend.cancelled == asked + 1

    backend.on_cancel = None
    assert await store.get("0.5") == await store.get("0.5") == b"0.5"
    found = store.bound.layer(Cache)
    assert found is not None
    assert found.stats().stored == 1


async def test_dl8_a_late_answer_to_a_write_is_an_answer() -> None:
    class Stubborn(KeyValueBackend):
        name = "stubborn"

        @serves(Set)
        async def set(self, op: Set) -> None:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)

    store = Stack(Timeout(1.0)).over(Stubborn())
    async with lamina.call() as told:
        await store.set("a", b"1")
    assert (told.late[0].operation, status(store).late) == ("Set", 1)


async def test_an_error_raised_in_spite_of_the_cancellation_is_passed_on() -> None:
    task = asyncio.current_task()
    assert task is not None

    with pytest.raises(Unavailable):
        await limited(1.0, Sleeper(lambda: Unavailable("driver gave up"))).get("60")

    assert task.cancelling() == 0


async def test_dl6_a_driver_s_own_timeout_is_no_end_of_ours() -> None:
    class Driver(Sleeper):
        @serves(Get)
        async def get(self, op: Get) -> bytes | None:
            async with asyncio.timeout(float(op.key)):
                await asyncio.sleep(60)
            return None

    store = limited(5.0, Driver())

    with pytest.raises(TimeoutError) as early:
        await store.get("1")
    with pytest.raises(TimedOut):
        await store.get("5")  # both at the same moment
    with pytest.raises(TimedOut):
        await store.get("6")

    assert not isinstance(early.value, TimedOut)
    assert now() == pytest.approx(11.0)
    assert status(store) == (2, 0, 0)


async def test_dl6_a_driver_s_timeout_raised_at_our_cancellation_comes_out() -> None:
    raised = TimeoutError("the driver's")
    with pytest.raises(TimeoutError) as caught:
        await limited(1.0, Sleeper(lambda: raised)).get("60")
    assert caught.value is raised


async def test_c3_dl4_an_attempt_that_had_all_its_time_failed_though_the_budget_ends_too() -> None:
    store = limited(2.0)

    async with lamina.call(deadline=2.0):
        with pytest.raises(TimedOut):
            await store.get("60")
    async with lamina.call(deadline=1.99):
        with pytest.raises(DeadlineExceeded) as caught:
            await store.get("60")

    assert (caught.value.sent, caught.value.transient) == ("maybe", False)
    assert status(store) == (1, 1, 0)


async def test_c3_a_short_deadline_opens_no_circuit_and_a_short_timeout_does() -> None:
    store = Stack(Breaker(min_calls=2), Timeout(1.0)).over(Sleeper())
    breaker = store.bound.layer(Breaker)
    assert breaker is not None

    for _ in range(5):
        async with lamina.call(deadline=0.5):
            with pytest.raises(DeadlineExceeded):
                await store.get("60")
    assert breaker.status().state.value == "closed"

    for _ in range(2):
        with pytest.raises(TimedOut):
            await store.get("60")
    assert breaker.status().state.value == "open"


async def test_dl7_it_waits_for_the_cleanup_of_what_it_cancels() -> None:
    class Tidy(Sleeper):
        @serves(Get)
        async def get(self, op: Get) -> bytes | None:
            try:
                return await super().get(op)
            finally:
                await asyncio.sleep(0.2)

    with pytest.raises(TimedOut):
        await limited(0.05, Tidy()).get("60")

    assert now() == pytest.approx(0.25)


class Paged(KeyValueBackend):
    """Gives one key a page, each after *seconds*, for ever."""

    name = "paged"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    @serves(Scan)
    async def scan(self, op: Scan) -> Page[str]:
        await asyncio.sleep(self.seconds)
        at = int(op.cursor or "0")
        return Page((str(at),), str(at + 1))


@pytest.mark.parametrize("budget", [[], [Deadline(2.0)]])
async def test_dl9_each_page_has_its_own_limits_and_all_of_them_the_caller_s(
    budget: list[Deadline],
) -> None:
    store = Stack(*budget, Timeout(1.0)).over(Paged(0.9))
    pages = store.scan()
    async with lamina.call(deadline=10.0):
        for place in range(11):
            assert await anext(pages) == str(place)
        with pytest.raises(DeadlineExceeded):
            await anext(pages)
    assert now() == pytest.approx(10.0)

    with pytest.raises(TimedOut):
        await anext(Stack(*budget, Timeout(1.0)).over(Paged(1.1)).scan())


async def test_dl9_each_range_of_a_reader_has_its_own_limit_and_all_of_them_the_caller_s() -> None:
    size = 20 * PART
    info = Info("a", size, "v1", "text/plain", {}, 0.0)
    backend = ScriptedMedia()
    backend.expect(Head).returns(info).always()
    backend.expect(ReadRange).after(0.9).returns(Chunk(bytes(PART), info)).always()
    media = Stack(Deadline(2.0), Timeout(1.0)).over(backend)
    reader = await media.open_reader("a")
    assert reader is not None

    async with lamina.call(deadline=10.0):
        assert len(await reader.read(10 * PART)) == 10 * PART
        with pytest.raises(DeadlineExceeded):
            await reader.read()

    assert now() == pytest.approx(10.0)


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


@pytest.mark.parametrize(
    "seconds", [0, -1, float("inf"), float("nan"), True, None, "1", [1.0], 10**400]
)
def test_a_limit_that_is_no_duration_is_refused(seconds: Any) -> None:
    with pytest.raises(StackError, match="Timeout: seconds must be a finite number above 0"):
        Timeout(seconds)


def test_the_plan_knows_the_limit() -> None:
    plan = limited(5.0).bound.plan()

    assert {operation.worst.seconds for operation in plan.operations} == {5.0}
