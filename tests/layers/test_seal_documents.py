"""Sealed documents and the texts of sealed vectors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pytest

from lamina.backends.memory import MemoryDocuments, MemoryVectors
from lamina.domains.documents import Documents, Find, ReadAt, ReadMany, Write
from lamina.domains.vectors import Nearest, NearestPage, Upsert, Vectors
from lamina.embed import LexicalEmbedder
from lamina.errors import BatchFailed, Corrupt, Invalid, Unsupported
from lamina.filters import F
from lamina.layers.seal import Seal
from lamina.stack import Stack
from lamina.testing.scripted import ScriptedDocuments
from lamina.testing.sweep import sweep
from lamina.values import Done, Failed, Vector

KEY = Seal.new_key()
VECTOR = Vector.of([1.0, 0.0])


def over(backend: Any, *keys: str, allow_plain: bool = False) -> Any:
    return Stack(Seal(list(keys or [KEY]), allow_plain=allow_plain)).over(backend)


def vectors() -> MemoryVectors:
    return MemoryVectors(embedder=LexicalEmbedder())


async def test_filters_and_lists_what_it_cannot_read() -> None:
    store: Documents = over(MemoryDocuments())
    for place in range(5):
        await store.set(f"d{place}", f"text {place}", metadata={"n": place}, path=f"/{9 - place}")

    found = [one.content async for one in store.scan(filter=F.n >= 3, limit=1)]
    hits = await store.search("", order="path", limit=2)

    assert found == ["text 3", "text 4"]
    assert [hit.document.content for hit in hits] == ["text 4", "text 3"]
    assert store.bound.capabilities[Find].features == {"filter", "order"}


@pytest.mark.parametrize("order", ["created_at", "updated_at", "id", "path"])
@pytest.mark.parametrize("descending", [False, True])
async def test_lists_in_the_order_asked_at_any_page_size(
    order: Literal["created_at", "updated_at", "id", "path"], descending: bool
) -> None:
    backend = MemoryDocuments()
    store: Documents = over(backend)
    plain: Documents = Stack().over(MemoryDocuments())
    for place in (3, 1, 4, 0, 2):
        for one in (store, plain):
            await one.set(f"d{place}", f"text {place}", path=f"/{9 - place}")

    for limit in (1, 2, 5, 100):
        assert await ids(store, order, descending, limit) == await ids(
            plain, order, descending, limit
        )


async def ids(store: Documents, order: Any, descending: bool, limit: int) -> list[str]:
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await store.bound.send(Find(None, None, order, descending, cursor, limit))
        found += [hit.document.content for hit in page.items]
        cursor = page.next
        if cursor is None:
            return found


async def test_confines_each_scope_to_its_own() -> None:
    backend = MemoryDocuments()
    store: Documents = over(backend)
    for scope in ("a", "a:b", ".."):
        await store.scoped(scope).set("x", scope, path="/p")
    await store.scoped("a").set_many([Write("y", "1", scope="other")])

    for scope in ("a", "a:b", ".."):
        found = await store.scoped(scope).by_path("/p")
        assert found is not None
        assert found.content == scope
    (told,) = await store.scoped("a").get_many(["y"])
    assert told is not None
    assert told.content == "1"


async def test_content_moved_to_another_document_scope_or_path_is_corrupt() -> None:
    backend = MemoryDocuments()
    store: Documents = over(backend)
    await store.set("a", "of a")
    await store.set_at("/p", "of the path")
    held = backend._documents
    (at,) = [id_ for _, id_ in held if id_ != "a"]

    held["", "b"] = replace(held["", "a"], id="b")
    with pytest.raises(Corrupt):
        await store.get("b")
    held["acme", "a"] = held["", "a"]
    with pytest.raises(Corrupt):
        await store.scoped("acme").get("a")
    held["", "c"] = replace(held["", at], id="c", path="/q")
    with pytest.raises(Corrupt):
        await store.get("c")
    held["", "d"] = replace(held["", at], id="d", path=None)
    with pytest.raises(Corrupt):
        await store.get("d")
    found = await store.get(at)
    assert found is not None
    assert found.content == "of the path"


async def test_what_was_written_at_a_path_is_not_opened_under_an_id_of_the_same_name() -> None:
    backend = MemoryDocuments()
    store: Documents = over(backend)
    await store.set_at("name", "of the path")
    held = backend._documents
    ((_, at),) = held

    held["", "name"] = replace(held["", at], id="name", path=None)

    with pytest.raises(Corrupt):
        await store.get("name")


async def test_documents_and_texts_that_answer_for_another_are_corrupt() -> None:
    backend, indexed = MemoryDocuments(), vectors()
    store: Documents = over(backend)
    await store.set_many([Write("a", "of a"), Write("b", "of b")])
    held = backend._documents
    held["", "a"], held["", "b"] = held["", "b"], held["", "a"]  # each with its own id
    at_path = ScriptedDocuments()
    await store.set_at("/p", "of the path")
    at_path.expect(ReadAt).returns(next(one for one in held.values() if one.path == "/p"))

    with pytest.raises(Corrupt):
        await over(at_path).by_path("/q")

    with pytest.raises(Corrupt):
        await store.get("a")
    told = await store.get_many(["a", "b"], outcomes=True)
    assert [isinstance(one, Failed) for one in told] == [True, True]

    async with over(indexed) as index:
        await index.set_many([Upsert(id_, VECTOR, text=f"of {id_}") for id_ in "ab"])
        records = indexed._records["", ""]
        records["a"], records["b"] = records["b"], records["a"]
        with pytest.raises(Corrupt):
            await index.get("a")
        told = await index.get_many(["a", "b"], outcomes=True)
        assert [isinstance(one, Failed) for one in told] == [True, True]


async def test_what_was_written_at_a_path_is_updated_and_moved_as_before() -> None:
    store: Documents = over(MemoryDocuments())
    id_ = await store.set_at("/p", "one")
    assert await store.update(id_, metadata={"n": 1}) == 2
    found = await store.by_path("/p")
    assert found is not None
    assert (found.content, dict(found.metadata)) == ("one", {"n": 1})
    await store.update(id_, content="two", expected_version=2)
    await store.set(id_, "three", path="/q")

    found = await store.by_path("/q")
    assert found is not None
    assert (found.content, found.version) == ("three", 4)


async def test_a_page_with_a_corrupt_document_is_no_answer_and_a_batch_tells_which() -> None:
    backend = MemoryDocuments()
    store: Documents = over(backend)
    await store.set("a", "1")
    await Stack().over(backend).set("b", "plain")

    with pytest.raises(Corrupt) as caught:
        await store.search("")
    assert caught.value.__notes__ == ["it is 'b'"]
    with pytest.raises(BatchFailed):
        await store.get_many(["a", "b"])
    told = await store.bound.send(ReadMany(("a", "b", "none")))
    assert isinstance(told[0], Done)
    assert isinstance(told[1], Failed)
    assert told[2] == Done(None)
    assert len(await over(backend, allow_plain=True).search("")) == 2


@pytest.mark.parametrize("text", ["", "é", "\u202e", "x" * 300_000, "lamina:sealed:1:", "\r\n"])
async def test_any_text_comes_back_by_each_way(text: str) -> None:
    store: Documents = over(MemoryDocuments())
    await store.set("a", text)
    await store.set_at("/p", text)
    await store.set_many([Write("c", text)])
    await store.update("a", content=text)

    read = [await store.get("a"), await store.by_path("/p"), *await store.get_many(["c"])]
    assert [one and one.content for one in read] == [text] * 3


async def test_documents_of_an_old_key_are_read_and_written_anew() -> None:
    backend, other = MemoryDocuments(), Seal.new_key()
    await over(backend).set("a", "text", metadata={"n": 1}, path="/p")
    store: Documents = over(backend, other, KEY)

    async for one in store.scan():
        await store.update(one.id, content=one.content, expected_version=one.version)

    found = await over(backend, other).get("a")
    assert (found.content, dict(found.metadata), found.path) == ("text", {"n": 1}, "/p")


def test_documents_may_be_cancelled_anywhere() -> None:
    async def scenario() -> None:
        store: Documents = over(MemoryDocuments())
        async with store:
            await store.set("a", "x" * 600_000)  # in a thread
            assert (await store.search(""))[0].document.content
            await store.update("a", content="new")
            await store.delete("a")

    assert sweep(scenario).points >= 2


async def test_a_text_beside_a_vector_is_sealed_and_found_by_the_vector() -> None:
    backend = vectors()
    async with over(backend) as store:
        await store.bound.send(Upsert("a", VECTOR, text="hidden", namespace="n"))
        await store.set("b", VECTOR, metadata={"n": 1}, namespace="n")

        hits = await store.search(VECTOR, namespace="n")
        several = await store.search_many([VECTOR, VECTOR], namespace="n")
        pages = [one async for one in store.matches(VECTOR, namespace="n", limit=1)]
        record = await store.get("a", namespace="n")

        assert {hit.text for hit in hits} == {"hidden", None}
        assert several == (hits, hits)
        assert {hit.text for hit in pages} == {"hidden", None}
        assert record is not None
        assert (record.text, record.vector) == ("hidden", VECTOR)
        assert "hidden" not in str(backend._records["", "n"]["a"].text)
        assert [one.text for one in await store.get_many(["a", "b"], namespace="n")] == [
            "hidden",
            None,
        ]


async def test_a_text_moved_to_another_record_namespace_or_scope_is_corrupt() -> None:
    backend = vectors()
    async with over(backend) as store:
        await store.bound.send(Upsert("a", VECTOR, text="hidden"))
        mine = backend._records["", ""]
        backend._records["", "n"] = {"a": mine["a"]}
        backend._records["acme", ""] = {"a": mine["a"]}
        mine["b"] = replace(mine["a"], id="b")

        for view, key, space in (
            (store, "b", ""),
            (store, "a", "n"),
            (store.scoped("acme"), "a", ""),
        ):
            with pytest.raises(Corrupt):
                await view.get(key, namespace=space)
            told = await view.get_many([key], namespace=space, outcomes=True)
            assert isinstance(told[0], Failed)
        await store.bound.send(Upsert("c", VECTOR, text="other"))
        mine["c"] = replace(mine["c"], text=mine["a"].text)
        found = await store.search_many([VECTOR, Vector.of([1.0])], outcomes=True)
        assert [type(one) for one in found] == [Failed, Failed]
        errors = [one.error for one in found if isinstance(one, Failed)]
        assert [type(error) for error in errors] == [Corrupt, Invalid]


async def test_no_text_is_embedded_and_that_is_told_beforehand() -> None:
    async with over(vectors()) as store:
        view: Vectors = store
        for op in (Upsert, Nearest):
            assert "text" not in view.bound.capabilities[op].features
        with pytest.raises(Unsupported, match="dense vector"):
            await view.set("a", "text")
        with pytest.raises(Unsupported):
            await view.search("text")
        with pytest.raises(Unsupported):
            await view.bound.send(NearestPage(text="text"))
        assert await view.get("a") is None
