from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from lamina.testing.sweep import Sweep, sweep

if TYPE_CHECKING:
    from collections.abc import Coroutine


class Permits:
    taken = 0


async def fail() -> None:
    msg = "no"
    raise ValueError(msg)


def current() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None
    return task


def test_finds_every_await_of_nested_code_and_its_finally() -> None:
    async def inner() -> None:
        try:
            await asyncio.sleep(1)
        finally:
            await asyncio.sleep(0)

    async def scenario() -> None:
        await inner()
        await asyncio.sleep(2)
        async with asyncio.timeout(1), asyncio.Lock():  # a free lock does not suspend
            await asyncio.sleep(0)

    assert sweep(scenario) == Sweep(points=4, cancelled=7, finished=0)


def test_cancels_at_so_many_points_spread_evenly() -> None:
    ends: list[int] = []

    async def scenario() -> None:
        done = 0
        try:
            for done in range(10):  # noqa: B007  # told when it ends
                await asyncio.sleep(1)
        finally:
            ends.append(done)

    assert sweep(scenario, most=3) == Sweep(points=10, cancelled=7, finished=0)
    assert ends == [9, 0, 0, 3, 3, 6, 6]
    assert sweep(scenario, most=10) == sweep(scenario)


def test_cancels_at_every_point_in_turn() -> None:
    reached: list[int] = []

    async def scenario() -> None:
        reached.append(0)
        for _ in range(3):
            await asyncio.sleep(1)
            reached[-1] += 1

    sweep(scenario)

    assert reached == [3, 0, 0, 1, 1, 2, 2]  # undisturbed first; nothing before the first step


def test_a_scenario_that_never_suspends_is_cancelled_before_its_first_step() -> None:
    async def scenario() -> int:
        return 1

    assert sweep(scenario) == Sweep(points=0, cancelled=1, finished=0)


def test_waits_of_other_tasks_are_not_points() -> None:
    async def scenario() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(1))
            group.create_task(asyncio.sleep(2))

    assert sweep(scenario).points == 1


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_asyncio_itself_passes(seed: int | None) -> None:
    async def scenario() -> None:
        lock = asyncio.Lock()

        async def hold() -> None:
            async with lock:
                await asyncio.sleep(1)

        async with asyncio.TaskGroup() as group:
            group.create_task(hold())
            await asyncio.sleep(0)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await hold()
            await asyncio.gather(hold(), asyncio.to_thread(int))

    assert sweep(scenario, seed=seed).finished == 0


def test_catches_a_swallowed_cancellation() -> None:
    async def scenario() -> None:
        await asyncio.sleep(1)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(1)

    with pytest.raises(AssertionError, match=r"suspension 2 \(waiting\): it finished as if"):
        sweep(scenario)


def test_counts_the_runs_that_may_finish() -> None:
    async def scenario() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(1)

    assert sweep(scenario, allow_finish=True) == Sweep(points=1, cancelled=1, finished=2)


def test_catches_a_new_cancellation_raised_for_the_old() -> None:
    async def scenario() -> None:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            raise asyncio.CancelledError from None

    with pytest.raises(AssertionError, match=r"suspension 1 .*not the cancellation thrown in"):
        sweep(scenario)


def test_catches_another_error_raised_for_the_cancellation() -> None:
    async def scenario() -> None:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError as error:
            msg = "lost"
            raise OSError(msg) from error

    with pytest.raises(AssertionError, match=r"suspension 1 .*OSError\('lost'\) came out"):
        sweep(scenario)


def test_catches_a_changed_count_of_cancellations() -> None:
    async def scenario() -> None:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            current().uncancel()
            raise

    with pytest.raises(AssertionError, match=r"cancelling\(\) is 0, should be 1"):
        sweep(scenario)


def test_catches_a_cancellation_of_itself_that_is_never_taken_back() -> None:
    async def scenario() -> None:
        current().cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(1)

    with pytest.raises(AssertionError, match=r"cancelling\(\) is 1, should be 0"):
        sweep(scenario)


def test_catches_a_task_left_behind() -> None:
    async def scenario() -> None:
        task = asyncio.create_task(asyncio.sleep(5))
        await asyncio.sleep(1)
        await task

    with pytest.raises(AssertionError, match=r"suspension 1 \(waiting\): left behind: Task-"):
        sweep(scenario)


def test_catches_an_error_nobody_retrieves() -> None:
    async def scenario() -> None:
        task = asyncio.create_task(fail())
        await asyncio.sleep(1)
        with pytest.raises(ValueError, match="no"):
            await task

    with pytest.raises(AssertionError, match=r"suspension 1 .*never retrieved"):
        sweep(scenario)


def test_catches_a_permit_lost_between_waking_and_running() -> None:
    permits = Permits()

    async def scenario() -> None:
        free = asyncio.get_running_loop().create_future()

        def hand_over() -> None:
            if not free.done():
                permits.taken += 1
                free.set_result(None)

        asyncio.get_running_loop().call_later(1, hand_over)
        await free  # cancelled here once woken, it owns a permit and does not know
        permits.taken -= 1

    def after() -> None:
        taken, permits.taken = permits.taken, 0
        assert taken == 0, "a permit is lost"

    with pytest.raises(AssertionError, match=r"suspension 1 \(woken\): a permit is lost"):
        sweep(scenario, after=after)


def test_catches_what_is_taken_before_the_first_step() -> None:
    permits = Permits()

    async def work() -> None:
        await asyncio.sleep(1)
        permits.taken -= 1

    def scenario() -> Coroutine[Any, Any, None]:
        permits.taken += 1
        return work()

    def after() -> None:
        assert permits.taken == 0, "a permit is lost"

    with pytest.raises(AssertionError, match=r"suspension 0 \(waiting\): a permit is lost"):
        sweep(scenario, after=after)


def test_catches_a_deadlock_that_a_cancellation_leaves() -> None:
    async def scenario() -> None:
        turn = asyncio.Event()

        async with asyncio.TaskGroup() as group:
            follower = group.create_task(turn.wait(), name="follower")
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                await asyncio.wait({follower})
                raise
            turn.set()

    with pytest.raises(AssertionError, match=r"suspension 1 \(waiting\): nothing .*follower at"):
        sweep(scenario)


def test_after_sees_every_run_ended() -> None:
    ended: list[str] = []

    sweep(lambda: asyncio.sleep(1), after=lambda: ended.append("run"))

    assert len(ended) == 4


def test_an_error_of_the_undisturbed_run_comes_out_as_it_is() -> None:
    with pytest.raises(ValueError, match=r"^no$"):
        sweep(fail)
