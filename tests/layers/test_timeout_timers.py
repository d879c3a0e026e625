"""Many limits on one timer: each ends its own task at its own time, and nothing is kept."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest
from mutants import mutant

from lamina import timers
from lamina.testing.clock import explore, run
from lamina.timers import Timers

if TYPE_CHECKING:
    import types
    from collections.abc import Callable

TICKS = 6


class Trial:
    """Random limits, mostly of a few equal lengths, and a list of what went wrong."""

    def __init__(self, module: types.ModuleType, seed: int, *, last: bool) -> None:
        self.timers = module.Timers(last=last)
        self.rng = random.Random(seed)
        self.wrong: list[str] = []

    async def rounds(self, count: int) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, told: self.wrong.append(str(told)))
        while count and not self.wrong:
            count -= 1
            await self.some()

    async def some(self) -> None:
        draw = self.rng.randint
        limits = [float(draw(1, TICKS)) for _ in range(3)]
        tasks = [
            asyncio.ensure_future(
                self.one(draw(0, TICKS), self.rng.choice(limits), draw(0, TICKS) + 0.5)
            )
            for _ in range(8)
        ]
        _, late = await asyncio.wait(tasks, timeout=100)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.wrong += [f"a limit ended as {task!r}" for task in tasks if _failed(task)]
        if len(self.timers) or self.timers._ended:
            self.wrong.append(f"{len(self.timers)} entries are left, {self.timers._ended} counted")
        await asyncio.sleep(100)
        if self.timers._timer is not None:
            self.wrong.append("the timer goes on for nothing")

    async def one(self, start: float, limit: float, seconds: float) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        await asyncio.sleep(start)
        began = loop.time()
        late_answer = self.rng.random() < 0.2
        ended = await limited(self.timers, began + limit, seconds, late_answer=late_answer)
        told = f"a limit of {limit:g} s begun at {start:g}, working {seconds:g}"
        if ended is not (limit < seconds and not late_answer):
            self.wrong.append(f"{told} {'ended it' if ended else 'did not end it'}")
        if loop.time() != began + min(limit, seconds):
            self.wrong.append(f"{told} came after {loop.time() - began:g} s")
        if task is None or task.cancelling():
            self.wrong.append(f"{told} left a cancellation")


async def limited(held: Any, when: float, seconds: float, *, late_answer: bool = False) -> bool:
    """Work for *seconds* within a limit; tell whether that ended it."""
    entry = held.start(when)
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        if late_answer:
            return False
        if not entry.was_ours():
            raise
        return True
    finally:
        held.end(entry)
    return False


def check(module: types.ModuleType, seed: int, *, last: bool) -> list[str]:
    """Return what went wrong in some rounds of random limits."""
    trial = Trial(module, seed, last=last)
    run(trial.rounds(30), seed=seed, timeout_real=2.0)
    return trial.wrong


def _failed(task: asyncio.Task[Any]) -> bool:
    return task.cancelled() or task.exception() is not None


@pytest.mark.parametrize("last", [False, True])
def test_each_limit_ends_its_own_task_at_its_own_time(*, last: bool) -> None:
    for seed in range(30):
        assert check(timers, seed, last=last) == [], f"seed {seed}"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("or when < self._next:", "and True:"),
        ("if not line or when >= line[-1].when:", "if True:"),
        ("self._set(min(nearest))", "self._set(max(nearest))"),
        ("if nearest:", "if self._line:"),
        ("heapq.heappush(self._sooner, (entry.when,", "self._sooner.append((entry.when,"),
        ("line[0].when <= now", "line[0].when < now"),
        ("sooner[0][0] <= now", "sooner[0][0] < now"),
        ("if entry.expired:\n            entry.take_back()", "pass"),
        ("self.take_back() <= self.cancelling", "self.take_back() < self.cancelling"),
        ("        entry.task = None\n", ""),
        ("        self._timer = None\n        nearest", "        nearest"),
        ("self._ended -= len(due)", "pass"),
    ],
    ids=str,
)
def test_a_broken_timer_is_caught(old: str, new: str) -> None:
    broken = mutant(timers, old, new)
    assert any(_wrong(broken, seed, last=last) for seed in range(100) for last in (False, True)), (
        "no seed shows it"
    )


def _wrong(module: types.ModuleType, seed: int, *, last: bool) -> bool:
    try:
        return bool(check(module, seed, last=last))
    except Exception:  # broken altogether
        return True


def _sooner_and_sooner(place: int) -> float:
    return 1e6 - place


def _mixed(place: int) -> float:
    return 1e3 + place * 7919 % 100_003


@pytest.mark.parametrize("when", [_sooner_and_sooner, _mixed])
async def test_a_hundred_thousand_that_ended_early_are_not_kept(
    when: Callable[[int], float],
) -> None:
    held = Timers()
    long = held.start(1e9)
    most = 0

    for place in range(100_000):
        held.end(held.start(when(place)))
        most = max(most, len(held))

    assert most < 200
    held.end(long)
    assert (len(held), held._ended) == (0, 0)
    held.stop()


async def test_what_ended_behind_one_that_has_not_is_not_kept() -> None:
    held = Timers()
    first = held.start(10.0)

    for place in range(100_000):
        held.end(held.start(10.0 + place))

    assert len(held) < 200
    held.end(first)
    held.stop()


async def test_living_limits_are_all_kept_while_others_end() -> None:
    held = Timers()
    living = [held.start(1e6 - place) for place in range(1000)]
    ends = [entry.when for entry in living]

    for place in range(10_000):
        held.end(held.start(5e5 + place))

    kept = [*held._line, *(entry for _, _, entry in held._sooner)]
    assert sorted(entry.when for entry in kept if entry.task is not None) == sorted(ends)
    assert len(held) < 2200
    for entry in living:
        held.end(entry)
    assert (len(held), held._ended) == (0, 0)
    held.stop()


async def test_what_is_left_after_others_were_swept_out_still_ends_in_time() -> None:
    loop = asyncio.get_running_loop()
    held = Timers()
    rng = random.Random(7)
    ended: list[tuple[float, float]] = []

    async def one(when: float) -> None:
        assert await limited(held, when, 1e9)
        ended.append((when, loop.time()))

    long = asyncio.ensure_future(one(1000.0))
    await asyncio.sleep(0)
    ends = [float(rng.randint(1, 900)) for _ in range(300)]
    tasks: list[asyncio.Task[None]] = []
    for when in ends:
        tasks.append(asyncio.ensure_future(one(when)))
        await asyncio.sleep(0)
        early = [held.start(when / part) for part in (2, 3)]
        for entry in early:
            held.end(entry)

    await asyncio.gather(*tasks, long)

    assert ended == [(when, when) for when in sorted([*ends, 1000.0])]


async def test_a_clock_that_jumps_ends_all_that_is_due_and_no_more() -> None:
    loop = asyncio.get_running_loop()
    held = Timers()
    tasks = [asyncio.ensure_future(limited(held, when, 1e9)) for when in (5.0, 1.0, 3.0, 900.0)]
    await asyncio.sleep(0)

    loop._now = 500.0  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # as after a suspended machine
    await asyncio.sleep(1)

    assert [task.done() for task in tasks] == [True, True, True, False]
    assert await tasks[3]
    assert loop.time() == 900.0


async def test_limits_of_one_length_are_a_queue_and_one_timer() -> None:
    loop = asyncio.get_running_loop()
    held = Timers()
    before = len(loop._scheduled)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownArgumentType, reportUnknownMemberType]

    entries = [held.start(loop.time() + 5.0) for _ in range(5000)]

    assert len(loop._scheduled) == before + 1  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownArgumentType, reportUnknownMemberType]
    assert (len(held._line), len(held._sooner)) == (5000, 0)
    for entry in reversed(entries):
        held.end(entry)
    held.stop()


def test_what_is_being_cancelled_has_a_second_once() -> None:
    ended: list[float] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        inner, outer = Timers(), Timers(last=True)

        async def attempt() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                try:
                    await asyncio.sleep(60)  # a cleanup that hangs
                finally:
                    ended.append(loop.time())

        async def both() -> bool:
            entry = outer.start(2.0)
            inside = inner.start(1.5)
            try:
                await attempt()
            except asyncio.CancelledError:
                assert not inside.was_ours()
                inner.end(inside)
                return entry.was_ours()
            finally:
                outer.end(entry)
            return False

        assert await asyncio.ensure_future(both())
        assert (len(outer), outer._ended) == (len(inner), inner._ended) == (0, 0)

    explore(scenario, schedules=500)

    assert set(ended) == {3.0}


def test_limits_are_for_what_runs_in_a_task() -> None:
    loop = asyncio.new_event_loop()
    raised: list[BaseException] = []

    def start() -> None:
        try:
            Timers().start(1.0)
        except RuntimeError as error:
            raised.append(error)

    loop.call_soon(start)
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()

    assert "inside a task" in str(raised[0])
