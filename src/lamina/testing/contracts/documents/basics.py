"""Documents come back as they were stored, by id and by path."""

from __future__ import annotations

import pytest

from lamina.domains.documents import (
    Documents,
    Read,
    ReadAt,
    ReadMany,
    Remove,
    Write,
    WriteAt,
    WriteMany,
)
from lamina.errors import Conflict, Invalid
from lamina.testing.clock import run
from lamina.testing.contracts.backend import BackendContract
from lamina.testing.contracts.documents.words import finds_words
from lamina.testing.contracts.filters import METADATA
from lamina.testing.samples import NAMES, REFUSED
from lamina.values import Done, Json, freeze

_TEXTS = ("", " ", "a", "é\u0301", "\u202eabc", "\U0001f469\u200d\U0001f467", "\ufeffx", "\r\n\t")


class BasicDocuments(BackendContract[Documents]):
    """Reads, writes, deletes, paths, batches, scopes."""

    domain = "documents"

    async def test_keeps_every_name_apart(self) -> None:
        async with self.opened(Read, Write, Remove) as store:
            for place, name in enumerate(NAMES):
                await store.set(name, str(place), path=name)
            for place, name in enumerate(NAMES):
                found = await store.get(name)
                assert found is not None, ascii(name)
                assert (found.id, found.content, found.path) == (name, str(place), name)
                assert await store.by_path(name) == found
            for name in NAMES[::2]:
                assert await store.delete(name) is True, ascii(name)
            for place, name in enumerate(NAMES):
                assert (await store.get(name) is not None) == bool(place % 2), ascii(name)

    async def test_keeps_text_of_every_kind_and_size(self) -> None:
        async with self.opened(Read, Write) as store:
            for text in (*_TEXTS, "ж " * 1_000_000):
                await store.set("a", text)
                found = await store.get("a")
                assert found is not None
                assert found.content == text, f"{len(text)} characters"

    async def test_keeps_metadata_and_freezes_it(self) -> None:
        async with self.opened(Read, Write) as store:
            for metadata in METADATA:
                await store.set("a", "text", metadata=metadata)
                found = await store.get("a")
                assert found is not None
                assert found.metadata == freeze(metadata)
                assert Json.of(found.metadata) == Json.of(metadata)
                with pytest.raises(TypeError):
                    found.metadata["n"] = 5  # type: ignore[index]  # pyright: ignore[reportIndexIssue]  # must be refused when run, too

    async def test_refuses_names_that_some_store_could_not_hold(self) -> None:
        async with self.opened(Read, Write) as store:
            for name in REFUSED:
                with pytest.raises(Invalid):
                    await store.set(name, "text")
                with pytest.raises(Invalid):
                    await store.set("a", "text", path=name)
            with pytest.raises(Invalid):
                await store.set("a", "\ud800")
            assert [one.id async for one in store.scan()] == []

    async def test_absent_is_none_or_false(self) -> None:
        async with self.opened(Read, ReadAt, Write, Remove) as store:
            assert await store.get("a") is None
            assert await store.by_path("/a") is None
            assert await store.update("a", content="text") is None
            assert await store.delete("a") is False
            await store.set("a", "text", path="/a")
            assert await store.delete("a") is True
            assert await store.delete("a") is False
            assert await store.by_path("/a") is None

    async def test_gives_a_path_to_one_document(self) -> None:
        async with self.opened(ReadAt, Write) as store:
            await store.set("a", "one", path="/p")
            with pytest.raises(Conflict):
                await store.set("b", "two", path="/p")
            assert await store.get("b") is None
            await store.set("a", "three", path="/p")
            await store.set("a", "four", path="/q")
            assert await store.by_path("/p") is None
            await store.set("b", "five", path="/p")
            await store.set("a", "six")
            assert await store.by_path("/q") is None
            await store.delete("b")
            await store.set("a", "seven", path="/p")
            found = await store.by_path("/p")
            assert found is not None
            assert (found.id, found.content) == ("a", "seven")

    async def test_writes_at_a_path_what_is_there_or_a_new_document(self) -> None:
        async with self.opened(Read, ReadAt, Write, WriteAt) as store:
            await store.set("a", "one", path="/p", metadata={"n": 1})
            assert await store.set_at("/p", "two") == "a"
            found = await store.get("a")
            assert found is not None
            assert (found.content, found.version, found.path) == ("two", 2, "/p")
            assert dict(found.metadata) == {}
            new = await store.set_at("/q", "three", metadata={"n": 3})
            assert new != "a"
            assert await store.set_at("/q", "four") == new
            at = await store.by_path("/q")
            assert at is not None
            assert (at.id, at.content, at.version) == (new, "four", 2)
            assert await store.bound.send(WriteAt("/q", new, "five")) == new
            with pytest.raises(Conflict):
                await store.bound.send(WriteAt("/r", "a", "six"))
            assert await store.by_path("/r") is None
            await store.set("b", "no path")
            with pytest.raises(Conflict):
                await store.bound.send(WriteAt("/r", "b", "six"))
            assert await store.scoped("acme").set_at("/p", "seven") != "a"
            assert [one.id async for one in store.scan()] == sorted(["a", "b", new])

    async def test_answers_a_batch_in_the_order_asked(self) -> None:
        async with self.opened(ReadMany, WriteMany) as store:
            items = [Write(f"d{place}", str(place)) for place in range(40)]
            assert await store.set_many(items) == (Done(None),) * 40
            ids = ["d3", "none", "d3", "d39", "d0"]
            found = await store.get_many(ids)
            assert [one and one.id for one in found] == ["d3", None, "d3", "d39", "d0"]
            assert await store.get_many([]) == ()
            assert await store.set_many([]) == ()
            assert await store.get_many(["none"], outcomes=True) == (Done(None),)

    async def test_tells_which_items_of_a_batch_failed(self) -> None:
        async with self.opened(ReadMany, WriteMany) as store:
            await store.set("a", "text", path="/p")
            items = [Write("b", "1"), Write("c", "2", path="/p"), Write("d", "3")]
            told = await store.set_many(items, outcomes=True)
            assert [isinstance(one, Done) for one in told] == [True, False, True]
            found = await store.get_many(["b", "c", "d"])
            assert [one is not None for one in found] == [True, False, True]

    async def test_confines_each_scope_to_its_own(self) -> None:
        async with self.opened(Read, ReadAt, Write, Remove) as store:
            pairs = [("", "b"), ("a", "b"), ("a:b", "b"), ("a:", "b"), ("b", "a"), ("..", "b")]
            views = [(store.scoped(scope) if scope else store, key) for scope, key in pairs]
            for place, (view, key) in enumerate(views):
                assert await view.get(key) is None, pairs[place]
                await view.set(key, str(place), path="/p")
            seen = await finds_words(store)
            for place, (view, key) in enumerate(views):
                found = await view.get(key)
                assert found is not None
                assert (found.id, found.content, found.path) == (key, str(place), "/p")
                assert [one.id async for one in view.scan()] == [key]
                hits = await view.search(str(place) if seen else "")
                assert [hit.document.id for hit in hits] == [key]
                assert not seen or await view.search(str(place + 1)) == ()
            acme = store.scoped("acme")
            await acme.set_many([Write("x", "1", scope="other"), Write("y", "2")])
            assert [one.id async for one in acme.scan()] == ["x", "y"]
            assert await store.get_many(["x", "y"]) == (None, None)

    def test_may_be_cancelled_anywhere(self) -> None:
        async def scenario() -> None:
            store = self.store()
            async with store:
                await store.set("a", "old words", path="/a")
                await store.update("a", content="new words")
                await store.search("words" if await finds_words(store) else "")
                await store.delete("a")

        async def afterwards() -> None:
            async with self.opened(Read, Write) as store:
                await store.set("a", "text")
                assert await store.get("a") is not None

        self.cancelled_anywhere(scenario)
        run(afterwards(), timeout_real=self.timeout_real)
