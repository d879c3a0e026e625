"""Writing everything anew with a new key, while others go on."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from lamina.backends.memory import MemoryDocuments, MemoryKeyValue, MemoryMedia
from lamina.domains.keyvalue import CompareAndSet, GetStamped, Scan
from lamina.domains.media import PART
from lamina.errors import Corrupt, Unsupported
from lamina.layers.cache import Cache
from lamina.layers.seal import Seal
from lamina.layers.seal.reseal import reseal
from lamina.stack import Stack
from lamina.testing.clock import explore
from lamina.testing.faulty import Faulty
from lamina.testing.scripted import ScriptedKeyValue
from lamina.testing.sweep import sweep
from lamina.values import Page, Stamped

OLD = Seal.new_key()
NEW = Seal.new_key()


def over(backend: Any, *keys: str) -> Any:
    return Stack(Seal(list(keys))).over(backend)


async def test_values_are_sealed_with_the_new_key_and_keep_their_time() -> None:
    backend = MemoryKeyValue()
    old = over(backend, OLD)
    await old.set("a", b"1", ttl=100)
    await old.append("b", 1, idempotency="once")
    await old.scoped("acme").set("a", b"2")
    await asyncio.sleep(40)
    rotating = Stack(Cache(30), Seal([NEW, OLD])).over(backend)

    assert await reseal(rotating) == 2
    assert await reseal(rotating.scoped("acme")) == 1

    new = over(backend, NEW)
    assert await new.get_many(["a", "b"]) == (b"1", b"[1]")
    assert await new.ttl("a") == pytest.approx(60, abs=0.01)
    assert await new.ttl("b") == float("inf")
    assert await new.append("b", 1, idempotency="once") == 1
    assert await new.scoped("acme").get("a") == b"2"


async def test_documents_are_sealed_with_the_new_key() -> None:
    backend = MemoryDocuments()
    await over(backend, OLD).set("a", "one", metadata={"n": 1}, path="/a")
    await over(backend, OLD).set_at("/b", "two")

    assert await reseal(over(backend, NEW, OLD)) == 2

    new = over(backend, NEW)
    one, two = await new.by_path("/a"), await new.by_path("/b")
    assert (one.content, dict(one.metadata), one.version) == ("one", {"n": 1}, 2)
    assert two.content == "two"


async def test_objects_of_any_size_are_sealed_with_the_new_key() -> None:
    backend = MemoryMedia()
    large = random.Random(0).randbytes(PART + 5)
    old = over(backend, OLD)
    await old.set("a", b"1", type="text/plain", metadata={"n": 1})
    await old.set("b", large)
    await old.set("c", b"")

    assert await reseal(over(backend, NEW, OLD)) == 3

    new = over(backend, NEW)
    assert [await new.get(key) for key in "abc"] == [b"1", large, b""]
    info = await new.head("a")
    assert (info.type, dict(info.metadata)) == ("text/plain", {"n": 1})


async def test_what_cannot_be_opened_stops_it() -> None:
    backend = MemoryKeyValue()
    await over(backend, OLD).set("a", b"1")

    with pytest.raises(Corrupt, match="is not given"):
        await reseal(over(backend, NEW))
    assert await over(backend, OLD).get("a") == b"1"


async def test_needs_conditions() -> None:
    backend = ScriptedKeyValue(without=[CompareAndSet])
    backend.expect(Scan).returns(Page(("a",)))
    backend.expect(GetStamped).returns(Stamped(b"1"))
    store = Stack(Seal(NEW, allow_plain=True)).over(backend)

    with pytest.raises(Unsupported, match="CompareAndSet"):
        await reseal(store)


def test_loses_no_write_of_others() -> None:
    async def scenario() -> None:
        backend = MemoryKeyValue()
        keys = [f"k{place}" for place in range(4)]
        await over(backend, OLD).set_many(dict.fromkeys(keys, b"[]"))
        rotating = over(Faulty(backend, random.Random(0), latency=0.01), NEW, OLD)
        other = over(Faulty(backend, random.Random(1), latency=0.007), NEW, OLD)

        async def write() -> None:
            for key in keys:
                await other.append(key, 1)
            await other.delete("k0")

        await asyncio.gather(reseal(rotating), write())
        new = over(backend, NEW)
        assert await new.get_many(keys) == (None, b"[1]", b"[1]", b"[1]")

    explore(scenario, schedules=500)


def test_may_be_cancelled_anywhere_and_begun_again() -> None:
    backends: list[MemoryKeyValue] = []

    async def scenario() -> None:
        backend = MemoryKeyValue()
        backends.append(backend)
        await over(backend, OLD).set_many({"a": b"1", "b": b"2"})
        store = over(Faulty(backend, random.Random(0), latency=0.01), NEW, OLD)
        try:
            await reseal(store)
        finally:
            assert await store.get_many(["a", "b"]) == (b"1", b"2")

    assert sweep(scenario).points >= 5
