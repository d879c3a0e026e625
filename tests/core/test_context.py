"""One caller's budget, and what it is told."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import pytest

from lamina.context import Call, call, current, ends, note_late, remaining
from lamina.errors import Brief, Invalid

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

BRIEF = Brief("Get", "keyvalue")


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


async def test_dl1_the_earlier_deadline_holds() -> None:
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


@pytest.mark.parametrize("wrong", [True, "1", [1.0], 1j])
def test_refuses_a_budget_of_another_type(wrong: Any) -> None:
    with pytest.raises(Invalid, match="deadline must be a number, got"):
        call(deadline=wrong)


@pytest.mark.parametrize("endless", [None, math.inf, 10**400])
async def test_dl5_a_budget_without_end_is_no_deadline(endless: Any) -> None:
    async with call(deadline=endless) as told:
        assert told.deadline is None
        assert (remaining(now()), ends()) == (math.inf, math.inf)


@pytest.mark.parametrize("wrong", [-1, math.nan, -math.inf])
def test_refuses_a_budget_that_is_none(wrong: float) -> None:
    with pytest.raises(Invalid, match="deadline must be at least 0 s"):
        call(deadline=wrong)


async def test_a_child_reports_to_its_parent() -> None:
    brief = BRIEF
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


def test_c7_a_call_knows_its_deadline_attempt_and_what_it_was_told() -> None:
    made = Call(deadline=3.0)

    assert (made.deadline, made.attempt, made.queued, made.parent) == (3.0, 1, 0.0, None)
    assert (made.degraded, made.late, made.served_by, made.age) == ([], [], {}, {})
    assert made.hedge == 0
    made.degraded.append(BRIEF)
    made.queued += 1.5
    made.attempt += 1
    assert (made.degraded, made.queued, made.attempt) == ([BRIEF], 1.5, 2)
    fresh = Call()
    assert (fresh.degraded, fresh.queued, fresh.attempt) == ([], 0.0, 1)


def test_c7_what_one_of_several_children_is_told_all_of_them_and_the_caller_know() -> None:
    caller = Call()
    one, other = caller.child(), caller.child().child()
    assert other.late == []
    one.late.append(BRIEF)
    other.age[BRIEF] = 2.0
    assert one.late is other.late is caller.late
    assert one.age == caller.age == {BRIEF: 2.0}


@pytest.mark.parametrize("what", ["degraded", "late", "age"])
def test_is_fresh_until_something_else_is_told(what: str) -> None:
    caller = Call()
    child = caller.child()
    child.served_by[BRIEF] = "another"
    assert caller.is_fresh()
    assert child.is_fresh()
    if what == "age":
        child.age[BRIEF] = 1.0
    else:
        getattr(child, what).append(BRIEF)
    assert not caller.is_fresh()
    assert not child.is_fresh()
    assert Call().is_fresh()


def test_tells_another_all_that_it_was_told() -> None:
    one, other = Call(), Call()
    one.tell(other)
    one.degraded.append(BRIEF)
    one.late.append(BRIEF)
    one.served_by[BRIEF] = "another"
    one.age[BRIEF] = 1.0
    other.degraded.append(BRIEF)

    one.child().tell(other)

    assert other.degraded == [BRIEF, BRIEF]
    assert (other.late, other.served_by, other.age) == ([BRIEF], {BRIEF: "another"}, {BRIEF: 1.0})
    assert one.degraded == [BRIEF]


async def test_a_late_answer_is_noted_where_somebody_listens() -> None:
    note_late(BRIEF)
    async with call() as told:
        note_late(BRIEF)
    assert told.late == [BRIEF]


async def test_dl1_each_task_has_the_budget_it_began_in() -> None:
    async def nested(deadline: float) -> float:
        async with call(deadline=deadline):
            await asyncio.sleep(0.1)
            return ends()

    async with call(deadline=2.0):
        inside = [asyncio.ensure_future(nested(seconds)) for seconds in (1.0, 5.0)]
        assert await asyncio.gather(nested(0.5), *inside) == [0.5, 1.0, 2.0]
        assert ends() == 2.0
    assert ends() == math.inf


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


async def test_a_budget_left_elsewhere_leaves_the_one_there_alone() -> None:
    async def generate() -> AsyncGenerator[int, None]:
        async with call(deadline=5.0):
            yield 1

    generator = generate()
    await asyncio.ensure_future(asyncio.wait_for(anext(generator), 1.0))

    async with call(deadline=1.0) as mine:
        await generator.aclose()
        assert current.get() is mine
    await generator.aclose()
    assert current.get() is None
