"""ReadOnly takes writes away before anything is sent, and costs reads nothing."""

from __future__ import annotations

from typing import Any

import pytest

from lamina.backends.memory import MemoryKeyValue
from lamina.domains.keyvalue import Get
from lamina.errors import Unsupported
from lamina.layers.readonly import ReadOnly
from lamina.stack import Stack
from lamina.testing.samples import SAMPLES
from lamina.testing.scripted import (
    ScriptedDocuments,
    ScriptedKeyValue,
    ScriptedMedia,
    ScriptedVectors,
)

SCRIPTED: dict[str, Any] = {
    "keyvalue": ScriptedKeyValue,
    "documents": ScriptedDocuments,
    "vectors": ScriptedVectors,
    "media": ScriptedMedia,
}


@pytest.mark.parametrize("domain", SAMPLES)
async def test_each_write_is_refused_before_anything_is_sent(domain: str) -> None:
    backend = SCRIPTED[domain]()
    store: Any = Stack(ReadOnly()).over(backend)
    writes = [op for op in SAMPLES[domain] if op.writes]

    for op in writes:
        with pytest.raises(Unsupported, match="is taken away by ReadOnly") as caught:
            await store.bound.send(op)
        assert caught.value.sent == "no"
        assert caught.value.brief == op.brief()

    assert writes
    assert backend.calls == []


async def test_reads_are_answered() -> None:
    backend = MemoryKeyValue()
    await Stack().over(backend).set("a", b"1")
    store = Stack(ReadOnly()).over(backend)

    assert await store.get("a") == b"1"
    assert await store.get_many(["a", "b"]) == (b"1", None)
    assert [key async for key in store.scan()] == ["a"]
    await store.check()


@pytest.mark.parametrize("domain", SAMPLES)
def test_reads_cost_nothing(domain: str) -> None:
    backend = SCRIPTED[domain]()
    layer = ReadOnly()
    store: Any = Stack(layer).over(backend)

    reads = [op for op in SAMPLES[domain] if not op.writes]

    assert {type(op) for op in reads} == set(store.bound.capabilities)
    assert not any(layer.wants(type(op)) for op in reads)  # so it is not in their path


def test_the_plan_says_what_it_took() -> None:
    plan = Stack(ReadOnly()).over(MemoryKeyValue()).bound.plan()

    assert {(lost.operation, lost.layer) for lost in plan.lost} >= {("Set", "ReadOnly()")}
    assert not any(op.writes for op in plan.operations)


def test_has_no_options() -> None:
    assert ReadOnly() == ReadOnly()
    assert repr(ReadOnly()) == "ReadOnly()"
    assert Get in Stack(ReadOnly()).over(MemoryKeyValue()).bound.capabilities
