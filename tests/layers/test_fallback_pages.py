"""A cursor goes on at the store that gave it, in every domain."""

from __future__ import annotations

from typing import Any

import pytest

import lamina
from lamina.backends import memory
from lamina.domains import documents, keyvalue, media, vectors
from lamina.errors import Corrupt, Unavailable
from lamina.layers.fallback import Fallback
from lamina.layers.shadow import Shadow
from lamina.operation import Operation
from lamina.stack import Stack
from lamina.testing.samples import SAMPLES
from lamina.testing.scripted import (
    ScriptedDocuments,
    ScriptedKeyValue,
    ScriptedMedia,
    ScriptedVectors,
    operations,
)
from lamina.values import Page, Vector

SCRIPTED: dict[str, Any] = {
    "keyvalue": ScriptedKeyValue,
    "documents": ScriptedDocuments,
    "vectors": ScriptedVectors,
    "media": ScriptedMedia,
}
LISTINGS = {
    "Scan": ("keyvalue", lambda cursor: keyvalue.Scan(cursor=cursor, limit=2)),
    "Find": ("documents", lambda cursor: documents.Find(order="id", cursor=cursor, limit=2)),
    "ListIds": ("vectors", lambda cursor: vectors.ListIds(cursor=cursor, limit=2)),
    "NearestPage": (
        "vectors",
        lambda cursor: vectors.NearestPage(Vector.of([1.0]), cursor=cursor, limit=2),
    ),
    "ListObjects": ("media", lambda cursor: media.ListObjects(cursor=cursor, limit=2)),
}
CURSORS = ["7", "fallback:7", "primary:7", "fallback:", "primary:fallback:7", ""]


def listing(name: str, cursor: str | None) -> Operation[Any]:
    make: Any = LISTINGS[name][1]
    found: Operation[Any] = make(cursor)
    return found


def cursors() -> set[str]:
    modules = (keyvalue, documents, vectors, media)
    found = {op for module in modules for op in operations(module) if hasattr(op, "cursor")}
    return {op.__name__ for op in found}


def test_these_are_all_operations_with_a_cursor() -> None:
    assert cursors() == set(LISTINGS)


@pytest.mark.parametrize("name", LISTINGS)
@pytest.mark.parametrize("cursor", CURSORS, ids=repr)
async def test_a_listing_that_began_at_the_first_store_stays_there(name: str, cursor: str) -> None:
    kind = SCRIPTED[LISTINGS[name][0]]
    with kind() as backend, kind() as other:
        backend.expect(listing(name, None)).returns(Page((), cursor))
        backend.expect(listing(name, cursor)).returns(Page((), None))
        backend.expect(listing(name, cursor)).raises(Unavailable("down"))
        store = Stack(Fallback(Stack().over(other).bound)).over(backend)

        first = await store.bound.send(listing(name, None))
        second = await store.bound.send(listing(name, first.next))
        with pytest.raises(Unavailable) as caught:
            await store.bound.send(listing(name, first.next))

    assert second == Page((), None)
    assert any("goes on from what this store alone gave" in n for n in caught.value.__notes__)


@pytest.mark.parametrize("name", LISTINGS)
@pytest.mark.parametrize("cursor", CURSORS, ids=repr)
async def test_a_listing_that_began_at_the_other_goes_on_there(name: str, cursor: str) -> None:
    kind = SCRIPTED[LISTINGS[name][0]]
    with kind() as backend, kind() as other:
        backend.expect(listing(name, None)).raises(Unavailable("down"))  # and is back then
        other.expect(listing(name, None)).returns(Page((), cursor))
        other.expect(listing(name, cursor)).returns(Page((), "more"))
        other.expect(listing(name, "more")).raises(Unavailable("the other is down"))
        store = Stack(Fallback(Stack().over(other).bound)).over(backend)

        async with lamina.call() as call:
            first = await store.bound.send(listing(name, None))
            second = await store.bound.send(listing(name, first.next))
            with pytest.raises(Unavailable, match="the other is down"):
                await store.bound.send(listing(name, second.next))

    assert call.degraded == [listing(name, None).brief()] * 2


async def test_a_whole_listing_is_of_one_store_though_the_first_comes_back() -> None:
    other = Stack().over(memory.MemoryKeyValue())
    for n in range(9):
        await other.set(f"other{n}", b"")
    flaky = ScriptedKeyValue()
    flaky.expect(keyvalue.Scan(limit=100)).raises(Unavailable("down"))
    store = Stack(Fallback(other.bound)).over(flaky)

    found = [key async for key in store.scan()]

    assert found == [f"other{n}" for n in range(9)]


@pytest.mark.parametrize("name", LISTINGS)
async def test_a_chain_of_fallbacks_finds_the_store_again(name: str) -> None:
    kind = SCRIPTED[LISTINGS[name][0]]
    with kind() as first, kind() as second, kind() as third:
        first.expect(listing(name, None)).raises(Unavailable("down"))
        second.expect(listing(name, None)).raises(Unavailable("down"))
        third.expect(listing(name, None)).returns(Page((), "7"))
        third.expect(listing(name, "7")).returns(Page((), None))
        middle = Stack(Fallback(Stack().over(third).bound)).over(second)
        store = Stack(Fallback(middle.bound)).over(first)

        page = await store.bound.send(listing(name, None))
        assert (await store.bound.send(listing(name, page.next))).next is None


@pytest.mark.parametrize("answer", [None, "page", Page((), 7)], ids=["none", "text", "number"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # hostile
async def test_fb5_what_is_no_page_is_a_failure_of_the_other(answer: Any) -> None:
    backend, other = ScriptedKeyValue(), ScriptedKeyValue()
    backend.expect(keyvalue.Scan()).raises(Unavailable("down"))
    other.expect(keyvalue.Scan).returns(answer).always()
    store = Stack(Fallback(Stack().over(other).bound)).over(backend)

    async with lamina.call() as call:
        with pytest.raises(Unavailable) as caught:
            await store.bound.send(keyvalue.Scan())
        with pytest.raises(Corrupt):
            await store.bound.send(keyvalue.Scan(cursor="fallback:7"))

    assert any("failed too: Corrupt" in note for note in caught.value.__notes__)
    assert (call.degraded, call.served_by) == ([], {})


@pytest.mark.parametrize("domain", SAMPLES)
async def test_what_only_the_first_understands_is_not_asked_elsewhere(domain: str) -> None:
    backend, other = SCRIPTED[domain](), SCRIPTED[domain]()
    for op in backend.capabilities():
        backend.expect(op).raises(Unavailable("down", sent="no")).always()
        other.expect(op).returns(None).always()
    layer = Fallback(Stack().over(other).bound, writes=True, on_fallback=lambda op, error: None)
    store: Any = Stack(layer).over(backend)
    ours = [op for op in SAMPLES[domain] if not op.portable()]

    for op in ours:
        with pytest.raises(Unavailable):
            await store.bound.send(op)

    assert other.calls == []
    uploads = {"Begin", "PutPart", "Finish", "Abort"} if domain == "media" else set[str]()
    assert {type(op).__name__ for op in ours} >= {"Check", *uploads}


async def test_a_version_of_the_first_is_not_compared_elsewhere() -> None:
    assert not documents.Update("a", "text", expected_version=3).portable()
    assert documents.Update("a", "text").portable()


async def test_a_range_of_another_version_is_not_taken_from_the_other() -> None:
    other = Stack().over(memory.MemoryMedia())
    await other.set("a", b"old bytes")
    backend = ScriptedMedia()
    backend.expect(media.ReadRange).raises(Unavailable("down")).always()
    store = Stack(Fallback(other.bound)).over(backend)

    with pytest.raises(Unavailable) as caught:
        await store.bound.send(media.ReadRange("a", etag="0" * 64))

    assert any("failed too: Conflict" in note for note in caught.value.__notes__)
    info = await other.head("a")
    assert info is not None
    chunk = await store.bound.send(media.ReadRange("a", 4, etag=info.etag))
    assert chunk is not None
    assert chunk.data == b"bytes"


@pytest.mark.parametrize("name", LISTINGS)
async def test_a_shadow_is_never_sent_a_cursor_of_the_first(name: str) -> None:
    kind = SCRIPTED[LISTINGS[name][0]]
    with kind() as backend, kind() as other:
        backend.expect(listing(name, "7")).returns(Page((), None))
        store = Stack(Shadow(Stack().over(other).bound)).over(backend)
        async with store:
            await store.bound.send(listing(name, "7"))
