"""Fallback answers from another stack what this one cannot answer now, and tells so."""

from __future__ import annotations

import asyncio
import copy
import pickle
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

import lamina
from lamina.backend import serves
from lamina.backends.memory import MemoryKeyValue
from lamina.capabilities import Capabilities, Serves
from lamina.context import current
from lamina.domains.keyvalue import Get, GetMany, KeyValueBackend, Scan, Set, SetMany
from lamina.errors import (
    AuthError,
    BackendError,
    CircuitOpen,
    Conflict,
    Corrupt,
    DeadlineExceeded,
    Invalid,
    LimitReached,
    RateLimited,
    StackError,
    StorageError,
    Throttled,
    TimedOut,
    Unavailable,
    Unsupported,
)
from lamina.layer import Layer
from lamina.layers.breaker import Breaker
from lamina.layers.cache import Cache
from lamina.layers.deadline import Deadline
from lamina.layers.fallback import Fallback
from lamina.layers.metrics import Metrics
from lamina.layers.timeout import Timeout
from lamina.stack import Stack
from lamina.testing.clock import explore
from lamina.testing.scripted import ScriptedKeyValue
from lamina.testing.sweep import sweep
from lamina.values import Done, Failed, Page

if TYPE_CHECKING:
    from lamina.domains.keyvalue import KeyValue
    from lamina.errors import Sent
    from lamina.operation import Handler, Op, Operation, R


def now() -> float:
    return asyncio.get_running_loop().time()


def failing(error: BaseException | None = None) -> ScriptedKeyValue:
    """Make a store whose every read and write fails."""
    made = ScriptedKeyValue()
    for op in made.capabilities():
        made.expect(op).raises(error or Unavailable("down", sent="no")).always()
    return made


async def replica(**values: bytes) -> KeyValue:
    made = Stack().over(MemoryKeyValue())
    for key, value in values.items():
        await made.set(key, value)
    return made


def status(store: KeyValue) -> tuple[int, ...]:
    layer = store.bound.layer(Fallback)
    assert layer is not None
    return tuple(layer.status())


LISTED = [Unavailable, TimedOut, Throttled, CircuitOpen, LimitReached, RateLimited]
OTHERS = [Conflict, Invalid, AuthError, Corrupt, Unsupported, DeadlineExceeded, RuntimeError]


@pytest.mark.parametrize("kind", LISTED)
async def test_fb1_answers_for_what_says_that_the_first_cannot_now(kind: type[Exception]) -> None:
    other = await replica(a=b"1")
    store = Stack(Fallback(other.bound)).over(failing(kind("as scripted")))

    assert await store.get("a") == b"1"
    assert await store.get("b") is None
    assert status(store) == (2, 0, 0, 0)


@pytest.mark.parametrize("kind", OTHERS)
async def test_fb1_every_other_error_comes_out_unasked(kind: type[Exception]) -> None:
    other = ScriptedKeyValue()
    backend = ScriptedKeyValue()
    script = backend.expect(Get).raises(kind("as scripted"))
    store = Stack(Fallback(Stack().over(other).bound)).over(backend)

    with pytest.raises(kind) as caught:
        await store.get("a")

    assert caught.value is script.raised[0]
    assert other.calls == []
    assert status(store) == (0, 0, 0, 0)


async def test_fb1_absent_is_an_answer() -> None:
    other = await replica(a=b"1")
    store = Stack(Fallback(other.bound)).over(MemoryKeyValue())

    assert await store.get("a") is None


async def test_fb1_a_cancelled_call_is_not_answered_elsewhere() -> None:
    other = ScriptedKeyValue()
    backend = ScriptedKeyValue()
    backend.expect(Get).hangs()
    store = Stack(Fallback(Stack().over(other).bound)).over(backend)
    call = asyncio.ensure_future(store.get("a"))
    await asyncio.sleep(1)

    call.cancel("from outside")

    with pytest.raises(asyncio.CancelledError, match="from outside"):
        await call
    assert other.calls == []


async def test_fb1_corrupt_counts_only_where_it_is_listed() -> None:
    other = await replica(a=b"1")
    store = Stack(Fallback(other.bound, on=(Corrupt,))).over(failing(Corrupt("unreadable")))
    down = Stack(Fallback(other.bound, on=(Corrupt,))).over(failing())

    assert await store.get("a") == b"1"
    with pytest.raises(Unavailable):
        await down.get("a")


async def test_fb2_the_caller_learns_who_answered_what() -> None:
    other = await replica(a=b"1")
    backend = ScriptedKeyValue()
    backend.expect(Get("a")).raises(Unavailable("down"))
    backend.expect(Get("b")).returns(b"2")
    store = Stack(Fallback(other.bound)).over(backend)

    async with lamina.call() as call:
        await store.get("a")
        await store.get("b")

    assert call.degraded == [Get("a").brief()]
    assert call.served_by == {Get("a").brief(): "memory"}


async def test_fb2_a_chain_tells_the_last_that_answered_once() -> None:
    last = await replica(a=b"1")
    middle = Stack(Fallback(last.bound)).over(failing())
    store = Stack(Fallback(middle.bound)).over(failing())

    async with lamina.call() as call:
        assert await store.get("a") == b"1"

    assert call.degraded == [Get("a").brief()]
    assert call.served_by == {Get("a").brief(): "memory"}


async def test_fb2_a_fallback_that_failed_tells_nothing() -> None:
    store = Stack(Fallback(Stack().over(failing()).bound)).over(failing())

    async with lamina.call() as call:
        with pytest.raises(Unavailable):
            await store.get("a")

    assert (call.degraded, call.served_by) == ([], {})


@pytest.mark.parametrize("layers", [(), (Timeout(60.0),)], ids=["bare", "timeout"])
async def test_fb3_a_part_of_the_deadline_is_kept_for_the_other(
    layers: tuple[Timeout, ...],
) -> None:
    other = ScriptedKeyValue()
    other.expect(Get).after(1.9).returns(b"1")
    backend = ScriptedKeyValue()
    backend.expect(Get).hangs()
    store = Stack(Fallback(Stack().over(other).bound, reserve=0.25), *layers).over(backend)
    await asyncio.sleep(100.0)

    async with lamina.call(deadline=8.0) as call:
        assert await store.get("a") == b"1"

    assert now() == pytest.approx(106.0 + 1.9)
    assert call.deadline == pytest.approx(108.0)
    assert call.degraded == [Get("a").brief()]


async def test_fb3_of_a_short_deadline_the_first_has_its_part_too() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(0.02).returns(b"1")
    store = Stack(Fallback((await replica()).bound), Timeout(60.0)).over(backend)

    async with lamina.call(deadline=0.03) as call:
        assert await store.get("a") == b"1"

    assert call.is_fresh()


@pytest.mark.parametrize("inner", [(), (Timeout(7.0),)], ids=["bare", "timeout"])
async def test_fb3_a_part_of_a_deadline_layer_is_kept_too(inner: tuple[Timeout, ...]) -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).hangs()
    other = await replica(a=b"1")
    store = Stack(Deadline(8.0), Fallback(other.bound), *inner).over(backend)

    assert await store.get("a") == b"1"
    assert now() == pytest.approx(6.0)


async def test_fb3_the_caller_s_whole_deadline_is_its_end() -> None:
    other = ScriptedKeyValue()
    other.expect(Get).hangs()
    backend = ScriptedKeyValue()
    backend.expect(Get).hangs()
    store = Stack(Fallback(Stack().over(other).bound)).over(backend)

    async with lamina.call(deadline=8.0):
        with pytest.raises(DeadlineExceeded, match="part of the deadline") as caught:
            await store.get("a")

    assert now() == pytest.approx(8.0)
    assert caught.value.layer == "fallback"
    assert any("failed too: DeadlineExceeded" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("layers", [(), (Deadline(8.0),)], ids=["bare", "deadline"])
async def test_dl8_a_late_answer_of_the_other_is_told(layers: tuple[Deadline, ...]) -> None:
    class Stubborn(KeyValueBackend):
        name = "stubborn"

        @serves(Get)
        async def get(self, op: Get) -> bytes | None:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
            await asyncio.sleep(float(op.key))
            return b"late"

    other = Stack().over(Stubborn())
    store = Stack(*layers, Fallback(other.bound)).over(failing())

    async with lamina.call(deadline=8.0) as call:
        assert await store.get("0.5") == b"late"

    assert now() == 8.5
    assert call.late == [Get("0.5").brief()]


async def test_fb3_a_deadline_that_has_passed_is_not_answered_elsewhere() -> None:
    other = ScriptedKeyValue()
    backend = ScriptedKeyValue()
    store = Stack(Fallback(Stack().over(other).bound), Timeout(5.0)).over(backend)

    async with lamina.call(deadline=0.0):
        with pytest.raises(DeadlineExceeded):
            await store.get("a")

    assert (backend.calls, other.calls) == ([], [])


@pytest.mark.parametrize("seconds", [8.0, 9.0], ids=["at", "past"])
async def test_dl2_fb3_nothing_is_sent_elsewhere_when_the_caller_s_time_is_over(
    seconds: float,
) -> None:
    other, told = ScriptedKeyValue(), list[object]()
    backend = ScriptedKeyValue()
    backend.expect(Set).after(seconds).raises(Unavailable("down", sent="no"))
    to = Stack().over(other).bound
    layer = Fallback(to, writes=True, reserve=0, on_fallback=lambda *about: told.append(about))
    store = Stack(layer).over(backend)

    async with lamina.call(deadline=8.0):
        with pytest.raises(Unavailable):
            await store.set("a", b"1")

    assert (other.calls, told) == ([], [])


async def test_fb3_what_waits_outside_the_timeout_has_its_part_only() -> None:
    class Waits(Layer):
        slot = "scope"

        async def around(self, op: Op, inner: Handler[Op, R]) -> R:
            await asyncio.sleep(60.0)
            return await inner(op)

    other = await replica(a=b"1")
    store = Stack(Fallback(other.bound), Waits(), Timeout(1.0)).over(ScriptedKeyValue())

    async with lamina.call(deadline=8.0):
        assert await store.get("a") == b"1"

    assert now() == pytest.approx(6.0)


@pytest.mark.parametrize("op", [Get("a", fresh=True), Scan(cursor="7")], ids=["fresh", "cursor"])
@pytest.mark.parametrize("layers", [(), (Timeout(60.0),)], ids=["bare", "timeout"])
async def test_fb3_nothing_is_kept_where_the_other_may_not_answer(
    layers: tuple[Timeout, ...], op: Operation[Any]
) -> None:
    backend = ScriptedKeyValue()
    backend.expect(op).after(7.9).returns(None if isinstance(op, Get) else Page(()))
    backend.expect(op).hangs()
    store = Stack(Fallback((await replica()).bound), *layers).over(backend)

    async with lamina.call(deadline=8.0):
        await store.bound.send(op)
    async with lamina.call(deadline=8.0):
        with pytest.raises(DeadlineExceeded):
            await store.bound.send(op)

    assert now() == pytest.approx(7.9 + 8.0)


async def test_fb3_with_nothing_reserved_the_deadline_is_the_first_s_alone() -> None:
    other = ScriptedKeyValue()
    backend = ScriptedKeyValue()
    backend.expect(Get).hangs()
    store = Stack(Fallback(Stack().over(other).bound, reserve=0), Timeout(60.0)).over(backend)

    async with lamina.call(deadline=8.0):
        with pytest.raises(DeadlineExceeded):
            await store.get("a")

    assert now() == pytest.approx(8.0)
    assert other.calls == []


async def test_fb3_without_a_deadline_both_have_all_the_time() -> None:
    backend, other = ScriptedKeyValue(), ScriptedKeyValue()
    backend.expect(Get).after(1000.0).returns(b"late")
    backend.expect(Get).after(1000.0).raises(Unavailable("down"))
    other.expect(Get).after(1000.0).returns(b"later")
    store = Stack(Fallback(Stack().over(other).bound)).over(backend)

    assert [await store.get("a") for _ in range(2)] == [b"late", b"later"]
    assert now() == 3000.0


async def test_fb4_a_write_is_not_sent_elsewhere_by_default() -> None:
    other = ScriptedKeyValue()
    store = Stack(Fallback(Stack().over(other).bound)).over(failing())

    with pytest.raises(Unavailable):
        await store.set("a", b"1")

    assert other.calls == []


async def test_fb4_writes_are_told_to_whoever_reconciles_before_they_are_sent() -> None:
    other = await replica()
    listed: list[tuple[Operation[Any], str]] = []

    def keep(op: Operation[Any], error: StorageError) -> None:
        listed.append((op, str(error.args[0])))

    store = Stack(Fallback(other.bound, writes=True, on_fallback=keep)).over(failing())

    async with lamina.call() as call:
        await store.set("a", b"1")

    assert listed == [(Set("a", b"1"), "down")]
    assert await other.get("a") == b"1"
    assert call.served_by == {Set("a", b"1").brief(): "memory"}


async def test_fb4_a_write_that_may_have_arrived_is_not_sent_elsewhere() -> None:
    other = ScriptedKeyValue()
    layer = Fallback(Stack().over(other).bound, writes=True, on_fallback=lambda op, error: None)
    store = Stack(layer).over(failing(TimedOut("no answer")))

    with pytest.raises(TimedOut) as caught:
        await store.set("a", b"1")

    assert other.calls == []
    assert any("may have arrived" in note for note in caught.value.__notes__)
    assert status(store) == (0, 0, 1, 0)


@pytest.mark.parametrize("kind", [Unavailable, CircuitOpen], ids=["maybe", "no"])
async def test_fb4_a_write_that_may_have_arrived_at_the_other_is_not_called_unsent(
    kind: type[StorageError],
) -> None:
    other = ScriptedKeyValue()
    layer = Fallback(Stack().over(other).bound, writes=True, on_fallback=lambda op, error: None)
    backend = ScriptedKeyValue()
    refused = (Failed(Unavailable("down", sent="no")), Done(None))
    for outcomes in (refused, Unavailable("down", sent="no")):
        script = backend.expect(SetMany)
        script.returns(outcomes) if isinstance(outcomes, tuple) else script.raises(outcomes)
    backend.expect(Set).raises(Unavailable("down", sent="no"))
    for op in (Set, SetMany, SetMany):
        other.expect(op).raises(kind("lost"))
    store = Stack(layer).over(backend)

    with pytest.raises(Unavailable) as caught:
        await store.set("a", b"1")
    part = await store.set_many({"a": b"1", "b": b"2"}, outcomes=True)
    with pytest.raises(Unavailable) as whole:
        await store.set_many({"a": b"1", "b": b"2"}, outcomes=True)

    sent = "maybe" if kind is Unavailable else "no"
    assert isinstance(part[0], Failed)
    assert [error.sent for error in (caught.value, part[0].error, whole.value)] == [sent] * 3


@pytest.mark.parametrize("shared", [True, False], ids=["one error", "two errors"])
@pytest.mark.parametrize("order", [["no", "maybe"], ["maybe", "no"]], ids="-".join)
async def test_fb4_of_a_batch_each_error_tells_what_may_have_arrived(
    order: list[Sent], *, shared: bool
) -> None:
    firsts = [Unavailable("down", sent="no") for _ in order]
    firsts = firsts[:1] * 2 if shared else firsts
    other, backend = ScriptedKeyValue(), ScriptedKeyValue()
    backend.expect(SetMany).returns(tuple(map(Failed, firsts)))
    other.expect(SetMany).returns(tuple(Failed(Throttled("slow", sent=sent)) for sent in order))
    layer = Fallback(Stack().over(other).bound, writes=True, on_fallback=lambda op, error: None)
    store = Stack(layer).over(backend)

    outcomes = await store.set_many({"a": b"1", "b": b"2"}, outcomes=True)

    assert [getattr(one, "error", None) for one in outcomes] == firsts
    assert [error.sent for error in firsts] == (["maybe"] * 2 if shared else order)
    assert [len(error.__notes__) for error in firsts] == [1, 1]
    assert status(store) == (1, 1 if shared else 2, 0, 0)


async def test_fb4_of_a_batch_lost_at_the_other_each_error_tells_so() -> None:
    firsts = [Unavailable("down", sent="no"), Throttled("slow", sent="no")]
    other, backend = ScriptedKeyValue(), ScriptedKeyValue()
    backend.expect(SetMany).returns(tuple(map(Failed, firsts)))
    other.expect(SetMany).raises(TimedOut("lost"))
    layer = Fallback(Stack().over(other).bound, writes=True, on_fallback=lambda op, error: None)

    await Stack(layer).over(backend).set_many({"a": b"1", "b": b"2"}, outcomes=True)

    assert [error.sent for error in firsts] == ["maybe", "maybe"]
    assert [len(error.__notes__) for error in firsts] == [1, 1]


def test_fb4_writes_need_somebody_who_keeps_their_list() -> None:
    with pytest.raises(StackError, match="Fallback: writes needs on_fallback"):
        Fallback(Stack().over(MemoryKeyValue()).bound, writes=True)


async def test_fb5_when_both_fail_the_first_s_error_comes_out() -> None:
    failures = failing(Throttled("slower", retry_after=3.0))
    script = ScriptedKeyValue()
    script.expect(Get).raises(Unavailable("the other is down"))
    store = Stack(Fallback(Stack().over(script).bound)).over(failures)

    with pytest.raises(Throttled, match="slower") as caught:
        await store.get("a")

    error = caught.value
    assert (error.retry_after, error.backend) == (3.0, "scripted")
    assert error.brief == Get("a").brief()
    assert isinstance(error.__context__, Unavailable)
    assert any("failed too: Unavailable: " in note for note in error.__notes__)
    copied = pickle.loads(pickle.dumps(error))
    assert (str(copied), copied.__notes__) == (str(error), error.__notes__)
    assert status(store) == (0, 1, 0, 0)


@pytest.mark.parametrize("what", ["closed", "garbage"])
async def test_fb5_a_fallback_that_is_closed_or_broken_hides_nothing(what: str) -> None:
    other = await replica(a=b"1")
    if what == "closed":
        await other.close()
    else:
        other = Stack().over(failing(RuntimeError("secret")))
    store = Stack(Fallback(other.bound)).over(failing())

    with pytest.raises(Unavailable, match="down") as caught:
        await store.get("a")

    notes = " ".join(caught.value.__notes__)
    assert "failed too" in notes
    assert "secret" not in notes


async def test_fb5_the_same_error_object_from_both_is_no_loop() -> None:
    error = Unavailable("shared")
    store = Stack(Fallback(Stack().over(failing(error)).bound)).over(failing(error))

    with pytest.raises(Unavailable) as caught:
        await store.get("a")

    assert caught.value is error
    assert error.__context__ is None


@pytest.mark.parametrize("outside", [True, False], ids=["outside", "inside"])
async def test_fb6_no_cache_keeps_its_answer(outside: bool) -> None:
    other = await replica(a=b"1")
    layers = [Fallback(other.bound), Cache(600)]
    ordered = reversed(layers) if outside else layers
    store = Stack(*ordered, allow={"E07": "tested"}).over(failing())

    assert await store.get("a") == b"1"
    await other.set("a", b"2")
    assert await store.get("a") == b"2"


async def test_fb6_the_first_s_failures_stay_failures_to_breaker_and_metrics() -> None:
    other = await replica(a=b"1")
    layers = Metrics(), Fallback(other.bound), Breaker(min_calls=5)
    store = Stack(*layers).over(failing())

    for _ in range(10):
        assert await store.get("a") == b"1"

    breaker, metrics = store.bound.layer(Breaker), store.bound.layer(Metrics)
    assert breaker is not None
    assert metrics is not None
    assert breaker.status().state.value == "open"
    attempts = metrics.summary()["Get"]["attempts"]
    assert attempts is not None
    assert attempts["succeeded"] == 0
    assert status(store) == (10, 0, 0, 0)


async def test_of_a_batch_only_what_failed_is_asked_elsewhere_in_order() -> None:
    other = ScriptedKeyValue()
    other.expect(GetMany(("b", "d"))).returns((Done(b"B"), Done(None)))
    backend = ScriptedKeyValue()
    down, bad = Failed(Unavailable("down")), Failed(Corrupt("bad"))
    backend.expect(GetMany).returns((Done(b"a"), down, bad, down))
    store = Stack(Fallback(Stack().over(other).bound)).over(backend)

    async with lamina.call() as call:
        outcomes = await store.get_many(["a", "b", "c", "d"], outcomes=True)

    assert outcomes == (Done(b"a"), Done(b"B"), bad, Done(None))
    assert call.served_by == {GetMany(("a", "b", "c", "d")).brief(): "scripted"}


async def test_of_a_batch_what_fails_twice_keeps_its_first_error() -> None:
    other = ScriptedKeyValue()
    other.expect(GetMany).returns((Failed(Unavailable("too")), Done(b"B")))
    backend = ScriptedKeyValue()
    first = Unavailable("down")
    backend.expect(GetMany).raises(first)
    store = Stack(Fallback(Stack().over(other).bound)).over(backend)

    outcomes = await store.get_many(["a", "b"], outcomes=True)

    assert outcomes == (Failed(first), Done(b"B"))
    assert any("failed too: Unavailable: too" in note for note in first.__notes__)


@pytest.mark.parametrize(
    "answer",
    [
        (Done(b"A"),),
        (),
        (Failed(Unavailable("x")), Failed(Unavailable("y"))),
        (Done(b"A"), b"B"),
        [Done(b"A"), Done(b"B")],
        None,
    ],
    ids=["short", "empty", "failed", "bare", "list", "none"],
)
async def test_a_batch_that_failed_whole_twice_raises_the_first_error(answer: Any) -> None:
    other = ScriptedKeyValue()
    other.expect(GetMany).returns(answer)
    first = Unavailable("down")
    store = Stack(Fallback(Stack().over(other).bound)).over(failing(first))

    with pytest.raises(Unavailable) as caught:
        await store.get_many(["a", "b"], outcomes=True)

    assert caught.value is first
    assert status(store)[1] == 1
    assert any("failed too" in note for note in first.__notes__)


async def test_an_untouched_batch_is_the_very_answer() -> None:
    answer = (Done(b"a"), Failed(Corrupt("bad")))
    backend = ScriptedKeyValue()
    backend.expect(GetMany).returns(answer)
    store = Stack(Fallback((await replica()).bound)).over(backend)

    assert await store.get_many(["a", "b"], outcomes=True) is answer


async def test_of_a_batch_of_writes_only_what_surely_did_not_arrive_is_sent_elsewhere() -> None:
    other = await replica()
    backend = ScriptedKeyValue()
    refused, doubtful = Unavailable("refused", sent="no"), Unavailable("lost")
    backend.expect(SetMany).returns((Failed(doubtful), Failed(refused), Done(None)))
    layer = Fallback(other.bound, writes=True, on_fallback=lambda op, error: None)
    store = Stack(layer).over(backend)

    outcomes = await store.set_many({"a": b"1", "b": b"2", "c": b"3"}, outcomes=True)

    assert outcomes == (Failed(doubtful), Done(None), Done(None))
    assert [await other.get(key) for key in "abc"] == [None, b"2", None]


async def test_a_fresh_read_is_answered_by_the_first_or_not_at_all() -> None:
    other = ScriptedKeyValue()
    store = Stack(Fallback(Stack().over(other).bound)).over(failing())

    with pytest.raises(Unavailable) as caught:
        await store.get("a", fresh=True)
    with pytest.raises(Unavailable):
        await store.get_many(["a", "b"], fresh=True, outcomes=True)

    assert other.calls == []
    assert any("fresh read" in note for note in caught.value.__notes__)


async def test_a_health_check_is_that_of_the_first() -> None:
    store = Stack(Fallback((await replica()).bound)).over(failing())

    with pytest.raises(Unavailable):
        await store.check()


async def test_what_the_other_does_not_serve_has_no_fallback() -> None:
    other = Stack().over(ScriptedKeyValue(without=[Get]))
    store = Stack(Fallback(other.bound)).over(failing())

    with pytest.raises(Unavailable):
        await store.get("a")

    planned = {op.operation: op for op in store.bound.plan().operations}
    assert (planned["Get"].slots, planned["Get"].worst.attempts) == ((), 1)
    assert (planned["Scan"].slots, planned["Scan"].worst.attempts) == (("fallback",), 2)
    assert planned["Set"].slots == ()


async def test_of_writes_only_what_both_can_is_promised() -> None:
    class Told(MemoryKeyValue):
        def __init__(self, *features: str, **limits: float) -> None:
            super().__init__()
            self.told = Serves(frozenset(features), limits)

        def capabilities(self) -> Capabilities:
            return Capabilities({**super().capabilities(), Get: self.told, Set: self.told})

    other = Stack().over(Told("ttl", bytes=10, items=3))
    layer = Fallback(other.bound, writes=True, on_fallback=lambda op, error: None)
    store = Stack(layer).over(Told("ttl", "fast", bytes=20))

    served = store.bound.capabilities

    assert served[Set] == Serves(frozenset({"ttl"}), {"bytes": 10, "items": 3})
    assert served[Get] == Serves(frozenset({"ttl", "fast"}), {"bytes": 20})


async def test_a_hook_that_raises_changes_nothing_and_is_counted() -> None:
    other = await replica(a=b"1")

    def broken(op: Operation[Any], error: StorageError) -> None:
        raise RuntimeError

    store = Stack(Fallback(other.bound, on_fallback=broken)).over(failing())

    assert await store.get("a") == b"1"
    assert status(store) == (1, 0, 0, 1)


async def test_the_hook_is_told_nothing_while_all_is_well() -> None:
    told: list[object] = []
    other = await replica()
    store = Stack(Fallback(other.bound, on_fallback=lambda *about: told.append(about))).over(
        MemoryKeyValue()
    )

    await store.set("a", b"1")
    assert await store.get("a") == b"1"
    assert told == []


class Late:
    """A stack that is known only later, so that a loop can be made."""

    def __init__(self) -> None:
        self.store: KeyValue = Stack().over(MemoryKeyValue())

    backend = "late"

    @property
    def capabilities(self) -> Capabilities:
        return self.store.bound.capabilities

    async def send(self, op: Operation[R]) -> R:
        return await self.store.bound.send(op)


async def test_a_loop_of_fallbacks_comes_to_an_end() -> None:
    late = Late()
    backend = failing()
    store = Stack(Fallback(late)).over(backend)
    late.store = store

    with pytest.raises(Unavailable) as caught:
        await store.get("a")

    assert len(backend.calls) == 2
    notes = caught.value.__notes__
    assert any("late failed too" in note for note in notes)
    assert isinstance(caught.value.__context__, Unavailable)
    assert any("it is being asked already" in n for n in caught.value.__context__.__notes__)
    assert status(store) == (0, 1, 1, 0)


async def test_callers_at_once_keep_their_answers_and_contexts_apart() -> None:
    other = await replica(**{f"k{n}": str(n).encode() for n in range(50)})
    backend = ScriptedKeyValue()
    backend.expect(Get).after(1.0).raises(Unavailable("down")).always()
    store = Stack(Fallback(other.bound)).over(backend)

    async def read(n: int) -> None:
        async with lamina.call(deadline=5.0) as call:
            assert await store.get(f"k{n}") == str(n).encode()
        assert call.degraded == [Get(f"k{n}").brief()]

    await asyncio.gather(*(read(n) for n in range(50)))


def test_under_any_schedule_each_caller_gets_its_own_answer_and_context() -> None:
    async def scenario() -> None:
        other = await replica(**{f"k{n}": str(n).encode() for n in range(6)})
        backend = ScriptedKeyValue()
        backend.expect(Get("k0")).after(0.1).raises(Unavailable("down"))
        backend.expect(Get("k1")).raises(Throttled("slower"))
        backend.expect(Get("k2")).hangs()
        backend.expect(Get("k3")).after(0.1).returns(b"own")
        backend.expect(Get("k4")).hangs()
        backend.expect(Get("k5")).after(0.75).raises(Unavailable("down"))  # at the reserve
        store = Stack(Fallback(other.bound)).over(backend)

        async def read(n: int) -> bytes | None:
            async with lamina.call(deadline=1.0) as call:
                answer = await store.get(f"k{n}")
                assert current.get() is call
            assert call.degraded == ([] if n == 3 else [Get(f"k{n}").brief()])
            return answer

        calls = [asyncio.ensure_future(read(n)) for n in range(6)]
        await asyncio.sleep(0.2)
        calls[4].cancel()
        await asyncio.wait(calls)
        assert calls[4].cancelled()
        answers = [call.result() for call in calls if not call.cancelled()]
        assert answers == [b"0", b"1", b"2", b"own", b"5"]
        assert status(store) == (4, 0, 0, 0)
        await store.close()

    explore(scenario, schedules=500)


def test_is_cancellable_at_each_suspension() -> None:
    async def scenario() -> None:
        slow = ScriptedKeyValue()
        slow.expect(Get).after(0.1).returns(b"1").always()
        slow.expect(GetMany).after(0.1).returns((Done(b"1"), Done(b"2"))).always()
        backend = ScriptedKeyValue()
        for op in (Get, GetMany):
            backend.expect(op).after(0.1).raises(Unavailable("down")).times(2)
            backend.expect(op).hangs().always()
        store = Stack(Fallback(Stack().over(slow).bound)).over(backend)
        async with lamina.call(deadline=100.0):
            for _ in range(3):
                await store.get("a")
                await store.get_many(["a", "b"])

    assert sweep(scenario).points >= 12


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"to": None}, "to must be another stack: the bound of a store"),
        ({"to": "redis"}, "to must be another stack"),
        ({"to": Late}, "to must be another stack"),
        ({"reserve": 1}, r"reserve must be a finite number from 0 to less than 1, got 1"),
        ({"reserve": -0.1}, "reserve must be"),
        ({"reserve": float("nan")}, "reserve must be"),
        ({"reserve": True}, "reserve must be"),
        ({"reserve": "0.2"}, "reserve must be"),
        ({"writes": 1}, "writes must be True or False"),
        ({"on_fallback": 3}, "on_fallback must be a function"),
        ({"on": ()}, "on must be a tuple of storage errors"),
        ({"on": Unavailable}, "on must be a tuple"),
        ({"on": (Conflict,)}, "on must be a tuple"),
        ({"on": (StorageError,)}, "on must be a tuple"),
        ({"on": (BackendError,)}, "on must be a tuple"),
        ({"on": (DeadlineExceeded,)}, "on must be a tuple"),
        ({"on": (ValueError,)}, "on must be a tuple"),
        ({"on": ("Unavailable",)}, "on must be a tuple"),
    ],
    ids=str,
)
def test_an_option_that_cannot_work_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(StackError, match=f"Fallback: {told}"):
        Fallback(**{"to": Late(), **options})


def test_a_facade_in_the_place_of_its_bound_is_refused() -> None:
    with pytest.raises(StackError, match="to must be another stack: the bound of a store"):
        Fallback(Stack().over(MemoryKeyValue()))  # type: ignore[arg-type]


def test_is_shown_with_the_stack_it_falls_back_to() -> None:
    other = Stack(Timeout(5.0)).over(MemoryKeyValue())
    layer = Fallback(other.bound)

    assert repr(layer) == "Fallback(<Timeout(5.0) over memory>)"
    assert copy.copy(layer) == layer


async def test_closing_leaves_no_timer() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(1.0).returns(b"1")
    store = Stack(Fallback((await replica()).bound)).over(backend)
    async with store, lamina.call(deadline=100.0):
        await store.get("a")
    layer = store.bound.layer(Fallback)

    assert layer is not None
    assert layer._timers._timer is None


async def test_neither_opens_nor_closes_the_other() -> None:
    other = ScriptedKeyValue()
    async with Stack(Fallback(Stack().over(other).bound)).over(MemoryKeyValue()):
        pass

    assert (other.opened, other.closed) == (0, 0)
