from __future__ import annotations

import asyncio
import pickle
import traceback
from collections import deque
from typing import Any

import pytest
from cache_backend import Slow, cache_of, settled

from lamina.context import call
from lamina.domains.keyvalue import Get
from lamina.errors import BackendError, DeadlineExceeded, TimedOut, Unavailable
from lamina.layers.cache import Cache
from lamina.layers.timeout import Timeout
from lamina.stack import Stack
from lamina.testing.sweep import sweep


async def test_many_misses_on_one_key_ask_once() -> None:
    backend = Slow()
    store = Stack(Cache()).over(backend)
    backend.values["", "a"] = b"1"

    answers = await asyncio.gather(*(store.get("a") for _ in range(1000)))

    assert answers == [b"1"] * 1000
    assert len(backend.calls) == 1
    stats = cache_of(store).stats()
    assert (stats.misses, stats.coalesced) == (1, 999)


async def test_nobody_joins_a_read_begun_before_a_write_ended() -> None:
    backend = Slow(0, deque([10.0, 1.0, 1.0]))
    store = Stack(Cache()).over(backend)
    backend.values["", "a"] = b"1"
    before = asyncio.ensure_future(store.get("a"))
    await settled()
    await store.set("a", b"2")

    assert await store.get("a") == b"2"
    assert await before == b"1"
    assert await store.get("a") == b"2"


async def test_when_the_first_is_cancelled_one_follower_asks() -> None:
    backend = Slow()
    store = Stack(Cache()).over(backend)
    backend.values["", "a"] = b"1"
    first = asyncio.ensure_future(store.get("a"))
    followers = [asyncio.ensure_future(store.get("a")) for _ in range(5)]
    await asyncio.sleep(0.5)

    first.cancel()

    assert await asyncio.gather(*followers) == [b"1"] * 5
    assert first.cancelled()
    assert len(backend.calls) == 2
    assert cache_of(store).stats().stored == 1


async def test_follower_cancelled_as_it_is_to_lead_hands_on() -> None:
    backend = Slow()
    store = Stack(Cache()).over(backend)
    first, second, third = (asyncio.ensure_future(store.get("a")) for _ in range(3))
    await asyncio.sleep(0.5)

    first.cancel()
    await asyncio.sleep(0)  # second has been woken, and not yet run
    second.cancel()

    assert await third is None
    assert second.cancelled()
    assert len(backend.calls) <= 3


async def test_cancelled_follower_leaves_the_others_alone() -> None:
    backend = Slow()
    store = Stack(Cache()).over(backend)
    first, second, third = (asyncio.ensure_future(store.get("a")) for _ in range(3))
    await asyncio.sleep(0.5)

    second.cancel()

    assert await asyncio.gather(first, third) == [None, None]
    assert len(backend.calls) == 1


async def test_follower_leaves_at_its_own_deadline() -> None:
    store = Stack(Cache()).over(Slow(10))
    first = asyncio.ensure_future(store.get("a"))
    await settled()

    with pytest.raises(DeadlineExceeded) as caught:
        async with call(deadline=2):
            await store.get("a")

    assert asyncio.get_running_loop().time() == pytest.approx(2.0)
    assert (caught.value.layer, caught.value.sent) == ("cache", "no")
    assert await first is None


async def test_when_the_first_runs_out_of_time_a_follower_asks() -> None:
    backend = Slow(10)
    store = Stack(Cache(), Timeout(60)).over(backend)
    backend.values["", "a"] = b"1"

    async def hurried() -> bytes | None:
        async with call(deadline=2):
            return await store.get("a")

    answers = await asyncio.gather(
        hurried(), *(store.get("a") for _ in range(3)), return_exceptions=True
    )

    assert isinstance(answers[0], DeadlineExceeded)
    assert answers[1:] == [b"1"] * 3
    assert len(backend.calls) == 2


class Failing(Slow):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    async def pause(self, op: Any) -> None:
        await super().pause(op)
        raise self.error


async def test_each_follower_gets_its_own_copy_of_a_failure() -> None:
    original = Unavailable("down", retry_after=3.0, sent="maybe")
    original.add_note("said the backend")
    backend = Failing(original)
    store = Stack(Cache()).over(backend)

    answers = await asyncio.gather(*(store.get("a") for _ in range(4)), return_exceptions=True)

    errors = [error for error in answers if isinstance(error, Unavailable)]
    assert len(backend.calls) == 1
    assert len({id(error) for error in errors}) == 4
    assert errors[0] is original
    for copied in errors[1:]:
        assert copied.__cause__ is original
        assert copied.retry_after == 3.0
        assert copied.__notes__ == ["said the backend"]
        assert copied.__notes__ is not original.__notes__
        assert str(pickle.loads(pickle.dumps(copied))) == str(copied)


async def test_traceback_of_a_shared_failure_does_not_grow() -> None:
    original = TimedOut("late")
    store = Stack(Cache()).over(Failing(original))

    async def lengths(readers: int) -> set[int]:
        told = await asyncio.gather(
            *(store.get("a") for _ in range(readers)), return_exceptions=True
        )
        original.__traceback__, kept = None, original.__traceback__
        followers = [error for error in told if error is not original]
        assert all(isinstance(error, TimedOut) for error in followers)
        return {
            len(traceback.extract_tb(kept)),
            *(len(traceback.extract_tb(error.__traceback__)) for error in followers if error),  # type: ignore[union-attr]
        }

    assert await lengths(2) == await lengths(50)


async def test_foreign_error_that_cannot_be_copied_is_told_with_its_cause() -> None:
    class Odd(ValueError, OSError):
        def __init__(self, one: str, two: str) -> None:
            super().__init__(one + two)

    original = Odd("a", "b")
    store = Stack(Cache()).over(Failing(original))

    first, second = await asyncio.gather(store.get("a"), store.get("a"), return_exceptions=True)

    assert first is original
    assert isinstance(second, BackendError)
    assert second.__cause__ is original


def test_cancelling_anywhere_leaves_nothing_behind() -> None:
    async def scenario() -> None:
        backend = Slow()
        store = Stack(Cache()).over(backend)
        runtime = store.bound.runtime
        other = runtime.spawn(store.get("a"), "other")
        try:
            await store.get("a")
            await store.set("a", b"1")
            assert await store.get("a") == b"1"
        finally:
            await other
            table = cache_of(store)._core.table(Get)
            assert not table.fills

    assert sweep(scenario).points > 2
