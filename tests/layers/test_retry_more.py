"""What a user may say to Retry and hear of it; its deadline, budget and attempts."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Any

import pytest

from lamina import context
from lamina.backend import serves
from lamina.backends.memory import MemoryKeyValue
from lamina.domains.keyvalue import Get, KeyValueBackend, Scan, Set
from lamina.domains.media import PART, Chunk, Head, Info, ReadRange
from lamina.errors import (
    CircuitOpen,
    Conflict,
    StackError,
    StorageError,
    Throttled,
    TimedOut,
    Unavailable,
)
from lamina.layers.retry import Retry
from lamina.runtime import Runtime
from lamina.stack import Stack
from lamina.testing.clock import explore
from lamina.testing.scripted import ScriptedKeyValue, ScriptedMedia
from lamina.testing.sweep import sweep
from lamina.values import Page


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_when_may_say_no_and_is_asked_once_for_each_failure() -> None:
    asked: list[StorageError] = []

    def when(error: StorageError) -> bool:
        asked.append(error)
        return len(asked) < 2

    backend = ScriptedKeyValue()
    backend.expect(Get).raises(Unavailable()).always()
    store = Stack(Retry(5, base=0, when=when)).over(backend)
    with pytest.raises(Unavailable) as caught:
        await store.get("a")

    assert len(backend.calls) == len(asked) == 2
    assert caught.value.__notes__ == ["at attempt 2 of 5"]


async def test_when_is_never_asked_about_what_is_not_repeated_anyway() -> None:
    for error in (LookupError(), Unavailable(transient=False), CircuitOpen()):
        backend = ScriptedKeyValue()
        backend.expect(Get).raises(error)
        asked: list[StorageError] = []
        store = Stack(Retry(when=lambda error: not asked.append(error))).over(backend)  # noqa: B023  # called at once
        with pytest.raises(type(error)):
            await store.get("a")
        assert asked == []


async def test_what_the_functions_of_the_user_raise_changes_nothing_and_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*told: object) -> Any:
        raise (LookupError if len(told) == 1 else asyncio.CancelledError)

    backend = ScriptedKeyValue(ordered=True)
    backend.expect(Get).raises(Unavailable()).times(2)
    backend.expect(Get).returns(b"1")
    with caplog.at_level(logging.WARNING, "lamina.hooks"):
        store = Stack(Retry(when=broken, on_retry=broken)).over(backend)
        assert await store.get("a") == b"1"

    retry = store.bound.layer(Retry)
    assert retry is not None
    assert retry.status().raised == 4
    assert [record.getMessage() for record in caplog.records] == [
        "Retry.when raised LookupError; it is logged once",
        "Retry.on_retry raised CancelledError; it is logged once",
    ]


async def test_on_retry_hears_of_each_wait_before_it() -> None:
    heard: list[tuple[int, float, StorageError, float]] = []

    def hear(attempt: int, delay: float, error: StorageError) -> None:
        heard.append((attempt, delay, error, now()))

    errors = [Unavailable(), Throttled(retry_after=9.0), Unavailable()]
    backend = ScriptedKeyValue(ordered=True)
    for error in errors:
        backend.expect(Get).raises(error)
    store = Stack(Retry(on_retry=hear, cap=2.0)).over(backend)
    with pytest.raises(Unavailable):
        await store.get("a")

    assert [(attempt, error) for attempt, _, error, _ in heard] == list(enumerate(errors[:2], 1))
    assert [at for *_, at in heard] == [0.0, heard[0][1]]
    assert 5.0 <= heard[1][1] <= 7.0
    assert now() == pytest.approx(heard[0][1] + heard[1][1])


async def test_rt2_the_jitter_is_an_option() -> None:
    for jitter, waited in (
        ("full", 0.075),
        ("equal", 0.1125),
        ("decorrelated", 0.0995),
        ("none", 0.15),
    ):
        start = now()
        backend = ScriptedKeyValue(ordered=True)
        backend.expect(Get).raises(Unavailable()).times(2)
        backend.expect(Get).returns(b"1")
        chance = random.Random()
        chance.random = lambda: 0.5  # type: ignore[method-assign]
        await Stack(Retry(jitter=jitter)).over(backend, runtime=Runtime(rng=chance)).get("a")
        assert now() - start == pytest.approx(waited, abs=1e-3), jitter


async def test_rt3_what_is_asked_beyond_the_deadline_fails_now_and_is_carried() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).raises(Throttled(retry_after=30.0))
    store = Stack(Retry()).over(backend)
    async with context.call(deadline=10.0):
        with pytest.raises(Throttled) as caught:
            await store.get("a")

    assert (caught.value.retry_after, now()) == (30.0, 0.0)


async def test_rt3_rt7_after_an_exact_wait_the_waits_begin_anew() -> None:
    waits: list[float] = []
    backend = ScriptedKeyValue(ordered=True)
    for error in (Unavailable(), Unavailable(), CircuitOpen(retry_after=7.0), Unavailable()):
        backend.expect(Get).raises(error)
    backend.expect(Get).returns(b"1")
    chance = random.Random()
    chance.random = lambda: 1.0  # type: ignore[method-assign]
    retry = Retry(5, patient=True, on_retry=lambda *told: waits.append(told[1]))
    await Stack(retry).over(backend, runtime=Runtime(rng=chance)).get("a")

    assert waits == [0.05, 0.1, 7.0, 0.05]


async def test_rt4_an_attempt_must_have_the_time_it_needs() -> None:
    for needs, sends in ((0.0, 3), (0.5, 3), (1.0, 1)):
        backend = ScriptedKeyValue()
        backend.expect(Get).raises(Unavailable()).always()
        start = now()
        async with context.call(deadline=1.0):
            with pytest.raises(Unavailable):
                await Stack(Retry(base=0, needs=needs)).over(backend).get("a")
        assert (len(backend.calls), now()) == (sends, start)


async def test_rt4_no_attempt_follows_once_the_deadline_has_passed() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).raises(Unavailable()).after(2.0)
    async with context.call(deadline=1.0):
        with pytest.raises(Unavailable):
            await Stack(Retry(base=0)).over(backend).get("a")
    assert len(backend.calls) == 1


async def test_rt10_all_of_one_stack_pay_from_one_budget() -> None:
    allow = {"E09": "the test"}
    backend = ScriptedKeyValue()
    backend.expect(Get).raises(Unavailable()).always()
    store = Stack(Retry(2), Retry(3), allow=allow).over(backend)
    with pytest.raises(Unavailable):
        await store.get("a")
    outer = store.bound.layer(Retry)
    assert outer is not None
    assert outer.attempts == 2
    assert outer.status().tokens == 500 - 28  # which the inner one spent

    for first, second in (
        (Retry(budget=100), Retry()),
        (Retry(budget=None), Retry()),
        (Retry(shared="a"), Retry()),
        (Retry(shared="a"), Retry(shared="b")),
    ):
        with pytest.raises(StackError, match="Retry: budget and shared must be the same"):
            Stack(first, second, allow=allow).over(MemoryKeyValue())


def test_rt10_a_retry_that_is_never_sent_gives_its_tokens_back() -> None:
    left: list[tuple[int, float]] = []

    async def scenario() -> None:
        backend = ScriptedKeyValue(ordered=True)
        backend.expect(Get).raises(Unavailable()).after(0.1).times(2)
        backend.expect(Get).returns(b"1").after(0.1)
        store = Stack(Retry()).over(backend)
        try:
            await store.get("a")
        finally:
            retry = store.bound.layer(Retry)
            assert retry is not None
            left.append((len(backend.calls), retry.status().tokens))

    sweep(scenario)

    cancelled = left[1:]  # the first run is not cancelled, its last retry gets its tokens back
    assert left[0] == (3, 500 - 14)
    assert all(tokens == 500 - 14 * max(calls - 1, 0) for calls, tokens in cancelled)
    assert len({calls for calls, _ in left}) == 3


def test_rt10_calls_that_fail_together_never_overdraw_the_budget() -> None:
    async def scenario() -> None:
        backend = ScriptedKeyValue()
        for number in range(5):
            backend.expect(Get(f"k{number}")).raises(Unavailable()).after(0.01).times(2)
            backend.expect(Get(f"k{number}")).returns(b"1").after(0.01)
        store = Stack(Retry(budget=60)).over(backend)
        calls = [asyncio.create_task(store.get(f"k{number}")) for number in range(5)]
        calls[0].cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        retry = store.bound.layer(Retry)
        assert retry is not None
        status = retry.status()
        assert 0 <= status.tokens <= 60
        assert len(backend.calls) <= 5 + 2 * 4

    explore(scenario, schedules=500)


async def test_rt6_each_page_is_repeated_alone_and_nothing_is_given_twice() -> None:
    asked: list[str] = []

    class Paged(KeyValueBackend):
        name = "paged"

        @serves(Scan)
        async def scan(self, op: Scan) -> Page[str]:
            asked.append(op.cursor or "0")
            if asked.count(asked[-1]) < 3:
                raise Unavailable
            at = int(asked[-1])
            return Page((str(at),), str(at + 1) if at < 3 else None)

    store = Stack(Retry(base=0)).over(Paged())

    assert [key async for key in store.scan()] == ["0", "1", "2", "3"]
    assert asked == [place for place in "0123" for _ in range(3)]


async def test_rt6_each_range_is_repeated_alone_and_stays_with_its_version() -> None:
    info = Info("a", 2 * PART + 1, "v1", "text/plain", {}, 0.0)
    backend = ScriptedMedia(ordered=True)
    backend.expect(Head).returns(info)
    for letter in (b"a", b"b"):
        backend.expect(ReadRange).raises(TimedOut())
        backend.expect(ReadRange).raises(Unavailable())
        backend.expect(ReadRange).returns(Chunk(letter * PART, info))
    backend.expect(ReadRange).raises(Conflict())
    async with await Stack(Retry(base=0)).over(backend).open_reader("a") as reader:
        assert await reader.read(2 * PART) == b"a" * PART + b"b" * PART
        with pytest.raises(Conflict):  # another version is never read on
            await reader.read()

    ranges = [op for op in backend.calls if isinstance(op, ReadRange)]
    assert [op.start for op in ranges] == [0] * 3 + [PART] * 3 + [2 * PART]
    assert {op.etag for op in ranges} == {"v1"}


async def test_rt12_each_failing_call_has_an_engine_of_its_own_and_a_success_none() -> None:
    made: list[object] = []
    backend = ScriptedKeyValue()
    backend.expect(Get("a")).returns(b"1").times(3)
    backend.expect(Get("b")).raises(Unavailable()).always()
    store = Stack(Retry(base=0)).over(backend)
    retry = store.bound.layer(Retry)
    assert retry is not None
    real = retry._engine.retrying

    def counted(**options: Any) -> Any:
        made.append(engine := real(**options))
        return engine

    retry._engine.retrying = counted
    for _ in range(3):
        await store.get("a")
    assert made == []
    for _ in range(2):
        with pytest.raises(Unavailable):
            await store.get("b")
    assert len({id(one) for one in made}) == 2


async def test_rt5_a_doubtful_increment_is_not_repeated_and_a_plain_write_is() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Set).raises(TimedOut())
    backend.expect(Set).returns(None)
    await Stack(Retry(base=0)).over(backend).set("a", b"1")
    assert len(backend.calls) == 2


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"jitter": "no"},
            "jitter must be one of 'full', 'equal', 'decorrelated', 'none', got 'no'",
        ),
        ({"jitter": ["full"]}, "jitter must be one of"),
        ({"jitter": None}, "jitter must be one of"),
        ({"base": asyncio.sleep}, "base must be a function that is not async"),
        ({"base": float, "jitter": "decorrelated"}, "jitter must not be 'decorrelated' where"),
        ({"base": "1"}, "base must be a finite number from 0, got '1'"),
        ({"base": 21.0}, "base must be at most cap"),
        ({"needs": -1}, "needs must be a finite number from 0, got -1"),
        ({"needs": float("nan")}, "needs"),
        ({"needs": True}, "needs"),
        ({"when": True}, "when must be a function that is not async, or None, got True"),
        ({"on_retry": "x"}, "on_retry must be a function"),
        ({"on_retry": asyncio.sleep}, "on_retry must be a function that is not async"),
    ],
    ids=[
        "no",
        "list",
        "none",
        "base-async",
        "base-curve",
        "base-text",
        "base-cap",
        "negative",
        "nan",
        "flag",
        "when",
        "text",
        "async",
    ],
)
def test_a_further_option_that_cannot_work_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(StackError, match=f"Retry: .*{told}"):
        Retry(**options)


async def test_rt2_a_function_tells_each_wait_and_the_rule_those_it_cannot_tell() -> None:
    asked: list[int] = []

    def linear(retry: int) -> float:
        asked.append(retry)
        return [2.0, 4.0, float("nan"), -1.0][retry]

    waits: list[float] = []
    backend = ScriptedKeyValue()
    backend.expect(Get).raises(Unavailable()).always()
    told = Retry(6, base=linear, jitter="none", on_retry=lambda *seen: waits.append(seen[1]))
    store = Stack(told).over(backend)
    with pytest.raises(Unavailable):
        await store.get("a")

    assert (asked, waits) == ([0, 1, 2, 3, 4], [2.0, 4.0, 0.2, 0.4, 0.8])
    assert now() == pytest.approx(7.4)
    retry = store.bound.layer(Retry)
    assert retry is not None
    assert retry.status().raised == 1  # IndexError, at the last


async def test_a_function_is_not_asked_how_long_to_wait_for_an_open_circuit() -> None:
    asked: list[int] = []
    backend = ScriptedKeyValue(ordered=True)
    backend.expect(Get).raises(CircuitOpen(retry_after=7.0))
    backend.expect(Get).raises(Unavailable())
    backend.expect(Get).returns(b"1")
    told = Retry(base=lambda retry: asked.append(retry) or 1.0, jitter="none", patient=True)
    assert await Stack(told).over(backend).get("a") == b"1"

    assert (asked, now()) == ([0], 8.0)
