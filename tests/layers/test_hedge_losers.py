"""What becomes of the legs of a hedge that lose: cancelled, awaited within the grace, forgotten."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from lamina.backend import serves
from lamina.domains.keyvalue import Get, KeyValue, KeyValueBackend
from lamina.errors import Closed, StorageError, Unavailable
from lamina.layers.hedge import Hedge, HedgeStatus
from lamina.layers.limit import Limit
from lamina.layers.retry import Retry
from lamina.layers.timeout import Timeout
from lamina.runtime import Runtime
from lamina.stack import Stack
from lamina.testing import ScriptedKeyValue, explore, sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from lamina.layer import Layer


class Loser(KeyValueBackend):
    """Its first leg hangs until it is cancelled, and then does as told; the others answer."""

    name = "loser"

    def __init__(self, cleanup: Callable[[], Coroutine[Any, Any, bytes]]) -> None:
        self.cleanup = cleanup
        self.sent = 0
        self.ended = 0

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        del op
        self.sent += 1
        if self.sent > 1:
            await asyncio.sleep(0.5)
            return b"hedge"
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            return await self.cleanup()
        finally:
            self.ended += 1
        return b"primary"


async def late() -> bytes:
    return b"late"


async def slow() -> bytes:
    await asyncio.sleep(10)
    return b"later"


async def raising() -> bytes:
    msg = "in cleanup"
    raise Unavailable(msg)


async def defective() -> bytes:
    msg = "in cleanup"
    raise RuntimeError(msg)


class Fatal(BaseException):
    """What is no ``Exception``."""


async def fatal() -> bytes:
    raise Fatal


def over(backend: Any, *layers: Layer) -> KeyValue:
    store: KeyValue = Stack(*layers).over(backend, runtime=Runtime(grace=5.0))
    return store


def status(store: Any) -> HedgeStatus:
    layer = store.bound.layer(Hedge)
    assert layer is not None
    told: HedgeStatus = layer.status()
    return told


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize("cleanup", [late, raising, defective, fatal])
async def test_hg4_what_a_loser_says_at_its_end_is_heard_by_nobody(cleanup: Any) -> None:
    backend = Loser(cleanup)
    store = over(backend, Hedge(1.0))

    assert await store.get("a") == b"hedge"

    assert now() == pytest.approx(1.5)
    assert backend.ended == 1
    assert status(store).cancelled == 1
    assert status(store).abandoned == 0
    assert len(asyncio.all_tasks()) == 1


async def test_hg4_dl7_a_loser_that_does_not_end_is_waited_for_within_the_grace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    backend = Loser(slow)
    store = over(backend, Hedge(1.0, grace=0.25))

    with caplog.at_level(logging.WARNING, "lamina.runtime"):
        assert await store.get("a") == b"hedge"

    assert now() == pytest.approx(1.75)
    assert status(store).abandoned == 1
    assert store.bound.runtime.abandoned == 1
    assert [record.getMessage() for record in caplog.records] == [
        "task Get primary was cancelled and does not end"
    ]
    await asyncio.sleep(10)
    assert backend.ended == 1
    assert len(asyncio.all_tasks()) == 1


async def test_hg4_closing_waits_for_a_loser_that_was_left() -> None:
    backend = Loser(slow)
    store = over(backend, Hedge(1.0))
    async with store:
        await store.get("a")

    assert backend.ended == 1
    assert now() == pytest.approx(1.55 + 5.0)


async def test_hg4_closing_does_not_wait_for_ever() -> None:
    let_go = asyncio.Event()

    async def stubborn() -> bytes:
        while not let_go.is_set():
            with suppress(asyncio.CancelledError):
                await let_go.wait()
        return b""

    store = over(Loser(stubborn), Hedge(1.0))
    async with store:
        assert await store.get("a") == b"hedge"

    assert now() == pytest.approx(1.55 + 5.0 + 5.0)
    assert store.bound.runtime.abandoned == 2
    let_go.set()
    await asyncio.sleep(1)
    assert len(asyncio.all_tasks()) == 1


async def test_closing_the_store_while_legs_are_out_ends_the_call_with_a_typed_error() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).hangs().times(2)
    store = over(backend, Hedge(1.0))
    async with store:
        call = asyncio.ensure_future(store.get("a"))
        await asyncio.sleep(2.0)

    with pytest.raises(Closed, match="closed before the answer came"):
        await call


async def test_a_leg_that_is_stopped_before_it_began_ends_the_call() -> None:
    store = over(ScriptedKeyValue(), Hedge(quantile=None))
    call = asyncio.ensure_future(store.get("a"))
    await asyncio.sleep(0)
    await store.bound.runtime.stop()

    with pytest.raises(Closed):
        await call


async def test_hg4_a_cancellation_by_the_caller_ends_all_legs_and_crosses_unchanged() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).hangs().times(3)
    store = over(backend, Hedge(1.0, hedges=2))
    call = asyncio.ensure_future(store.get("a"))
    await asyncio.sleep(2.5)

    call.cancel("from outside")
    with pytest.raises(asyncio.CancelledError, match="from outside"):
        await call

    assert call.cancelling() == 1
    assert now() == pytest.approx(2.5)
    assert len(asyncio.all_tasks()) == 1
    assert status(store)[:3] == (2, 0, 3)


async def test_hg4_a_cancelled_caller_does_not_wait_for_a_stubborn_leg() -> None:
    store = over(Loser(slow), Hedge(100.0))
    call = asyncio.ensure_future(store.get("a"))
    await asyncio.sleep(1.0)

    call.cancel()
    await asyncio.wait([call])

    assert call.cancelled()
    assert now() == pytest.approx(1.05)
    await asyncio.sleep(10)


async def test_hg4_a_second_cancellation_does_not_wait_for_the_grace() -> None:
    store = over(Loser(slow), Hedge(100.0, grace=5.0))
    call = asyncio.ensure_future(store.get("a"))
    await asyncio.sleep(1.0)

    call.cancel()
    await asyncio.sleep(1.0)
    call.cancel()
    await asyncio.wait([call])

    assert call.cancelled()
    assert now() == pytest.approx(2.0)
    assert status(store).abandoned == 1
    await asyncio.sleep(10)


async def test_what_is_no_exception_comes_out_of_the_leg_as_it_is() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get).after(0.5).raises(Fatal())
    with pytest.raises(Fatal):
        await over(backend, Hedge(1.0)).get("a")


def test_a_keyboard_interrupt_in_a_leg_ends_the_loop() -> None:
    async def scenario() -> None:
        backend = ScriptedKeyValue()
        backend.expect(Get).hangs()
        backend.expect(Get).after(0.5).raises(KeyboardInterrupt())
        await over(backend, Hedge(1.0)).get("a")

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(scenario())


async def test_a_primary_that_is_cancelled_by_its_own_says_so_and_a_hedge_that_is_does_not() -> (
    None
):
    backend = ScriptedKeyValue()
    own = asyncio.CancelledError("own")
    backend.expect(Get).after(0.5).raises(own)
    store = over(backend, Hedge(1.0))
    with pytest.raises(asyncio.CancelledError, match="own"):
        await store.get("a")

    backend.expect(Get).after(3.0).returns(b"1")
    backend.expect(Get).after(0.5).raises(asyncio.CancelledError())
    assert await store.get("a") == b"1"


def test_is_cancellable_at_each_suspension_of_all_its_legs() -> None:
    async def scenario() -> None:
        backend = ScriptedKeyValue()
        backend.expect(Get).after(5.0).returns(b"1")
        backend.expect(Get).after(0.5).returns(b"2")
        backend.expect(Get).after(0.5).raises(Unavailable("down"))
        backend.expect(Get).after(0.5).returns(b"3")
        backend.expect(Get).after(9.0).raises(Unavailable("down"))
        backend.expect(Get).after(0.5).raises(Unavailable("down"))
        store = over(backend, Hedge(1.0), Limit(2, queue=2), Timeout(6.0))
        assert await store.get("a") == b"2"
        assert await store.get("a") == b"3"
        with pytest.raises(StorageError):
            await store.get("a")

    assert sweep(scenario).points == 10


def test_a_crowd_of_hedged_calls_ends_under_every_schedule() -> None:
    async def scenario() -> None:
        backend = ScriptedKeyValue()
        for seconds in (3.0, 1.0, 0.0, 2.0):
            backend.expect(Get).after(seconds).returns(b"1").times(3)
            backend.expect(Get).after(seconds).raises(Unavailable("down")).times(2)
        backend.expect(Get).after(0.5).returns(b"1").always()
        store = over(backend, Retry(3, base=0), Hedge(1.0, hedges=2), Limit(8, queue=50))
        calls = [asyncio.ensure_future(store.get(str(n))) for n in range(12)]
        await asyncio.sleep(1.0)
        for call in calls[::5]:
            call.cancel()
        told = await asyncio.gather(*calls, return_exceptions=True)

        assert all(one == b"1" or isinstance(one, asyncio.CancelledError) for one in told)
        assert store.bound.runtime.abandoned == 0
        limit = store.bound.layer(Limit)
        assert limit is not None
        assert limit.status().running == 0
        assert len(asyncio.all_tasks()) == 1

    explore(scenario, schedules=500)


def test_hg7_the_primary_wins_a_tie_under_every_schedule() -> None:
    async def scenario() -> None:
        backend = ScriptedKeyValue()
        backend.expect(Get).after(1.5).returns(b"first")
        backend.expect(Get).after(0.5).returns(b"second")
        assert await over(backend, Hedge(1.0)).get("a") == b"first"

    explore(scenario, schedules=500)
