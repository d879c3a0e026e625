"""Time, chance and tasks of one stack."""

from __future__ import annotations

import asyncio
import contextvars
import random
import time

import pytest

from lamina.context import Call, call, current
from lamina.errors import DeadlineExceeded, Unavailable
from lamina.runtime import Runtime
from lamina.testing import run, sweep

OTHER: contextvars.ContextVar[str] = contextvars.ContextVar("other", default="")


def bound() -> Runtime:
    runtime = Runtime(grace=5.0)
    runtime.bind(asyncio.get_running_loop())
    return runtime


async def test_takes_time_from_its_loop() -> None:
    runtime = bound()
    start = runtime.wall()
    await runtime.sleep(1000.0)
    assert runtime.now() == pytest.approx(1000.0)
    assert runtime.wall() - start == pytest.approx(1000.0)
    assert Runtime().now() == runtime.now()
    assert Runtime().wall() == runtime.wall()


@pytest.mark.realtime
async def test_takes_real_time_from_a_real_loop() -> None:
    runtime = bound()
    assert runtime.now() == pytest.approx(asyncio.get_running_loop().time(), abs=0.5)
    before = time.time()
    assert before <= runtime.wall() <= time.time()


async def test_does_not_begin_a_sleep_that_the_deadline_would_cut() -> None:
    runtime = bound()
    async with call(deadline=2.0):
        await runtime.sleep(1.0)
        with pytest.raises(DeadlineExceeded, match=r"a wait of 1\.5 s does not fit") as caught:
            await runtime.sleep(1.5)
        assert caught.value.sent == "no"
        assert runtime.now() == pytest.approx(1.0)
        await runtime.sleep(1.0)
    await runtime.sleep(5.0)


async def test_starts_a_task_in_a_clean_context() -> None:
    async def look() -> tuple[Call | None, str]:
        return current.get(), OTHER.get()

    runtime = bound()
    OTHER.set("the caller's")
    given = Call()
    async with call(deadline=1.0):
        assert await runtime.spawn(look(), "look") == (None, "")
        assert await runtime.spawn(look(), "look", call=given) == (given, "")


async def test_a_task_that_inherits_has_the_caller_s_context_and_the_call_given() -> None:
    async def look() -> tuple[Call | None, str]:
        found = current.get(), OTHER.get()
        OTHER.set("the task's")
        return found

    runtime = bound()
    OTHER.set("the caller's")
    given = Call()
    async with call(deadline=1.0) as own:
        task = runtime.spawn(look(), "look", call=given, inherits=True)
        assert await task == (given, "the caller's")
        assert current.get() is own
    assert OTHER.get() == "the caller's"


async def test_counts_and_keeps_tasks() -> None:
    async def fail() -> None:
        msg = "down"
        raise Unavailable(msg)

    runtime = bound()
    task = runtime.spawn(fail(), "fails")
    assert task.get_name() == "fails"
    other = runtime.spawn(asyncio.sleep(1, "done"), "sleeps")
    await asyncio.wait([task])
    assert await other == "done"
    assert runtime.failed == 1


async def test_has_room_for_so_many_optional_tasks() -> None:
    runtime = Runtime(room=2)
    assert runtime.has_room()
    tasks = [runtime.spawn(asyncio.sleep(1), "one"), runtime.spawn(asyncio.sleep(1), "two")]
    assert not runtime.has_room()
    assert runtime.skipped == 1
    await asyncio.wait(tasks)
    assert runtime.has_room()


async def test_tasks_that_a_caller_needs_take_no_room_and_are_waited_for_all_the_same() -> None:
    runtime = bound()
    runtime.room = 1
    runtime.spawn(asyncio.sleep(1), "optional")
    needed = [runtime.spawn(asyncio.sleep(2), "needed", needed=True) for _ in range(3)]
    assert not runtime.has_room()
    await asyncio.sleep(1.5)
    assert runtime.has_room()
    runtime.abandon(needed[:1])  # by whom it was needed
    assert not runtime.has_room()
    await runtime.drain()
    assert all(task.done() for task in needed)
    assert runtime.has_room()


async def test_drains_within_its_grace_and_cancels_the_rest() -> None:
    runtime = bound()
    short = runtime.spawn(asyncio.sleep(4, "done"), "short")
    long = runtime.spawn(asyncio.sleep(1000), "long")
    await runtime.drain()
    assert runtime.now() == pytest.approx(5.0)
    assert short.result() == "done"
    assert long.cancelled()
    await runtime.drain()


async def test_tasks_left_behind_are_logged_counted_and_waited_for_by_closing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def slow() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(3)
            raise Unavailable

    runtime = bound()
    task = runtime.spawn(slow(), "slow")
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.sleep(1)

    runtime.abandon([task])

    assert runtime.abandoned == 1
    assert caplog.messages == ["task slow was cancelled and does not end"]
    await runtime.drain()
    assert runtime.now() == pytest.approx(4.0)
    assert runtime.failed == 1


async def test_stopping_waits_no_longer_than_the_grace_and_only_once_for_each() -> None:
    let_go = asyncio.Event()

    async def stubborn() -> None:
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue

    runtime = bound()
    task = runtime.spawn(stubborn(), "stubborn")
    await asyncio.sleep(0)

    await runtime.stop()
    await runtime.stop()

    assert runtime.now() == pytest.approx(5.0)
    assert (runtime.abandoned, runtime.stopped) == (1, True)
    let_go.set()
    await task


def test_drain_leaves_nothing_when_it_is_cancelled() -> None:
    async def scenario() -> None:
        runtime = bound()
        runtime.spawn(asyncio.sleep(1), "short")
        runtime.spawn(asyncio.sleep(1000), "long")
        await runtime.drain()

    sweep(scenario)


def test_chance_repeats_with_its_seed() -> None:
    drawn = [Runtime(rng=random.Random(7)).rng.random() for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert Runtime().rng.random() != Runtime().rng.random()


def test_leaks_no_task_of_a_store_nobody_closes() -> None:
    async def scenario() -> None:
        runtime = bound()
        await runtime.spawn(asyncio.sleep(1), "work")

    run(scenario())
