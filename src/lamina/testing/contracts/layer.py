"""What every layer must do, whatever its purpose."""

from __future__ import annotations

import asyncio
import copy
import random
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Final, final

import pytest

from lamina.backends import memory
from lamina.domains.keyvalue import Get, GetStamped, KeyValue, Set
from lamina.errors import AuthError, Conflict, Corrupt, Invalid, TimedOut, Unavailable
from lamina.layer import Layer
from lamina.stack import Stack
from lamina.testing.clock import run
from lamina.testing.faulty import Faulty
from lamina.testing.samples import SAMPLES
from lamina.testing.scripted import (
    ScriptedDocuments,
    ScriptedKeyValue,
    ScriptedMedia,
    ScriptedVectors,
)
from lamina.testing.sweep import sweep
from lamina.values import Stamped

if TYPE_CHECKING:
    from lamina.backend import Backend
    from lamina.operation import Handler, Op, Operation, R
    from lamina.site import Site
    from lamina.testing.scripted import Expectation, Script

_SCRIPTED: Final[dict[str, type[Script[Any]]]] = {
    "keyvalue": ScriptedKeyValue,
    "documents": ScriptedDocuments,
    "vectors": ScriptedVectors,
    "media": ScriptedMedia,
}
_MEMORY: Final = {
    "keyvalue": "MemoryKeyValue",
    "documents": "MemoryDocuments",
    "vectors": "MemoryVectors",
    "media": "MemoryMedia",
}
_UPLOADS: Final = {"Begin", "PutPart", "Finish", "Abort"}  # their ids are drawn


class LayerContract:
    """Define ``layer()``, which gives a new layer with the same options each time."""

    patience = 60.0
    """Seconds within which a call must have ended."""

    @abstractmethod
    def layer(self) -> Layer:
        """Return a new layer, set up so that it has nothing to do for calls of 10 ms."""

    def store(self, backend: Backend[KeyValue]) -> KeyValue:
        """Return a store of this layer alone."""
        return Stack(self.layer()).over(backend)

    def same(self, answer: object, without: object) -> bool:
        """Tell whether an answer through the layer is as good as the one without it."""
        return answer == without

    def writer(self, store: KeyValue, backend: Backend[KeyValue]) -> KeyValue:
        """Return what writes to *backend*: the store, unless its layer takes writes away."""
        return store if Set in store.bound.capabilities else Stack().over(backend)

    @pytest.mark.parametrize("domain", list(SAMPLES))
    async def test_changes_no_answer(self, domain: str) -> None:
        made = getattr(memory, _MEMORY[domain])
        backend = made()
        with_layer: Any = Stack(self.layer()).over(backend)
        beside: Any = Stack().over(backend)
        without: Any = Stack().over(made())
        async with with_layer, without:
            for op in SAMPLES[domain] * 3:
                if type(op).__name__ not in _UPLOADS:
                    served = type(op) in with_layer.bound.capabilities
                    told = await _outcome(with_layer if served else beside, op)
                    assert self.same(told, await _outcome(without, op)), op

    async def test_gives_the_very_answer_of_the_backend(self) -> None:
        answer = b"a value"
        backend = ScriptedKeyValue()
        backend.expect(Get).returns(answer).always()
        backend.expect(GetStamped).returns(Stamped(answer)).always()
        async with self.store(backend) as store:
            for _ in range(3):
                assert await store.get("a") is answer

    async def test_keeps_calls_apart(self) -> None:
        backend = _slow()
        async with self.store(backend) as store:
            writer = self.writer(store, backend)
            await asyncio.gather(*(writer.set(f"k{n}", str(n).encode()) for n in range(50)))
            found = await asyncio.gather(*(store.get(f"k{n}") for n in range(50)))
            assert found == [str(n).encode() for n in range(50)]
            assert await store.get_many([f"k{n}" for n in range(50)]) == tuple(found)
            acme = store.scoped("acme")
            assert await acme.get("k1") is None

    @pytest.mark.parametrize(
        "kind", [Unavailable, TimedOut, Conflict, Invalid, Corrupt, AuthError, RuntimeError]
    )
    async def test_lets_an_error_of_the_backend_through(self, kind: type[Exception]) -> None:
        backend = ScriptedKeyValue()
        script: list[Expectation[Any]] = [backend.expect(Get), backend.expect(GetStamped)]
        for expectation in script:
            expectation.raises(kind("as scripted")).always()
        async with self.store(backend) as store:
            with pytest.raises(kind, match="as scripted") as caught:
                async with asyncio.timeout(self.patience):
                    await store.get("a")
        raised = [error for one in script for error in one.raised]
        assert any(caught.value is error for error in raised)

    async def test_serves_on_after_calls_were_cancelled(self) -> None:
        backend = _slow()
        async with self.store(backend) as store:
            await self.writer(store, backend).set("a", b"1")
            for place in range(300):
                call = asyncio.ensure_future(store.get(f"k{place}", fresh=True))
                await asyncio.sleep(0.001)
                call.cancel()
                await asyncio.wait([call])
                assert call.cancelled()
            async with asyncio.timeout(self.patience):
                assert await store.get("a", fresh=True) == b"1"

    def test_may_be_cancelled_anywhere(self) -> None:
        async def scenario() -> None:
            backend = _slow()
            async with self.store(backend) as store:
                writer = self.writer(store, backend)
                await writer.set("a", b"1")
                await asyncio.gather(store.get("a"), store.get("b"))
                await store.get_many(["a", "b"])
                await writer.append("c", 1)
                await writer.delete("a")

        assert sweep(scenario).points >= 3

    def test_may_be_cancelled_while_the_backend_fails(self) -> None:
        async def scenario() -> None:
            backend = Faulty(
                memory.MemoryKeyValue(), random.Random(7), error_rate=0.5, latency=0.01
            )
            async with self.store(backend) as store:
                for _ in range(3):
                    await _outcome(store, Get("a"))

        sweep(scenario)

    def test_passes_unwanted_operations_through_untouched(self) -> None:
        layer = self.layer()
        for domain, scripted in _SCRIPTED.items():
            probe = _Probe("trace" if layer.slot != "trace" else "metrics")
            backend = scripted()
            store: Any = Stack(probe, layer).over(backend)
            for op in SAMPLES[domain]:
                store.bound.handler(type(op))
                if type(op) not in store.bound.capabilities:
                    continue  # the layer takes it away
                same = probe.seen[type(op)] is backend.handler(type(op))
                assert same or layer.wants(type(op)), op

    def test_is_compared_and_shown_by_its_options(self) -> None:
        layer = self.layer()
        assert layer == self.layer()
        assert copy.copy(layer) == layer
        assert repr(layer) == repr(self.layer())
        assert repr(layer).startswith(f"{type(layer).__name__}(")
        assert layer != _Probe("trace")
        assert set(layer.options()) <= set(vars(layer))

    async def test_keeps_its_state_out_of_the_layer_that_was_given(self) -> None:
        layer = self.layer()
        before = dict(vars(layer))
        backend = _slow()
        async with Stack(layer).over(backend) as store:
            await self.writer(store, backend).set("a", b"1")
            await store.get("a")
        assert vars(layer) == before

    async def test_shares_nothing_between_two_backends(self) -> None:
        stack = Stack(self.layer())
        broken = ScriptedKeyValue()
        broken.expect(Get).raises(Unavailable("down")).always()
        broken.expect(GetStamped).raises(Unavailable("down")).always()
        backend = _slow()
        async with stack.over(broken) as down, stack.over(backend) as up:
            await self.writer(up, backend).set("a", b"1")
            for _ in range(100):
                await _outcome(down, Get("a"))
                assert await up.get("a") == b"1"
            async with stack.over(_slow()) as other:
                assert await other.get("a") is None

    def test_may_be_used_unopened_and_closed_twice(self) -> None:
        async def scenario() -> None:
            store = self.store(memory.MemoryKeyValue())
            assert await store.get("a") is None
            await store.close()
            await store.close()

        run(scenario())

    def test_says_what_it_does_in_the_plan(self) -> None:
        plan = self.store(memory.MemoryKeyValue()).bound.plan()
        assert [layer.slot for layer in plan.layers][:1] == [self.layer().slot]
        wanted = {op.operation for op in plan.operations if self.layer().slot in op.slots}
        assert wanted or plan.lost
        assert all(op.worst.attempts >= 1 for op in plan.operations)


@final
class _Probe(Layer):
    """Keeps what it is bound around."""

    slot = ""

    def __init__(self, slot: str) -> None:
        self.slot = slot  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]  # out of the tested layer's way
        self.seen: dict[type[Operation[Any]], object] = {}

    def bind(self, op: type[Op], inner: Handler[Op, R], site: Site) -> Handler[Op, R]:
        del site
        self.seen[op] = inner
        return inner


def _slow() -> Backend[KeyValue]:
    return Faulty(memory.MemoryKeyValue(), random.Random(0), latency=0.01)


async def _outcome(store: Any, op: Operation[Any]) -> Any:
    try:
        return await store.bound.send(op)
    except Exception as error:  # compared by its type
        return type(error)
