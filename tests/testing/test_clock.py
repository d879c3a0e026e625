from __future__ import annotations

import asyncio
import math
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from lamina.testing import clock
from lamina.testing.clock import VirtualLoop, explore, run, schedules

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path


def now() -> float:
    return asyncio.get_running_loop().time()


async def race() -> str:
    order: list[str] = []

    async def step(name: str) -> None:
        order.append(name)
        await asyncio.sleep(0)
        order.append(name)

    async with asyncio.TaskGroup() as group:
        for name in "abcd":
            group.create_task(step(name))
    return "".join(order)


@pytest.mark.realtime
async def test_realtime_tests_run_on_the_real_loop() -> None:
    assert not isinstance(asyncio.get_running_loop(), VirtualLoop)


async def test_other_async_tests_start_at_zero_and_follow_sleeps(tmp_path: Path) -> None:
    assert tmp_path.is_dir()
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    assert loop.time() == 0.0

    await asyncio.sleep(5)

    assert loop.time() == pytest.approx(5.0)
    assert loop.wall() == clock.EPOCH + 5


async def test_a_day_of_sleeps_takes_no_real_time() -> None:
    start = time.monotonic()

    for _ in range(24 * 60):
        await asyncio.sleep(60)

    assert now() == pytest.approx(86_400)
    assert time.monotonic() - start < 5.0


async def test_a_tenth_of_a_second_still_passes_after_a_century() -> None:
    await asyncio.sleep(100 * 365 * 86_400)
    start = now()

    await asyncio.sleep(0.1)

    assert now() - start == pytest.approx(0.1, rel=1e-3)


async def test_a_timeout_ends_a_task_group_at_its_time() -> None:
    async def work() -> None:
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(1))
            group.create_task(asyncio.sleep(9))

    with pytest.raises(TimeoutError):
        await work()

    assert now() == pytest.approx(5.0)


def test_each_seed_gives_an_order_of_its_own_and_none_gives_first_in_first_out() -> None:
    orders = [run(race(), seed=seed) for seed in schedules(100)]

    assert len(set(orders)) > 50
    assert orders[90:] == [run(race(), seed=seed) for seed in schedules(10, start=90)]
    assert {run(race()) for _ in range(20)} == {"abcdabcd"}


def test_timers_fire_in_the_order_of_their_times_and_seeds_shuffle_equal_times() -> None:
    async def main() -> str:
        fired: list[str] = []
        loop = asyncio.get_running_loop()
        for name, when in {"d": 0.2, "a": 0.1, "b": 0.1, "c": 0.1 + 1e-6}.items():
            loop.call_at(when, fired.append, name)
        loop.call_at(0.15, fired.append, "cancelled").cancel()
        await asyncio.sleep(1)
        return "".join(fired)

    assert run(main()) == "abcd"
    assert {run(main(), seed=seed) for seed in schedules(50)} == {"abcd", "bacd"}


def test_explore_notes_the_seed_that_fails_and_stops_there() -> None:
    orders: list[str] = []

    async def main() -> None:
        orders.append(await race())
        assert orders[-1][0] == "a"

    with pytest.raises(AssertionError) as caught:
        explore(main)

    assert caught.value.__notes__ == [f"seed {len(orders) - 1}"]


async def test_an_executors_job_stands_time_still_even_when_its_caller_is_cancelled() -> None:
    await asyncio.wait_for(asyncio.to_thread(time.sleep, 0.05), 0.01)
    assert now() == 0.0

    begun, release = threading.Barrier(2), threading.Event()
    job = asyncio.get_running_loop().run_in_executor(None, lambda: begun.wait() + release.wait())
    begun.wait()
    job.cancel()
    threading.Timer(0.05, release.set).start()
    await asyncio.sleep(1)
    assert release.is_set()


async def test_a_job_that_never_starts_does_not_hold_time() -> None:
    loop, release = asyncio.get_running_loop(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        first = loop.run_in_executor(pool, release.wait)
        loop.run_in_executor(pool, release.wait).cancel()
        release.set()
        await first

    await asyncio.sleep(1)

    assert now() == pytest.approx(1.0)


async def test_a_foreign_thread_wakes_the_loop() -> None:
    loop, woken, release = asyncio.get_running_loop(), asyncio.Event(), threading.Event()
    job = loop.run_in_executor(None, release.wait, 30)  # keeps the loop waiting in real time
    threading.Timer(0.02, loop.call_soon_threadsafe, [woken.set]).start()

    await woken.wait()

    assert not job.done()
    release.set()
    assert await job


async def test_time_keeps_its_real_pace_while_a_socket_is_registered() -> None:
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        threading.Timer(0.03, right.send, [b"x"]).start()
        start = time.monotonic()
        assert await asyncio.get_running_loop().sock_recv(left, 1) == b"x"
        assert 0.0 < now() <= time.monotonic() - start

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await asyncio.get_running_loop().sock_recv(left, 1)


async def fail() -> None:
    raise ZeroDivisionError


async def wait_for_ever() -> None:
    await asyncio.create_task(asyncio.Event().wait(), name="waiter")


async def spin() -> None:
    while True:
        await asyncio.sleep(1)


async def leak() -> None:
    asyncio.get_running_loop().create_task(asyncio.sleep(1), name="stray")
    await asyncio.sleep(0)


async def forget() -> None:
    cycle: list[object] = [asyncio.create_task(fail())]
    cycle.append(cycle)
    await asyncio.sleep(1)


async def fail_in_callback() -> None:
    asyncio.get_running_loop().call_soon(divmod, 1, 0)
    await asyncio.sleep(1)


@pytest.mark.parametrize(
    ("main", "error", "match"),
    [
        (wait_for_ever, clock.DeadlockError, r"wake Task-\d+ at test_.*, waiter at locks.py:\d+$"),
        (lambda: asyncio.sleep(math.inf), clock.DeadlockError, r"Task-\d+ at tasks.py:\d+$"),
        (spin, clock.TookTooLong, r"not done within 0.2 s of real time: Task-\d+ at"),
        (lambda: asyncio.to_thread(time.sleep, 0.3), clock.TookTooLong, "at threads.py"),
        (leak, clock.LeakedTasks, r"left behind: stray at tasks.py:\d+$"),
        (forget, clock.Unhandled, r"never retrieved: ZeroDivisionError\(\)"),
        (fail_in_callback, clock.Unhandled, r"Exception in callback .*: ZeroDivisionError"),
    ],
)
def test_a_run_fails_for(
    main: Callable[[], Coroutine[Any, Any, Any]], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        run(main(), timeout_real=0.2)


def test_a_deadlocked_task_cleans_up_and_its_generators_and_threads_are_closed() -> None:
    closed: list[float] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield await asyncio.to_thread(int)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(1)
            closed.append(now())

    async def main() -> None:
        async for _ in numbers():
            pass

    with pytest.raises(clock.DeadlockError):
        run(main(), debug=True)

    assert closed == [1.0]
    assert not any(thread.name.startswith("virtual") for thread in threading.enumerate())


def test_the_runs_own_error_comes_out_with_the_rest_as_notes() -> None:
    async def main() -> None:
        await fail_in_callback()
        raise KeyError

    with pytest.raises(KeyError) as caught:
        run(main())

    assert "ZeroDivisionError" in caught.value.__notes__[0]
