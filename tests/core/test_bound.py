"""The life of a store: unopened, open, closed, and on one loop only."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lamina.backends.memory import MemoryKeyValue
from lamina.domains.keyvalue import Get, KeyValue, KeyValueBackend
from lamina.errors import Brief, Closed, Invalid, Unavailable, Unsupported, WrongLoop
from lamina.layer import Layer
from lamina.layers.timeout import Timeout
from lamina.runtime import Runtime
from lamina.stack import Stack
from lamina.testing import ScriptedKeyValue, run, sweep


class Connected(KeyValueBackend):
    """Must be opened; notes what happens to it."""

    name = "connected"
    needs_open = True

    def __init__(self, *, fails: bool = False) -> None:
        self.told: list[str] = []
        self.fails = fails

    async def open(self) -> None:
        await asyncio.sleep(0.1)
        if self.fails:
            msg = "no such host"
            raise Unavailable(msg)
        self.told.append("opened")

    async def close(self) -> None:
        self.told.append("closed")


def store_of(backend: Any, *layers: Layer, grace: float = 5.0) -> KeyValue:
    store = Stack(*layers).over(backend, runtime=Runtime(grace=grace))
    assert isinstance(store, KeyValue)
    return store


async def test_refuses_calls_before_it_is_opened_where_it_must_be() -> None:
    store = store_of(Connected())
    with pytest.raises(Closed, match=r"connected is not opened: use 'async with'"):
        await store.get("a")
    async with store:
        with pytest.raises(Unsupported):
            await store.get("a")


async def test_refuses_calls_while_it_is_being_opened() -> None:
    store = store_of(Connected())
    opening = asyncio.ensure_future(store.open())
    await asyncio.sleep(0.05)
    with pytest.raises(Closed, match="not opened"):
        await store.get("a")
    await opening
    await store.close()


async def test_works_unopened_where_nothing_connects() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get("a")).returns(b"1")
    assert await store_of(backend).get("a") == b"1"
    assert backend.opened == 0


async def test_closes_once_and_for_all() -> None:
    backend = Connected()
    store = store_of(backend)
    async with store:
        pass
    await store.close()
    assert backend.told == ["opened", "closed"]
    for call in (store.get("a"), store.check(), store.open()):
        with pytest.raises(Closed, match="connected is closed"):
            await call


async def test_lets_go_of_a_backend_that_could_not_be_opened() -> None:
    backend = Connected(fails=True)
    with pytest.raises(Unavailable, match="no such host"):
        async with store_of(backend):
            pytest.fail("it was opened")
    assert backend.told == ["closed"]


async def test_waits_for_calls_in_flight_before_it_closes() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get("a")).after(3.0).returns(b"1")
    store = store_of(backend)
    call = asyncio.ensure_future(store.get("a"))
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(store.close())
    await asyncio.sleep(1)
    with pytest.raises(Closed):
        await store.get("b")
    assert not closing.done()
    assert backend.closed == 0
    await closing
    assert asyncio.get_running_loop().time() == pytest.approx(3.0)
    assert await call == b"1"
    assert backend.closed == 1


async def test_waits_for_calls_no_longer_than_its_grace() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get("a")).hangs()
    store = store_of(backend, grace=2.0)
    call = asyncio.ensure_future(store.get("a"))
    await asyncio.sleep(0)
    await store.close()
    assert asyncio.get_running_loop().time() == pytest.approx(2.0)
    assert backend.closed == 1
    call.cancel()
    await asyncio.wait([call])


async def test_drains_its_tasks_then_closes_outside_in() -> None:
    told: list[str] = []

    class Told(Layer):
        slot = "log"

        def __init__(self, name: str) -> None:
            self.name = name

        async def close(self) -> None:
            told.append(self.name)

    class Inner(Told):
        slot = "cache"

    async def work() -> None:
        await asyncio.sleep(1)
        told.append("task")

    backend = Connected()
    backend.told = told
    store = store_of(backend, Told("outer"), Inner("inner"))
    async with store:
        store.bound.runtime.spawn(work(), "work")
    assert told == ["opened", "task", "outer", "inner", "closed"]


def test_lets_go_of_everything_when_closing_is_cancelled() -> None:
    backends: list[ScriptedKeyValue] = []

    async def scenario() -> None:
        backend = ScriptedKeyValue()
        backends.append(backend)
        backend.expect(Get("a")).after(1.0).returns(b"1")
        async with store_of(backend) as store:
            store.bound.runtime.spawn(store.get("a"), "call")
            store.bound.runtime.spawn(asyncio.sleep(2), "work")
            await asyncio.sleep(0.5)

    def closed() -> None:
        assert [backend.closed for backend in backends] == [1] * len(backends)
        backends.clear()

    assert sweep(scenario, after=closed).points >= 3


def test_belongs_to_the_loop_of_its_first_call() -> None:
    store = store_of(ScriptedKeyValue())

    async def use() -> None:
        with pytest.raises(AssertionError):  # the script expects nothing
            await store.get("a")

    async def use_again() -> None:
        for call in (store.get("a"), store.open()):
            with pytest.raises(WrongLoop, match="scripted belongs to another event loop"):
                await call

    run(use())
    run(use_again())


async def test_tells_which_operation_failed_and_where() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get("a")).raises(Unavailable("down"))
    with pytest.raises(Unavailable) as caught:
        await store_of(backend).get("a")
    assert caught.value.brief == Brief("Get", "keyvalue", "'a'")
    assert caught.value.backend == "scripted"
    assert str(caught.value) == "scripted keyvalue.Get('a'): down"


async def test_keeps_what_an_error_already_tells() -> None:
    backend = ScriptedKeyValue()
    brief = Brief("Other", "keyvalue")
    backend.expect(Get("a")).raises(Unavailable("down", brief=brief, backend="behind"))
    with pytest.raises(Unavailable) as caught:
        await store_of(backend).get("a")
    assert (caught.value.brief, caught.value.backend) == (brief, "behind")


async def test_sends_any_operation() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get("a", scope="acme")).returns(b"1").times(2)
    store = store_of(backend)
    assert await store.bound.send(Get("a", scope="acme")) == b"1"
    assert await store.scoped("acme").get("a") == b"1"
    assert store.bound.handler(Get) is store.bound.handler(Get)


async def test_a_scoped_store_is_the_same_store() -> None:
    store = store_of(ScriptedKeyValue())
    acme = store.scoped("acme")
    assert (store.scope, acme.scope) == ("", "acme")
    with pytest.raises(Invalid, match="confined to a tenant"):
        acme.scoped("other")
    assert acme.bound is store.bound
    for wrong in ("", "a\0", "x" * 1025):
        with pytest.raises(Invalid, match="scope must"):
            store.scoped(wrong)
    await acme.close()
    with pytest.raises(Closed):
        await store.get("a")


async def test_closing_waits_for_an_opening_and_stays_closed() -> None:
    backend = Connected()
    store = store_of(backend)
    opening = asyncio.ensure_future(store.open())
    await asyncio.sleep(0.05)
    await store.close()
    assert backend.told == ["opened", "closed"]
    with pytest.raises(Closed):
        await opening
    with pytest.raises(Closed):
        await store.get("a")


async def test_a_second_closing_waits_for_the_first() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get("a")).after(3.0).returns(b"1")
    store = store_of(backend)
    call = asyncio.ensure_future(store.get("a"))
    await asyncio.sleep(0)
    first = asyncio.ensure_future(store.close())
    await asyncio.sleep(1)

    impatient = asyncio.ensure_future(store.close())
    await asyncio.sleep(1)
    impatient.cancel()
    await asyncio.wait([impatient])
    assert not first.done()
    await store.close()

    assert asyncio.get_running_loop().time() == pytest.approx(3.0)
    assert (backend.closed, await call) == (1, b"1")
    await first
    await store.close()


async def test_a_second_closing_ends_when_the_first_is_cancelled() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get("a")).hangs()
    store = store_of(backend)
    call = asyncio.ensure_future(store.get("a"))
    await asyncio.sleep(0)
    first = asyncio.ensure_future(store.close())
    second = asyncio.ensure_future(store.close())
    await asyncio.sleep(1)

    first.cancel()
    await second

    assert (backend.closed, first.cancelled()) == (1, True)
    assert asyncio.get_running_loop().time() == pytest.approx(1.0)
    call.cancel()
    await asyncio.wait([call])


async def test_closing_waits_for_what_is_held_and_lets_its_operations_pass() -> None:
    backend = ScriptedKeyValue()
    backend.expect(Get("a")).returns(b"1")
    backend.expect(Get("b")).raises(Unavailable("down"))
    store = store_of(backend)
    with store.bound.holding() as send:
        closing = asyncio.ensure_future(store.close())
        await asyncio.sleep(2)
        assert await send(Get("a")) == b"1"
        with pytest.raises(Unavailable, match=r"scripted keyvalue.Get\('b'\): down"):
            await send(Get("b"))
        with pytest.raises(Closed):
            await store.get("a")
        assert backend.closed == 0
    await closing
    assert backend.closed == 1
    with pytest.raises(Closed), store.bound.holding():
        pytest.fail("it was closed")


async def test_what_is_held_longer_than_the_grace_is_refused() -> None:
    store = store_of(ScriptedKeyValue(), grace=2.0)
    with store.bound.holding() as send:
        await store.close()
        with pytest.raises(Closed, match="scripted is closed"):
            await send(Get("a"))
    assert asyncio.get_running_loop().time() == pytest.approx(2.0)


async def test_a_store_is_shown_by_its_layers_its_backend_and_its_tenant() -> None:
    store = Stack(Timeout(5)).over(MemoryKeyValue())

    assert repr(store) == "KeyValue(<Timeout(5) over memory>)"
    assert repr(store.scoped("acme")) == "KeyValue(<Timeout(5) over memory>, scope='acme')"
