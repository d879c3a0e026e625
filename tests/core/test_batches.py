"""Batches on a backend that has none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from lamina.backend import serves
from lamina.batches import AT_ONCE
from lamina.context import call, current
from lamina.domains.keyvalue import Get, GetMany, KeyValue, KeyValueBackend, SetMany
from lamina.errors import BatchFailed, Closed, Conflict, Unavailable
from lamina.layer import Layer
from lamina.stack import Stack
from lamina.testing import ScriptedKeyValue, explore, sweep
from lamina.values import Done, Failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.operation import Handler, Op, Operation, R


def without_batches() -> ScriptedKeyValue:
    return ScriptedKeyValue(without=(GetMany, SetMany))


def stored(keys: Sequence[str], *, seconds: float = 1.0) -> tuple[ScriptedKeyValue, KeyValue]:
    backend = without_batches()
    for key in keys:
        backend.expect(Get(key)).after(seconds).returns(key.encode())
    return backend, Stack().over(backend)


async def test_answers_in_the_order_asked() -> None:
    backend = without_batches()
    for place, key in enumerate("abc"):
        backend.expect(Get(key)).after(3.0 - place).returns(key.encode())
    assert await Stack().over(backend).get_many(["a", "b", "c"]) == (b"a", b"b", b"c")


async def test_sends_so_many_at_once() -> None:
    keys = [f"k{place}" for place in range(2 * AT_ONCE + 1)]
    backend, store = stored(keys)
    with backend:
        assert await store.get_many(keys) == tuple(key.encode() for key in keys)
    assert asyncio.get_running_loop().time() == pytest.approx(3.0)


async def test_sends_nothing_for_nothing() -> None:
    backend, store = stored([])
    assert await store.get_many([]) == ()
    assert backend.calls == []


async def test_tells_each_failure_in_its_place() -> None:
    backend = without_batches()
    backend.expect(Get("a")).returns(b"1")
    backend.expect(Get("b")).raises(Unavailable("down"))
    backend.expect(Get("c")).raises(Conflict("other"))
    store = Stack().over(backend)
    told = await store.get_many(["a", "b", "c"], outcomes=True)
    assert told[0] == Done(b"1")
    assert [type(one.error) for one in told if isinstance(one, Failed)] == [Unavailable, Conflict]


async def test_raises_one_error_for_a_batch_that_failed_in_part() -> None:
    backend = without_batches()
    backend.expect(Get("a")).returns(b"1")
    backend.expect(Get("b")).raises(Unavailable("down"))
    store = Stack().over(backend)
    with pytest.raises(BatchFailed, match=r"1 of 2 items failed, first: .*down") as caught:
        await store.get_many(["a", "b"])
    assert caught.value.outcomes[0] == Done(b"1")
    assert caught.value.transient
    assert isinstance(caught.value.__cause__, Unavailable)


async def test_stops_at_an_error_that_is_a_bug() -> None:
    backend = without_batches()
    backend.expect(Get("a")).raises(RuntimeError("bug"))
    backend.expect(Get("b")).hangs()
    with pytest.raises(RuntimeError, match="bug"):
        await Stack().over(backend).get_many(["a", "b"])


def test_leaves_nothing_behind_when_cancelled() -> None:
    keys = [f"k{place}" for place in range(AT_ONCE + 2)]

    async def scenario() -> None:
        _, store = stored(keys)
        await store.get_many(keys)

    assert sweep(scenario).points >= 1


async def test_sends_no_more_once_cancelled() -> None:
    keys = [f"k{place}" for place in range(3 * AT_ONCE)]
    backend, store = stored(keys)
    batch = asyncio.ensure_future(store.get_many(keys))
    await asyncio.sleep(0.5)
    batch.cancel()
    await asyncio.wait([batch])
    await asyncio.sleep(10)
    assert len(backend.calls) == AT_ONCE


async def test_carries_the_callers_context_to_each_item() -> None:
    seen: list[float | None] = []

    class Looks(Layer):
        slot = "log"

        def wants(self, op: type[Operation[Any]]) -> bool:
            return op is Get

        async def around(self, op: Op, inner: Handler[Op, R]) -> R:
            context = current.get()
            seen.append(None if context is None else context.deadline)
            return await inner(op)

    backend, _ = stored(["a", "b"])
    async with call(deadline=7.0):
        await Stack(Looks()).over(backend).get_many(["a", "b"])
    assert seen == []  # the items pass beneath the layers

    class Noted(KeyValueBackend):
        name = "noted"

        @serves(Get)
        async def get(self, op: Get) -> bytes | None:
            context = current.get()
            seen.append(None if context is None else context.deadline)
            return None

    async with call(deadline=7.0) as told:
        await Stack().over(Noted()).get_many(["a", "b"])
    assert seen == [told.deadline] * 2


def test_answers_in_order_whatever_the_schedule() -> None:
    keys = [f"k{place}" for place in range(2 * AT_ONCE)]

    async def scenario() -> None:
        _, store = stored(keys)
        assert await store.get_many(keys) == tuple(key.encode() for key in keys)

    explore(scenario, schedules=20)


async def test_closing_ends_a_batch_without_cancelling_its_caller() -> None:
    backend = without_batches()
    for key in "ab":
        backend.expect(Get(key)).after(3600.0).returns(b"")
    store = Stack().over(backend)
    asking = asyncio.ensure_future(store.get_many(["a", "b"]))
    await asyncio.sleep(1.0)
    await store.close()
    with pytest.raises(Closed, match="closed before the batch was answered"):
        await asking
