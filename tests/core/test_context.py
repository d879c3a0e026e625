"""One caller's budget, and what it is told."""

from __future__ import annotations

import asyncio
import math

import pytest

from lamina.context import Call, call, current, remaining
from lamina.errors import Brief, Invalid


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_there_is_no_context_unless_somebody_asks() -> None:
    assert current.get() is None
    assert remaining(now()) == math.inf
    async with call():
        assert remaining(now()) == math.inf


async def test_gives_the_operations_inside_one_budget() -> None:
    async with call(deadline=2.0) as told:
        await asyncio.sleep(0.5)
        assert remaining(now()) == pytest.approx(1.5)
        await asyncio.sleep(2.0)
        assert remaining(now()) == pytest.approx(-0.5)
        assert current.get() is told
    assert current.get() is None


async def test_the_earlier_deadline_holds() -> None:
    async with call(deadline=2.0) as outer:
        async with call(deadline=5.0) as inner:
            assert inner.deadline == outer.deadline == 2.0
        async with call(deadline=1.0) as inner:
            assert inner.deadline == 1.0
        async with call() as inner:
            assert inner.deadline == 2.0
        assert current.get() is outer


async def test_is_restored_after_a_failure() -> None:
    with pytest.raises(ZeroDivisionError):
        async with call(deadline=1.0):
            _ = 1 / 0
    assert current.get() is None


async def test_may_be_entered_again() -> None:
    budget = call(deadline=1.0)
    async with budget as first:
        pass
    await asyncio.sleep(1)
    async with budget as second:
        assert second.deadline == 2.0
    assert first is not second
    assert current.get() is None


@pytest.mark.parametrize("wrong", [-1, math.nan, -math.inf])
def test_refuses_a_budget_that_is_none(wrong: float) -> None:
    with pytest.raises(Invalid, match="deadline must be at least 0 s"):
        call(deadline=wrong)


async def test_a_child_reports_to_its_parent() -> None:
    brief = Brief("Get", "keyvalue")
    parent = Call(deadline=3.0)
    child = parent.child()
    child.degraded.append(brief)
    child.served_by[brief] = "other"
    child.age[brief] = 1.5
    child.attempt = 2
    assert (parent.degraded, parent.served_by, parent.age) == (
        [brief],
        {brief: "other"},
        {brief: 1.5},
    )
    assert (parent.attempt, child.deadline, child.parent) == (1, 3.0, parent)


async def test_tasks_of_one_caller_share_its_context() -> None:
    async def look() -> Call | None:
        return current.get()

    async with call(deadline=1.0) as told:
        assert await asyncio.gather(look(), look()) == [told, told]


async def test_one_budget_may_be_used_inside_itself() -> None:
    budget = call(deadline=2.0)
    async with budget as outer:
        async with budget:
            pass
        assert current.get() is outer
    assert current.get() is None


async def test_one_budget_used_by_two_at_once_stays_with_each() -> None:
    budget = call(deadline=2.0)

    async def use(deadline: float, seconds: float) -> bool:
        async with call(deadline=deadline) as mine:
            async with budget:
                await asyncio.sleep(seconds)
            return current.get() is mine

    assert all(await asyncio.gather(use(5.0, 0.1), use(6.0, 0.2)))
