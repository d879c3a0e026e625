"""The last so many calls instead of those of a time; a function that says how long it breaks."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING, Any

import aiobreaker
import pytest

from lamina.domains.keyvalue import Get
from lamina.errors import StackError, StorageError, Unavailable
from lamina.layers.breaker import Breaker, CircuitStatus, State
from lamina.runtime import Runtime
from lamina.stack import Stack
from lamina.testing.clock import explore
from lamina.testing.scripted import ScriptedKeyValue

if TYPE_CHECKING:
    from lamina.domains.keyvalue import KeyValue


def over(story: str, **options: Any) -> tuple[KeyValue, Breaker]:
    """Return a store whose calls go as *story* tells: F fails, S succeeds, L succeeds late."""
    backend = ScriptedKeyValue(ordered=True)
    for letter in story:
        if letter == "F":
            backend.expect(Get).raises(Unavailable())
        else:
            backend.expect(Get).returns(b"1").after(1.0 if letter == "L" else 0.0)
    options = {"jitter": 0.0, "probes": 1, **options}
    store: KeyValue = Stack(Breaker(**options)).over(backend, runtime=Runtime(rng=random.Random(1)))
    breaker = store.bound.layer(Breaker)
    assert breaker is not None
    return store, breaker


async def call(store: KeyValue, times: int, pause: float = 0.0) -> None:
    for _ in range(times):
        with contextlib.suppress(StorageError):
            await store.get("a")
        await asyncio.sleep(pause)


@pytest.mark.parametrize(
    ("story", "options", "opens"),
    [
        ("FFF", {"last": 3, "failure_rate": 1}, True),  # so many in a row
        ("FSFF", {"last": 3, "failure_rate": 1}, False),
        ("FSFFF", {"last": 3, "failure_rate": 1}, True),
        ("SFSFSFSF", {"last": 4, "failure_rate": 0.75}, False),
        ("SFSFSFF", {"last": 4, "failure_rate": 0.75}, True),
        ("FFFFFSSSSS", {"last": 10}, True),  # 20 calls at least, but never more than *last*
        ("FFFFFSSSS", {"last": 10}, False),
        ("FFFFSSSSSSF", {"last": 10}, False),  # the first is forgotten as the eleventh comes
        ("FF", {"last": 10, "min_calls": 2}, True),
        ("LLSSL", {"last": 5, "slow": 1.0, "slow_rate": 0.6}, True),
        ("LLSSSL", {"last": 5, "slow": 1.0, "slow_rate": 0.6}, False),
        ("F", {"last": 1}, True),
    ],
)
async def test_cb2_cb3_the_last_calls_decide(
    story: str, options: dict[str, Any], opens: bool
) -> None:
    store, breaker = over(story, **options)

    await call(store, len(story))

    assert (breaker.status().state is State.OPEN) is opens
    assert breaker.status().opened == opens


async def test_cb3_the_last_calls_count_however_old_they_are() -> None:
    store, breaker = over("FFSF", last=4)
    await call(store, 2, pause=86_400.0)
    assert (breaker.status().calls, breaker.status().failures) == (2, 2)

    await call(store, 2, pause=86_400.0)

    assert breaker.status().opened == 1


async def test_the_last_calls_are_forgotten_once_it_has_closed_again() -> None:
    store, breaker = over("FFFSSFF", last=3, failure_rate=1)
    await call(store, 3)
    await asyncio.sleep(5.0)
    await call(store, 1)
    assert (breaker.status().state, breaker.status().calls) == (State.CLOSED, 0)

    await call(store, 3)

    assert breaker.status().state is State.CLOSED


def test_calls_at_once_are_each_one_of_the_last() -> None:
    async def scenario() -> None:
        backend = ScriptedKeyValue()
        backend.expect(Get).raises(Unavailable()).after(0.1).times(5)
        backend.expect(Get).returns(b"1").after(0.1).always()
        store = Stack(Breaker(last=10, failure_rate=0.6)).over(backend)
        await asyncio.gather(*(store.get("a") for _ in range(30)), return_exceptions=True)
        status = store.bound.layer(Breaker).status()  # type: ignore[union-attr]  # it is there
        assert (status.calls, status.failures <= 5, status.opened) == (10, True, 0)

    explore(scenario, schedules=500)


async def test_while_half_open_status_tells_of_the_probes() -> None:
    store, breaker = over("FFLFS", last=2, probes=5, slow=1.0)
    await call(store, 2)
    await asyncio.sleep(5.0)
    told: list[tuple[int, int, int]] = []
    for _ in range(3):
        await call(store, 1)
        status = breaker.status()
        told.append((status.calls, status.failures, status.slow))

    assert (breaker.status().state, told) == (State.HALF_OPEN, [(1, 0, 1), (2, 1, 1), (3, 1, 1)])


async def test_a_function_says_how_long_each_break_lasts_and_no_cap_or_jitter_changes_it() -> None:
    asked: list[int] = []

    def lasts(breaks: int) -> float:
        asked.append(breaks)
        return 100.0 * breaks

    store, breaker = over("FFFSF", last=1, break_for=lasts, jitter=1.0)
    for seconds in (100.0, 200.0, 300.0):
        await call(store, 1)
        assert breaker.status().retry_after == seconds
        await asyncio.sleep(seconds)
    await call(store, 1)
    assert breaker.status().state is State.CLOSED
    await call(store, 1)

    assert (asked, breaker.status().retry_after) == ([1, 2, 3, 1], 100.0)


@pytest.mark.parametrize(
    "told",
    [-1.0, float("nan"), float("inf"), True, "5", None, 10**400, LookupError()],
    ids=["negative", "nan", "infinite", "flag", "text", "none", "huge", "raises"],
)
async def test_what_a_function_cannot_mean_leaves_the_break_to_the_rule(told: Any) -> None:
    def lasts(breaks: int) -> Any:
        if isinstance(told, Exception):
            raise told
        return told

    store, breaker = over("FF", last=1, break_for=lasts)
    for seconds in (5.0, 10.0):
        await call(store, 1)
        assert breaker.status().retry_after == seconds
        await asyncio.sleep(seconds)

    assert breaker.status().raised == 2 * isinstance(told, Exception)


async def test_status_counts_what_the_functions_and_listeners_of_the_user_raised() -> None:
    def broken(*told: object) -> Any:
        raise LookupError(told)

    class Broken(aiobreaker.CircuitBreakerListener):  # type: ignore[misc]  # no types
        def failure(self, breaker: Any, exception: Exception) -> None:
            broken()

    store, breaker = over(
        "FF", last=2, classify=broken, on_change=broken, break_for=broken, listeners=[Broken()]
    )
    await call(store, 2)

    assert breaker.status() == CircuitStatus(
        State.OPEN, 2, 2, 0, 1, 0, 5.0, "Unavailable", raised=6
    )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"last": 0}, "last must be a whole number from 1, or None, got 0"),
        ({"last": 2.0}, "last must be a whole number"),
        ({"last": True}, "last must be a whole number"),
        ({"last": "9"}, "last must be a whole number"),
        ({"last": 10, "window": 60.0}, "of last and window or buckets only one"),
        ({"last": 10, "buckets": 1}, "of last and window or buckets only one"),
        ({"break_for": asyncio.sleep}, "break_for must be a function that is not async"),
        ({"break_for": None}, "break_for must be a finite number above 0"),
        ({"break_for": lambda breaks: 1.0, "break_cap": 0}, "break_cap"),
    ],
    ids=["zero", "float", "flag", "text", "window", "buckets", "async", "none", "cap"],
)
def test_a_count_or_break_that_cannot_work_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(StackError, match=f"Breaker: .*{told}"):
        Breaker(**options)


def test_min_calls_is_never_more_than_the_last() -> None:
    with pytest.raises(StackError, match="min_calls"):
        Breaker(last=5, min_calls=0)
    Breaker(last=5, min_calls=6)
