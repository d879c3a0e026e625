"""Shadow asks a second stack too, compares and counts; the caller never notices."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest

import lamina
from lamina.backends.memory import MemoryKeyValue, MemoryVectors
from lamina.domains.keyvalue import Get, GetMany, Scan, Set
from lamina.errors import StackError, Unavailable
from lamina.layers.shadow import Shadow
from lamina.runtime import Runtime
from lamina.stack import Stack
from lamina.testing.clock import explore
from lamina.testing.scripted import ScriptedKeyValue
from lamina.testing.sweep import sweep
from lamina.values import Done, Failed, Page

if TYPE_CHECKING:
    from lamina.domains.keyvalue import KeyValue
    from lamina.errors import Brief
    from lamina.layers.shadow.core import ShadowStatus
    from lamina.operation import Operation, R


def now() -> float:
    return asyncio.get_running_loop().time()


def status(store: KeyValue) -> ShadowStatus:
    layer = store.bound.layer(Shadow)
    assert layer is not None
    return layer.status()


def told(store: KeyValue) -> dict[str, int]:
    """Return what is not 0."""
    return {name: count for name, count in status(store)._asdict().items() if count}


def second(answer: Any = b"1", after: float = 0.0) -> ScriptedKeyValue:
    made = ScriptedKeyValue()
    if isinstance(answer, BaseException):
        made.expect(Get).after(after).raises(answer).always()
    else:
        made.expect(Get).after(after).returns(answer).always()
    return made


async def over(to: ScriptedKeyValue, runtime: Runtime | None = None, **options: Any) -> KeyValue:
    """Make a store that holds a = 1, shadowed by *to*."""
    backend = MemoryKeyValue()
    await Stack().over(backend).set("a", b"1")
    return Stack(Shadow(Stack().over(to).bound, **options)).over(backend, runtime=runtime)


async def test_the_same_answer_is_counted() -> None:
    store = await over(second())

    assert await store.get("a") == b"1"
    await store.close()

    assert told(store) == {"sent": 1, "same": 1}


@pytest.mark.parametrize("there", [b"2", None])
async def test_another_answer_is_counted_and_told_without_content(there: bytes | None) -> None:
    reports: list[tuple[Brief, str]] = []
    store = await over(second(there), report=lambda *about: reports.append(about))

    assert await store.get("a") == b"1"
    await store.close()

    assert told(store) == {"sent": 1, "different": 1}
    assert reports == [(Get("a").brief(), "different")]


@pytest.mark.parametrize("kind", [Unavailable, RuntimeError])
async def test_its_failure_is_not_the_caller_s(kind: type[Exception]) -> None:
    reports: list[tuple[Brief, str]] = []
    store = await over(second(kind("broken")), report=lambda *about: reports.append(about))

    async with lamina.call() as call:
        assert await store.get("a") == b"1"
    await store.close()

    assert told(store) == {"sent": 1, "failed": 1}
    assert reports == [(Get("a").brief(), "failed")]
    assert call.degraded == []


async def test_the_caller_does_not_wait_and_its_deadline_does_not_bind() -> None:
    store = await over(second(after=4.0))

    async with lamina.call(deadline=1.0):
        assert await store.get("a") == b"1"
    assert now() == 0.0
    await store.close()

    assert told(store) == {"sent": 1, "same": 1}


async def test_a_second_stack_that_hangs_is_given_up() -> None:
    store = await over(second(after=60.0), within=2.0)

    await store.get("a")
    await store.close()

    assert now() == pytest.approx(2.0)
    assert told(store) == {"sent": 1, "failed": 1}


async def test_no_more_than_so_many_are_under_way() -> None:
    to = second(after=1.0)
    store = await over(to, at_once=3)

    await asyncio.gather(*(store.get("a") for _ in range(10)))
    await store.close()

    assert len(to.calls) == 3
    assert told(store) == {"sent": 3, "same": 3, "skipped": 7}


async def test_without_room_in_the_runtime_it_is_skipped() -> None:
    store = await over(second(), Runtime(room=0))

    assert await store.get("a") == b"1"
    await store.close()

    assert told(store) == {"skipped": 1}


async def test_a_part_of_the_reads_is_drawn_from_the_seed() -> None:
    async def sent(seed: int) -> list[int]:
        store = await over(second(), Runtime(rng=random.Random(seed)), rate=0.25, at_once=1000)
        counts: list[int] = []
        for _ in range(400):
            await store.get("a")
            counts.append(status(store).sent)
        await store.close()
        return counts

    first = await sent(1)

    assert first == await sent(1)
    assert first != await sent(2)
    assert 70 <= first[-1] <= 130


@pytest.mark.parametrize("rate", [0, 0.0])
async def test_at_rate_0_nothing_stands_in_the_way(rate: float) -> None:
    store = await over(second(), rate=rate)

    await store.get("a")

    assert {op.slots for op in store.bound.plan().operations} == {()}
    assert told(store) == {}


async def test_what_the_first_cannot_answer_is_not_asked() -> None:
    to = second()
    backend = ScriptedKeyValue()
    backend.expect(Get).raises(Unavailable("down"))
    backend.expect(Get).hangs()
    store = Stack(Shadow(Stack().over(to).bound)).over(backend)

    with pytest.raises(Unavailable):
        await store.get("a")
    call = asyncio.ensure_future(store.get("a"))
    await asyncio.sleep(1)
    call.cancel()
    await asyncio.wait([call])

    assert to.calls == []
    assert told(store) == {"skipped": 2}
    layer = store.bound.layer(Shadow)
    assert layer is not None
    assert len(layer._second.races) == 0


async def test_a_write_is_sent_to_the_first_alone() -> None:
    to = second()
    store = await over(to)

    await store.set("a", b"2")
    await store.close()

    assert to.calls == []


async def test_what_was_written_meanwhile_is_racy() -> None:
    reports: list[tuple[Brief, str]] = []
    store = await over(second(b"2", after=1.0), report=lambda *about: reports.append(about))

    await store.get("a")
    await store.set("a", b"2")
    await store.close()

    assert told(store) == {"sent": 1, "racy": 1}
    assert reports == [(Get("a").brief(), "racy")]


@pytest.mark.parametrize(("read", "kind"), [("a", "racy"), ("b", "different")])
async def test_a_write_that_began_before_and_ends_after_is_racy(read: str, kind: str) -> None:
    backend = ScriptedKeyValue()
    backend.expect(Set).after(5.0).raises(Unavailable("down"))
    backend.expect(Get).returns(b"1").always()
    store = Stack(Shadow(Stack().over(second(b"2")).bound)).over(backend)
    write = asyncio.ensure_future(store.set("a", b"2"))
    await asyncio.sleep(1)

    await store.get(read)
    await asyncio.wait([write])
    assert isinstance(write.exception(), Unavailable)
    await store.get("a")
    await store.close()

    assert told(store)["different"] == (2 if kind == "different" else 1)
    assert status(store).racy == (kind == "racy")


async def test_a_write_to_any_key_makes_a_listing_racy() -> None:
    to = ScriptedKeyValue()
    to.expect(Scan).after(1.0).returns(Page(("b",)))
    store = await over(to)

    await store.bound.send(Scan())
    await store.set("c", b"2")
    await store.close()

    assert told(store) == {"sent": 1, "racy": 1}


async def test_pages_are_compared_by_what_they_hold() -> None:
    to = ScriptedKeyValue()
    to.expect(Scan).returns(Page(("a",), "a cursor of its own"))
    store = await over(to)

    await store.bound.send(Scan())
    await store.close()

    assert told(store) == {"sent": 1, "same": 1}


async def test_compare_decides() -> None:
    asked: list[tuple[Any, Any, Any]] = []

    def compare(op: Any, here: Any, there: Any) -> bool:
        asked.append((op, here, there))
        return True

    store = await over(second(b"2"), compare=compare)

    await store.get("a")
    await store.close()

    assert asked == [(Get("a"), b"1", b"2")]
    assert told(store) == {"sent": 1, "same": 1}


@pytest.mark.parametrize("said", [None, 1, "yes", RuntimeError(), asyncio.CancelledError()])
async def test_a_compare_that_raises_or_says_no_bool_judges_nothing(said: Any) -> None:
    def compare(op: Any, here: Any, there: Any) -> bool:
        if isinstance(said, BaseException):
            raise said
        answer: bool = said
        return answer

    store = await over(second(b"2"), compare=compare)

    assert await store.get("a") == b"1"
    await store.close()

    raised = {"raised": 1} if isinstance(said, BaseException) else {}
    assert told(store) == {"sent": 1, "unjudged": 1, **raised}


async def test_a_report_that_raises_is_counted() -> None:
    def report(brief: Brief, kind: str) -> None:
        raise RuntimeError

    store = await over(second(b"2"), report=report)

    assert await store.get("a") == b"1"
    await store.close()

    assert told(store) == {"sent": 1, "different": 1, "raised": 1}


async def test_batches_are_compared_whole() -> None:
    to = ScriptedKeyValue()
    to.expect(GetMany).returns((Done(b"1"), Done(None)))
    to.expect(GetMany).returns((Done(b"1"), Failed(Unavailable("down"))))
    reports: list[tuple[Brief, str]] = []
    store = await over(to, report=lambda *about: reports.append(about))

    for _ in range(2):
        assert await store.get_many(["a", "b"]) == (b"1", None)
    await store.close()

    assert reports == [(GetMany(("a", "b")).brief(), "failed")]
    assert told(store) == {"sent": 2, "same": 1, "failed": 1}


async def test_a_batch_that_failed_in_part_is_not_compared() -> None:
    to, backend = ScriptedKeyValue(), ScriptedKeyValue()
    backend.expect(GetMany).returns((Done(b"1"), Failed(Unavailable("down"))))
    store = Stack(Shadow(Stack().over(to).bound)).over(backend)

    await store.get_many(["a", "b"], outcomes=True)

    assert (to.calls, told(store)) == ([], {"skipped": 1})


async def test_what_changes_as_time_passes_and_what_it_lacks_are_left_alone() -> None:
    store = Stack(Shadow(Stack().over(ScriptedKeyValue(without=[Get])).bound)).over(
        MemoryKeyValue()
    )

    slots = {op.operation: op.slots for op in store.bound.plan().operations}

    assert {name for name, path in slots.items() if not path} == {"Check", "TimeToLive", "Get"}


async def test_closing_waits_for_what_is_under_way_and_cuts_what_takes_too_long() -> None:
    store = await over(second(after=1.0))
    await store.get("a")
    await store.close()
    assert now() == pytest.approx(1.0)
    assert told(store) == {"sent": 1, "same": 1}

    slow = await over(second(after=60.0), Runtime(grace=3.0), within=100.0)
    await slow.get("a")
    await slow.close()
    assert now() == pytest.approx(4.0)
    assert told(slow) == {"sent": 1}


async def test_a_call_that_outlives_closing_starts_nothing() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(10.0).returns(b"1")
    to = second()
    store = Stack(Shadow(Stack().over(to).bound)).over(backend, runtime=Runtime(grace=1.0))
    call = asyncio.ensure_future(store.get("a"))
    await asyncio.sleep(0.5)

    await store.close()

    assert await call == b"1"
    assert to.calls == []


async def test_a_shadow_that_is_closed_is_a_failure_of_its_own() -> None:
    to = Stack().over(second())
    store = Stack(Shadow(to.bound)).over(MemoryKeyValue())
    await to.close()

    assert await store.get("a") is None
    await store.close()

    assert told(store) == {"sent": 1, "failed": 1}


async def test_searches_are_compared_as_compare_likes() -> None:
    first, other = Stack().over(MemoryVectors()), Stack().over(MemoryVectors())
    for store in (first, other):
        await store.set("a", "cats and dogs")

    def by_id(op: Any, here: Any, there: Any) -> bool:
        return [match.id for match in here] == [match.id for match in there]

    backend = MemoryVectors()
    shadowed = Stack(Shadow(other.bound, compare=by_id)).over(backend)
    await Stack().over(backend).set("a", "dogs and cats")
    await shadowed.search("dogs")
    await shadowed.close()

    layer = shadowed.bound.layer(Shadow)
    assert layer is not None
    assert layer.status().same == 1


class Later:
    """A stack that is known only later, so that a loop can be made."""

    backend = "later"
    store: KeyValue

    def __init__(self) -> None:
        self.capabilities = Stack().over(MemoryKeyValue()).bound.capabilities

    async def send(self, op: Operation[R]) -> R:
        return await self.store.bound.send(op)


async def test_a_loop_of_shadows_comes_to_an_end() -> None:
    later, backend = Later(), second()
    other = Stack(Shadow(later)).over(backend)
    store = later.store = Stack(Shadow(other.bound)).over(backend)

    await store.get("a")
    await asyncio.sleep(1)

    assert len(backend.calls) == 3  # its own, the other's, and its own as the other's shadow
    assert told(store) == {"sent": 1, "same": 1, "skipped": 1}
    assert told(other) == {"sent": 1, "same": 1}


def test_under_any_schedule_each_read_ends_once_and_nothing_is_kept() -> None:
    async def scenario() -> None:
        to = second(b"2", after=0.01)
        store = await over(to, at_once=2)

        async def read() -> None:
            assert await store.get("a") in (b"1", b"2")

        calls = [asyncio.ensure_future(read()) for _ in range(4)]
        calls.append(asyncio.ensure_future(store.set("a", b"2")))
        await asyncio.sleep(0)
        calls[0].cancel()
        await asyncio.wait(calls)
        await store.close()
        layer = store.bound.layer(Shadow)
        assert layer is not None
        counts = layer.status()
        assert counts.sent == counts.same + counts.different + counts.racy
        assert counts.sent + counts.skipped in (3, 4)
        assert len(layer._second.races) == 0
        assert layer._second._running == 0

    explore(scenario, schedules=500)


def test_is_cancellable_at_each_suspension() -> None:
    async def scenario() -> None:
        backend = ScriptedKeyValue()
        backend.expect(Get).after(0.01).returns(b"1").always()
        backend.expect(Set).after(0.01).always()
        async with Stack(Shadow(Stack().over(second(after=0.01)).bound)).over(backend) as store:
            await store.get("a")
            await store.set("a", b"1")
            await store.get("a")

    assert sweep(scenario).points >= 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"to": "redis"}, "to must be another stack: the bound of a store"),
        ({"rate": -0.1}, "rate must be a finite number from 0 to 1"),
        ({"rate": 1.1}, "rate must be"),
        ({"rate": float("nan")}, "rate must be"),
        ({"rate": True}, "rate must be"),
        ({"rate": "1"}, "rate must be"),
        ({"within": 0}, "within must be a finite number above 0"),
        ({"within": float("inf")}, "within must be"),
        ({"within": None}, "within must be"),
        ({"at_once": 0}, "at_once must be a whole number from 1"),
        ({"at_once": 1.5}, "at_once must be"),
        ({"at_once": True}, "at_once must be"),
        ({"compare": 3}, "compare must be a function"),
        ({"report": "log"}, "report must be a function"),
    ],
    ids=str,
)
def test_an_option_that_cannot_work_is_refused(options: dict[str, Any], said: str) -> None:
    to = Stack().over(MemoryKeyValue()).bound
    with pytest.raises(StackError, match=f"Shadow: {said}"):
        Shadow(**{"to": to, **options})


def test_an_async_hook_is_refused() -> None:
    async def compare(op: Any, here: Any, there: Any) -> bool:
        return True

    hook: Any = compare
    with pytest.raises(StackError, match="Shadow: compare must be a function that is not async"):
        Shadow(Stack().over(MemoryKeyValue()).bound, compare=hook)
