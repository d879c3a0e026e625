"""Chaos does the harm it is told to, as often as it is told to, and none besides."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest

import lamina
from lamina.backends.memory import MemoryDocuments, MemoryKeyValue, MemoryMedia
from lamina.domains.keyvalue import Append, CompareAndSet, Get, KeyValue, Set, SetMany
from lamina.domains.media import PutPart
from lamina.errors import (
    Conflict,
    Corrupt,
    DeadlineExceeded,
    StackError,
    StorageError,
    TimedOut,
    Unavailable,
)
from lamina.layers.breaker import Breaker
from lamina.layers.chaos import Chaos, ChaosStatus
from lamina.layers.retry import Retry
from lamina.layers.timeout import Timeout
from lamina.runtime import Runtime
from lamina.stack import Stack
from lamina.testing import ScriptedKeyValue
from lamina.testing.clock import explore
from lamina.testing.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.layer import Layer
    from lamina.operation import Operation


def over(chaos: Chaos, *outer: Layer) -> tuple[KeyValue, KeyValue]:
    """Return a store with chaos, and one beside it that sees the same data without."""
    backend = MemoryKeyValue()
    return Stack(*outer, chaos).over(backend), Stack().over(backend)


def quick(attempts: int = 8) -> Retry:
    return Retry(attempts, base=1e-6, throttled_base=1e-6, cap=1e-6, budget=None)


def told(store: KeyValue) -> ChaosStatus:
    layer = store.bound.layer(Chaos)
    assert layer is not None
    return layer.status()


async def faults(chaos: Chaos, calls: int) -> list[int]:
    """Return which of so many reads failed."""
    store, _ = over(chaos)
    failed: list[int] = []
    for number in range(calls):
        try:
            await store.get("a")
        except StorageError:
            failed.append(number)
    return failed


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_ch1_an_injected_fault_is_never_sent() -> None:
    backend = ScriptedKeyValue()
    store = Stack(Chaos(1.0)).over(backend)

    with pytest.raises(Unavailable, match="injected: not sent") as caught:
        await store.set("a", b"1")

    assert backend.calls == []
    assert (caught.value.sent, caught.value.transient) == ("no", True)
    assert (caught.value.layer, caught.value.backend) == ("chaos", "scripted")
    assert told(store) == ChaosStatus(1, 0, 0, 1, 0, 0, 0, 0, 0, 0)


async def test_ch1_the_same_seed_gives_the_same_faults() -> None:
    first = await faults(Chaos(0.2, seed=7), 2000)

    assert first == await faults(Chaos(0.2, seed=7), 2000)
    assert first != await faults(Chaos(0.2, seed=8), 2000)
    assert 340 <= len(first) <= 460


async def test_without_a_seed_the_runtime_s_chance_decides() -> None:
    async def failed(seed: int) -> list[bool]:
        runtime = Runtime(rng=random.Random(seed))
        store = Stack(Chaos(0.5)).over(MemoryKeyValue(), runtime=runtime)
        answers = [await asyncio.gather(store.get("a"), return_exceptions=True) for _ in range(60)]
        return [isinstance(answer, Unavailable) for (answer,) in answers]

    assert await failed(1) == await failed(1)
    assert await failed(1) != await failed(2)


async def test_one_strategy_does_not_shift_the_chance_of_another() -> None:
    alone = await faults(Chaos(0.2, seed=7), 500)
    beside = Chaos(*(0.2,), seed=7, slow=0.5, latency=lambda rng: rng.random(), twice=0.5, torn=0.5)

    assert await faults(beside, 500) == alone


async def test_what_happens_to_a_call_depends_on_its_place_alone() -> None:
    async def written(chaos: Chaos, *, at_once: bool) -> list[int]:
        store, data = over(chaos)
        calls = [store.set(f"k{n}", b"0123456789" * 9) for n in range(20)]
        if at_once:
            await asyncio.gather(*calls, return_exceptions=True)
        else:
            for call in calls:
                await asyncio.gather(call, return_exceptions=True)
        return [len(await data.get(f"k{n}") or b"") for n in range(20)]

    one_by_one = await written(Chaos(torn=0.5, seed=3), at_once=False)

    slow = Chaos(torn=0.5, seed=3, slow=0.9, latency=lambda rng: rng.random())
    assert await written(slow, at_once=True) == one_by_one
    assert len(set(one_by_one)) > 5


async def test_ch1_an_error_after_the_write_comes_though_it_happened() -> None:
    store, data = over(Chaos(after=1.0, seed=1))
    kinds: set[type[StorageError]] = set()

    for number in range(20):
        with pytest.raises((Unavailable, TimedOut), match="perhaps carried out") as caught:
            await store.set(f"k{number}", b"1")
        assert (caught.value.sent, caught.value.layer) == ("maybe", "chaos")
        kinds.add(type(caught.value))
        assert await data.get(f"k{number}") == b"1"

    assert kinds == {Unavailable, TimedOut}
    assert told(store).after == 20


async def test_an_error_of_the_backend_itself_is_not_replaced_by_a_doubt() -> None:
    store, _ = over(Chaos(after=1.0))

    with pytest.raises(Conflict):
        await store.compare_and_set("a", b"another", b"1")

    assert told(store).after == 0


async def test_ch1_an_append_in_doubt_is_repeated_only_with_a_key() -> None:
    store, data = over(Chaos(after=0.5, seed=2), quick(30))
    lost = 0

    for number in range(50):
        await store.append("keyed", number, idempotency=f"n{number}")
        try:
            await store.append("plain", number)
        except (Unavailable, TimedOut):
            lost += 1

    assert lost > 10
    assert await data.get("keyed") == await data.get("plain")


async def test_ch1_an_operation_carried_out_twice_gives_the_first_answer() -> None:
    store, data = over(Chaos(twice=1.0))

    assert await store.append("list", "x") == 1
    assert await data.get("list") == b'["x","x"]'
    assert await store.increment("count") == 1
    assert await data.get("count") == b"2"
    assert told(store).twice == 2


async def test_the_failure_of_the_second_time_is_unheard() -> None:
    store, data = over(Chaos(twice=1.0))

    await store.compare_and_set("a", None, b"1")  # the second time is a conflict

    assert await data.get("a") == b"1"


async def test_ch1_a_torn_batch_is_carried_out_in_part_and_repaired_by_a_retry() -> None:
    items = {f"k{n}": b"1" for n in range(10)}
    store, data = over(Chaos(torn=1.0, seed=5))
    sizes: set[int] = set()
    for _ in range(80):
        with pytest.raises((Unavailable, TimedOut)) as caught:
            await store.bound.send(SetMany(tuple(items.items())))
        assert caught.value.sent == "maybe"
        held = [key for key in items if await data.delete(key)]
        assert held == list(items)[: len(held)]
        sizes.add(len(held))
    assert sizes == set(range(1, 10))

    store, data = over(Chaos(torn=0.5, seed=5), quick(20))
    await store.set_many(items)
    assert await data.get_many(list(items)) == (b"1",) * 10


async def test_of_a_batch_of_two_the_first_arrives() -> None:
    store, data = over(Chaos(torn=1.0))

    with pytest.raises((Unavailable, TimedOut)):
        await store.bound.send(SetMany((("one", b"1"), ("two", b"2"))))

    assert await data.get_many(["one", "two"]) == (b"1", None)


async def test_ch1_a_torn_write_leaves_the_beginning_of_the_content() -> None:
    store, data = over(Chaos(torn=1.0, seed=5))
    left: set[bytes | None] = set()
    for _ in range(30):
        with pytest.raises((Unavailable, TimedOut)):
            await store.set("a", b"0123456789", ttl=60)
        left.add(await data.get("a"))
        assert await data.ttl("a") == 60

    assert all(part is not None and b"0123456789".startswith(part) for part in left)
    assert b"0123456789" not in left
    assert len(left) > 5


async def test_text_is_torn_between_characters() -> None:
    backend = MemoryDocuments()
    store = Stack(Chaos(torn=1.0, seed=1)).over(backend)

    with pytest.raises((Unavailable, TimedOut)):
        await store.set("a", "äöü" * 9)

    found = await Stack().over(backend).get("a")
    assert found is not None
    assert ("äöü" * 9).startswith(found.content)


async def test_what_must_be_whole_or_nothing_is_not_torn() -> None:
    store, data = over(Chaos(torn=1.0))

    await store.set_many({"one": b"1"})  # a batch of one item has no part
    await store.set("empty", b"")
    await store.append("list", 12)
    await store.compare_and_set("cas", None, b"123")
    assert await store.delete("one")
    assert await store.get("one") is None

    assert await data.get("cas") == b"123"
    assert told(store).torn == 0
    slots = {op.operation: op.slots for op in store.bound.plan().operations}
    torn = {name for name, each in slots.items() if each}
    assert torn == {"Set", "SetMany"}


async def test_ch1_a_part_that_arrives_short_is_written_again() -> None:
    backend = MemoryMedia()
    store = Stack(quick(30), Chaos(0.1, after=0.2, torn=0.7, seed=1, ops=["PutPart"])).over(backend)
    content = bytes(range(256)) * 100_000  # four parts

    await store.set("a", content)

    assert await Stack().over(backend).get("a") == content
    layer = store.bound.layer(Chaos)
    assert layer is not None
    assert layer.status().torn > 0


async def test_ch1_a_download_cut_short_fails_and_never_gives_a_part() -> None:
    backend = MemoryMedia()
    content = bytes(range(256)) * 100_000
    await Stack().over(backend).set("a", content)
    store = Stack(Chaos(0.3, seed=4, ops=["ReadRange"])).over(backend)
    answers: list[bytes | None] = []
    failures = 0

    for _ in range(20):
        try:
            answers.append(await store.get("a"))
        except Unavailable:
            failures += 1

    assert failures > 5
    assert answers
    assert all(answer == content for answer in answers)


async def test_ch1_a_listing_cut_short_fails_and_never_seems_complete() -> None:
    store, data = over(Chaos(lambda op: 1.0 if getattr(op, "cursor", None) else 0.0, ops=["Scan"]))
    await data.set_many({f"k{number:03}": b"1" for number in range(300)})
    seen: list[str] = []

    async def listed() -> None:
        async for key in store.scan():
            seen.append(key)  # noqa: PERF401  # kept up to the failure

    with pytest.raises(Unavailable):
        await listed()

    assert 0 < len(seen) < 300


async def test_an_upload_that_fails_half_way_shows_nothing() -> None:
    backend = MemoryMedia()
    store = Stack(Chaos(torn=1.0, ops=["PutPart"])).over(backend)

    async with store:
        with pytest.raises((Unavailable, TimedOut)):
            await store.set("a", bytes(20_000_000))

    assert await Stack().over(backend).get("a") is None
    assert backend._uploads == {}


async def test_ch1_latency_is_added_before_the_call() -> None:
    store, _ = over(Chaos(slow=1.0, latency=2.5))

    await store.get("a")

    assert now() == pytest.approx(2.5)
    assert told(store).slow == 1


async def test_ch1_latency_is_drawn_from_a_distribution_by_the_seed() -> None:
    async def took(seed: int) -> list[float]:
        store, _ = over(Chaos(slow=1.0, latency=lambda rng: rng.expovariate(10), seed=seed))
        times: list[float] = []
        for _ in range(50):
            began = now()
            await store.get("a")
            times.append(round(now() - began, 9))
        return times

    first = await took(1)
    assert first == await took(1)
    assert first != await took(2)
    assert 0.05 < sum(first) / 50 < 0.2


@pytest.mark.parametrize("drawn", [float("nan"), -1, 0, "1", None, True])
async def test_a_latency_that_is_no_time_delays_nothing(drawn: Any) -> None:
    store, _ = over(Chaos(slow=1.0, latency=lambda _: drawn))

    await store.get("a")

    assert now() == 0.0
    assert told(store).slow == 0


async def test_a_latency_without_end_is_bounded() -> None:
    store, _ = over(Chaos(slow=1.0, latency=lambda _: float("inf")))

    await store.get("a")

    assert now() == pytest.approx(3600)


async def test_latency_ends_at_the_caller_s_deadline_and_nothing_is_sent() -> None:
    backend = ScriptedKeyValue()
    store = Stack(Chaos(slow=1.0, latency=30)).over(backend)

    async with lamina.call(deadline=2.0):
        with pytest.raises(DeadlineExceeded, match="30 s slower") as caught:
            await store.get("a")
        assert now() == pytest.approx(2.0)
        with pytest.raises(DeadlineExceeded):
            await store.get("a")

    assert now() == pytest.approx(2.0)
    assert caught.value.sent == "no"
    assert backend.calls == []


async def test_latency_that_ends_with_the_deadline_comes_too_late() -> None:
    store, _ = over(Chaos(slow=1.0, latency=2.0))

    async with lamina.call(deadline=2.0):
        with pytest.raises(DeadlineExceeded):
            await store.get("a")


async def test_a_timeout_ends_injected_latency() -> None:
    store, _ = over(Chaos(slow=1.0), Timeout(0.5))

    with pytest.raises(TimedOut):
        await store.get("a")

    assert now() == pytest.approx(0.5)


async def test_ch1_a_hanging_write_has_happened_half_of_the_time() -> None:
    store, data = over(Chaos(hang=1.0, seed=9), Timeout(1.0))

    for number in range(40):
        with pytest.raises(TimedOut):
            await store.set(f"k{number}", b"1")

    held = [await data.get(f"k{number}") for number in range(40)]
    assert 10 <= held.count(b"1") <= 30
    assert told(store).hang == 40
    layer = store.bound.layer(Chaos)
    assert layer is not None
    assert layer._harm._hanging == set()


async def test_closing_ends_what_hangs() -> None:
    runtime = Runtime(grace=1.0)
    store = Stack(Chaos(hang=1.0)).over(MemoryKeyValue(), runtime=runtime)
    call = asyncio.ensure_future(store.get("a"))
    await asyncio.sleep(1)

    await store.close()

    with pytest.raises(Unavailable, match="closed before an answer"):
        await call


async def test_ch1_an_outcome_is_given_without_asking_the_backend() -> None:
    backend = ScriptedKeyValue()
    answers = {"wrong": b"wrong", "absent": None, "corrupt": Corrupt("unreadable")}
    chaos = Chaos(outcome=1.0, answer=lambda op: answers[op.brief().target.strip("'")])
    store = Stack(chaos).over(backend)

    assert await store.get("wrong") == b"wrong"
    assert await store.get("absent") is None
    with pytest.raises(Corrupt, match="unreadable"):
        await store.get("corrupt")

    assert backend.calls == []
    assert told(store).outcome == 3


async def test_ch1_behaviour_runs_before_the_call() -> None:
    seen: list[object] = []
    store, data = over(Chaos(behaviour=1.0, action=seen.append))

    await store.set("a", b"1")

    assert seen == [Set("a", b"1")]
    assert await data.get("a") == b"1"
    assert told(store).behaviour == 1


async def test_a_fault_of_one_s_own_comes_out_itself_however_often() -> None:
    error = Corrupt("mine")
    store, _ = over(Chaos(1.0, fault=lambda _: error))
    depths: list[int] = []

    for _ in range(5):
        with pytest.raises(Corrupt) as caught:
            await store.get("a")
        assert caught.value is error
        depths.append(len(caught.traceback))

    assert len(set(depths)) == 1


async def test_a_fault_is_made_for_the_operation_that_is_hit() -> None:
    store, _ = over(Chaos(1.0, fault=lambda op: Corrupt(repr(op))))

    with pytest.raises(Corrupt, match="Get"):
        await store.get("a")
    with pytest.raises(Corrupt, match="Set"):
        await store.set("a", b"1")


async def test_functions_of_strategies_that_are_off_are_never_called() -> None:
    called: list[object] = []
    store, _ = over(Chaos(twice=1.0, answer=called.append, action=called.append, fault=raising))

    await store.set("a", b"1")

    assert called == []
    assert told(store).raised == 0


@pytest.mark.parametrize(
    "made", [None, "an error", Unavailable, asyncio.CancelledError(), KeyboardInterrupt()]
)
async def test_a_fault_that_is_none_is_not_injected(made: Any) -> None:
    store, data = over(Chaos(1.0, fault=lambda _: made))

    await store.set("a", b"1")

    assert await data.get("a") == b"1"
    assert told(store).fault == 0


def raising(*_: object) -> Any:
    msg = "a hook's own"
    raise RuntimeError(msg)


@pytest.mark.parametrize(
    "options",
    [
        {"rate": raising},
        {"rate": 1.0, "fault": raising},
        {"slow": 1.0, "latency": raising},
        {"slow": raising},
        {"outcome": 1.0, "answer": raising},
        {"behaviour": 1.0, "action": raising},
        {"rate": 1.0, "enabled": raising},
        {"behaviour": 1.0, "action": lambda _: None, "on_injected": raising},
    ],
    ids=" ".join,
)
async def test_a_function_that_raises_injects_nothing_and_is_counted(
    options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    store, data = over(Chaos(**options))

    for _ in range(3):
        await store.set("a", b"1")

    assert await data.get("a") == b"1"
    assert now() == 0.0
    assert told(store).raised == 3
    name = next(name for name, option in options.items() if option is raising)
    assert [record.getMessage() for record in caplog.records] == [
        f"Chaos.{name} raised RuntimeError; it is logged once"
    ]
    assert "a hook's own" not in caplog.text


@pytest.mark.parametrize(
    ("rate", "failed"), [(1.5, 50), (1, 50), (-1, 0), (float("nan"), 0), (None, 0), (True, 0)]
)
async def test_a_rate_that_a_function_gives_is_kept_in_its_range(rate: Any, failed: int) -> None:
    assert len(await faults(Chaos(lambda _: rate), 50)) == failed


async def test_a_rate_may_depend_on_the_operation() -> None:
    store, _ = over(Chaos(lambda op: 1.0 if op.writes else 0.0))

    assert await store.get("a") is None
    with pytest.raises(Unavailable):
        await store.set("a", b"1")


async def test_ch1_it_is_switched_by_a_flag_while_it_runs() -> None:
    store, _ = over(Chaos(1.0, enabled=False))
    layer = store.bound.layer(Chaos)
    assert layer is not None

    await store.get("a")
    layer.enabled = True
    with pytest.raises(Unavailable):
        await store.get("a")
    layer.enabled = False
    await store.get("a")

    assert told(store).calls == 1


async def test_ch1_it_is_switched_by_a_function_of_the_operation() -> None:
    store, _ = over(Chaos(1.0, enabled=lambda op: op.brief().target == "'bad'"))

    assert await store.get("good") is None
    with pytest.raises(Unavailable):
        await store.get("bad")


async def test_calls_while_it_is_off_draw_nothing() -> None:
    expected = await faults(Chaos(0.5, seed=6), 40)
    store, _ = over(Chaos(0.5, seed=6))
    layer = store.bound.layer(Chaos)
    assert layer is not None
    failed: list[int] = []

    for number in range(40):
        layer.enabled = False
        await store.get("a")
        layer.enabled = True
        if isinstance(
            (await asyncio.gather(store.get("a"), return_exceptions=True))[0], Unavailable
        ):
            failed.append(number)

    assert failed == expected


async def test_ch1_only_the_operations_named_are_hit() -> None:
    store, _ = over(Chaos(1.0, ops=["Set"]))

    assert await store.get("a") is None
    with pytest.raises(Unavailable):
        await store.set("a", b"1")

    slots = {op.operation: op.slots for op in store.bound.plan().operations}
    assert {name for name, each in slots.items() if each} == {"Set"}


def test_without_a_rate_it_is_bound_around_nothing() -> None:
    store, _ = over(Chaos())

    assert all(not op.slots for op in store.bound.plan().operations)


def test_the_plan_counts_what_is_sent_twice() -> None:
    assert over(Chaos(twice=0.1), Retry(3))[0].bound.plan().amplification == 6
    assert over(Chaos(0.1), Retry(3))[0].bound.plan().amplification == 3


async def test_each_harm_is_told_with_its_kind_and_operation() -> None:
    seen: list[tuple[str, object]] = []
    chaos = Chaos(
        slow=1.0,
        latency=1,
        behaviour=1.0,
        action=lambda _: None,
        twice=1.0,
        after=1.0,
        on_injected=lambda kind, op: seen.append((kind, op)),
    )
    store, _ = over(chaos)

    with pytest.raises((Unavailable, TimedOut)):
        await store.get("a")

    op = Get("a")
    assert seen == [("behaviour", op), ("slow", op), ("twice", op), ("after", op)]


@pytest.mark.parametrize("kind", ["rate", "outcome", "hang", "torn"])
async def test_a_harm_that_ends_the_call_is_told_too(kind: str) -> None:
    seen: list[tuple[str, object]] = []
    chaos = Chaos(
        **{kind: 1.0},
        answer=lambda _: None,
        on_injected=lambda kind, op: seen.append((kind, op)),
    )
    store, _ = over(chaos, Timeout(1.0))

    await asyncio.gather(store.set("a", b"1"), return_exceptions=True)

    assert seen == [("fault" if kind == "rate" else kind, Set("a", b"1"))]


async def test_the_answer_of_a_call_that_is_not_hit_is_the_backend_s_own() -> None:
    answer = b"a value"
    backend = ScriptedKeyValue()
    backend.expect(Get).returns(answer).always()
    store = Stack(Chaos(1e-9, after=1e-9, seed=1)).over(backend)

    assert await store.get("a") is answer


@pytest.mark.parametrize(
    ("options", "told"),
    [
        *(
            ({name: bad}, f"{name} must be a finite number from 0 to 1")
            for name in ("rate", "after", "twice", "torn", "hang", "slow", "outcome", "behaviour")
            for bad in (-0.1, 1.1, float("nan"), float("inf"), True, "0.1", None, [0.1])
        ),
        *(
            ({"latency": bad}, "latency must be a finite number from 0 to 3600")
            for bad in (-1, 3601, float("nan"), float("inf"), True, "1", None)
        ),
        *(({"seed": bad}, "seed must be a whole number from 0") for bad in (-1, 0.5, True, "1")),
        *(({"enabled": bad}, "enabled must be True or False") for bad in (1, "yes", None)),
        *(
            ({"ops": bad}, "ops must be names of operations")
            for bad in ("Get", [], [1], 5, [""], [Get])
        ),
        *(
            ({name: 5}, f"{name} must be a function")
            for name in ("answer", "action", "fault", "on_injected")
        ),
        ({"outcome": 0.5}, "outcome needs answer"),
        ({"behaviour": 0.5}, "behaviour needs action"),
    ],
    ids=str,
)
def test_an_option_that_cannot_work_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(StackError, match=f"Chaos: {told}"):
        Chaos(**options)


@pytest.mark.parametrize(
    "name", ["rate", "latency", "enabled", "answer", "action", "fault", "on_injected"]
)
def test_a_function_that_would_have_to_be_awaited_is_refused(name: str) -> None:
    async def awaited(_: object) -> None:
        pass

    options: dict[str, Any] = {name: awaited}
    with pytest.raises(StackError, match=f"Chaos: {name} must be a function that is not async"):
        Chaos(**options)


def test_an_operation_that_is_not_served_is_refused() -> None:
    with pytest.raises(StackError, match=r"Chaos: ops must be of .*Get.*, got 'Gett'"):
        over(Chaos(0.1, ops=["Gett"]))


def everything(rate: float = 0.3, seed: int | None = None) -> Chaos:
    return Chaos(
        rate,
        after=0.3,
        twice=0.3,
        torn=0.3,
        hang=0.2,
        slow=0.5,
        latency=lambda rng: rng.expovariate(5),
        outcome=0.1,
        answer=lambda _: Unavailable("an outcome"),
        behaviour=0.5,
        action=lambda _: None,
        seed=seed,
    )


def test_is_cancellable_at_each_suspension() -> None:
    async def scenario() -> None:
        store, _ = over(everything(0.0, seed=3), Timeout(1.0))
        for number in range(40):
            await quietly(store, number)

    assert sweep(scenario).points >= 10


async def quietly(store: KeyValue, number: int) -> None:
    try:
        if number % 3 == 0:
            await store.set_many({"a": b"1", "b": b"2", "c": b"3"})
        elif number % 3 == 1:
            await store.set("a", b"123")
        else:
            await store.append("list", number)
    except StorageError:
        pass


def test_whatever_is_injected_the_layers_above_answer_or_fail_as_told() -> None:
    async def scenario() -> None:
        store, data = over(everything(), Retry(3, base=0.1), Breaker(min_calls=5), Timeout(2.0))
        async with store:
            await asyncio.gather(*(quietly(store, number) for number in range(9)))
        assert await data.get("a") in {None, b"", b"1", b"12", b"123"}

    explore(scenario, schedules=500)


@pytest.mark.parametrize("op", [Append, CompareAndSet, PutPart, Set])
def test_is_compared_and_shown_by_its_options(op: type[Operation[Any]]) -> None:
    made: Callable[[], Chaos] = lambda: Chaos(0.1, after=0.2, ops=[op.__name__], seed=3)  # noqa: E731

    assert made() == made()
    assert repr(made()) == f"Chaos(0.1, after=0.2, ops=({op.__name__!r},), seed=3)"
