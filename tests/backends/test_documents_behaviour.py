"""The same cases on each documents backend."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from stores import KINDS, documents

from lamina.domains.documents import Find, Write, WriteMany
from lamina.errors import BatchFailed, Conflict, Invalid
from lamina.filters import F
from lamina.values import Done, Failed, Json

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.domains.documents import Documents

pytestmark = pytest.mark.parametrize("kind", KINDS)
HOSTILE = (
    '"', "*", "NEAR", "NEAR(a b, 5)", "col:", "content:", "a AND", "OR", "NOT a", "-", "^a", "(",
    ")", "{", "}", "a*", '"" ""', "'", "\\", ";", "%", "_", "a+b", "documents_words:x", "\u202e",
    "😀", "\n\t", "\u02bc", "\u0301", "AND OR NOT",
)  # fmt: skip


async def ids(store: Documents, query: str = "", **asked: Any) -> list[str]:
    return [found.document.id for found in await store.search(query, **asked)]


async def test_gives_back_what_was_written(kind: str, tmp_path: Path) -> None:
    metadata = {"tag": "x", "n": [1, 1.5, True, None, {"deep": "ä\u202e"}], "": {}}
    async with documents(kind, tmp_path) as store:
        wall = store.bound.runtime.wall()
        await store.set("a", "Grüße\n", metadata=metadata, path="docs/a.md")
        found = await store.get("a")

        assert found is not None
        assert (found.id, found.content, found.version) == ("a", "Grüße\n", 1)
        assert (found.path, found.created_at, found.updated_at) == ("docs/a.md", wall, wall)
        assert found.metadata == Json.of(metadata).value()
        with pytest.raises(TypeError):
            found.metadata["tag"] = "y"  # type: ignore[index]
        assert await store.by_path("docs/a.md") == found
        assert await store.get("b") is None
        assert await store.by_path("b") is None


async def test_holds_ten_megabytes_and_nothing(kind: str, tmp_path: Path) -> None:
    content = "wörd " * 2_000_000
    async with documents(kind, tmp_path) as store:
        await store.set("a", content, metadata={"x": "y" * 1_000_000})
        await store.set("b", "")
        found = await store.get("a")
        empty = await store.get("b")

        assert found is not None
        assert found.content == content
        assert empty is not None
        assert empty.content == ""
        assert await ids(store, "word") == ["a"]


async def test_a_write_replaces_all_but_the_beginning(kind: str, tmp_path: Path) -> None:
    async with documents(kind, tmp_path) as store:
        wall = store.bound.runtime.wall()
        await store.set("a", "one", metadata={"n": 1}, path="p")
        await asyncio.sleep(5)
        await store.set("a", "two")
        found = await store.get("a")

        assert found is not None
        assert (found.content, found.metadata, found.path) == ("two", {}, None)
        assert (found.version, found.created_at, found.updated_at) == (2, wall, wall + 5)
        assert await store.by_path("p") is None
        assert await ids(store, "one") == []
        assert await ids(store, "two") == ["a"]


async def test_a_path_belongs_to_one_document(kind: str, tmp_path: Path) -> None:
    async with documents(kind, tmp_path) as store:
        await store.set("a", "one", path="p")
        with pytest.raises(Conflict):
            await store.set("b", "two", path="p")
        assert await store.get("b") is None
        await store.set("a", "three", path="p")
        await store.scoped("x").set("b", "two", path="p")
        await store.set("a", "three", path="q")
        await store.set("b", "two", path="p")
        await store.delete("a")
        await store.set("c", "two", path="q")

        assert [one and one.id for one in [await store.by_path(p) for p in "pq"]] == ["b", "c"]


async def test_updates_what_is_given(kind: str, tmp_path: Path) -> None:
    async with documents(kind, tmp_path) as store:
        await store.set("a", "one", metadata={"n": 1}, path="p")
        await asyncio.sleep(1)
        assert await store.update("a", content="two") == 2
        assert await store.update("a", metadata={"n": 2}, expected_version=2) == 3
        with pytest.raises(Conflict):
            await store.update("a", content="three", expected_version=2)
        found = await store.get("a")

        assert await store.update("b", content="x", expected_version=1) is None
        assert found is not None
        assert (found.content, found.metadata["n"], found.version) == ("two", 2, 3)
        assert found.path == "p"
        assert found.updated_at == found.created_at + 1
        assert await ids(store, "two") == ["a"]
        assert await ids(store, "one") == []


async def test_delete_tells_whether_there_was_one(kind: str, tmp_path: Path) -> None:
    async with documents(kind, tmp_path) as store:
        await store.set("a", "one", path="p")

        assert await store.delete("a")
        assert not await store.delete("a")
        assert await store.by_path("p") is None
        assert await ids(store, "one") == []


async def test_scopes_do_not_see_each_other(kind: str, tmp_path: Path) -> None:
    async with documents(kind, tmp_path) as store:
        await store.set("a", "one")
        await store.scoped("x").set("b", "one", metadata={"n": 2**70})

        assert await ids(store, "one") == ["a"]
        assert await ids(store) == ["a"]
        assert await ids(store.scoped("x"), filter=F.n.exists()) == ["b"]
        assert await store.scoped("x").get("a") is None
        assert not await store.scoped("x").delete("a")


async def test_metadata_is_an_object(kind: str, tmp_path: Path) -> None:
    async with documents(kind, tmp_path) as store:
        for data in (b"[]", b"1", b"{", b"\xff"):
            with pytest.raises(Invalid):
                await store.bound.send(Write("a", "x", Json(data)))

        assert await store.get("a") is None


async def test_finds_documents_that_hold_every_word(kind: str, tmp_path: Path) -> None:
    async with documents(kind, tmp_path) as store:
        await store.set("a", "The quick brown fox")
        await store.set("b", "A quick, quick dog: QUICK!")
        await store.set("c", "Äpfel und Öl; naïve café")
        await store.set("d", "привет мир. emoji🤖here ₿itcoin")

        assert sorted(await ids(store, "quick")) == ["a", "b"]
        assert await ids(store, "fox QUICK") == ["a"]
        assert await ids(store, "fox dog") == []
        assert await ids(store, "quic") == []
        assert await ids(store, "apfel NAIVE") == ["c"]
        assert await ids(store, "ÖL") == ["c"]
        assert await ids(store, "МИР here itcoin") == ["d"]
        assert await ids(store, "quick, (fox)") == ["a"]


async def test_the_more_relevant_come_first(kind: str, tmp_path: Path) -> None:
    async with documents(kind, tmp_path) as store:
        await store.set("long", "storage " + "and much else of no interest " * 20)
        await store.set("short", "storage storage")
        for n in range(9):
            await store.set(f"other {n}", "nothing of the kind")
        found = await store.search("storage")

        assert [one.document.id for one in found] == ["short", "long"]
        assert found[0].score > found[1].score > 0
        assert {one.score for one in await store.search("")} == {0}


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_is_no_error(kind: str, tmp_path: Path, text: str) -> None:
    async with documents(kind, tmp_path) as store:
        await store.set("a", "nothing to see")

        assert await ids(store, text) == []


async def test_text_as_long_as_a_page_is_no_error(kind: str, tmp_path: Path) -> None:
    words = " ".join(f"w{n}" for n in range(1000))
    async with documents(kind, tmp_path) as store:
        await store.set("a", words)

        assert await ids(store, words) == ["a"]
        assert await ids(store, "w1 " * 5000) == ["a"]


@pytest.mark.parametrize("order", ["created_at", "updated_at", "id", "path", None])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("text", ["word", None])
async def test_pages_hold_each_document_once_in_order(
    kind: str, tmp_path: Path, order: Any, descending: bool, text: str | None
) -> None:
    async with documents(kind, tmp_path) as store:
        for n in (3, 1, 4, 5, 9, 2, 6):
            await store.set(f"{n}", "word " * n, path=f"p{9 - n}" if n > 3 else None)
            if n % 2:
                await asyncio.sleep(1)
        for n in (4, 1):
            await store.update(f"{n}", metadata={"changed": True})
        pages = [await store.bound.send(Find(text, None, order, descending, None, 2))]
        while (cursor := pages[-1].next) is not None:
            pages.append(await store.bound.send(Find(text, None, order, descending, cursor, 2)))
        whole = await store.bound.send(Find(text, None, order, descending, None, 50))
        found = [one for page in pages for one in page.items]

        assert found == list(whole.items)
        assert sorted(one.document.id for one in found) == ["1", "2", "3", "4", "5", "6", "9"]
        if order is not None:
            values = [(getattr(one.document, order) or "", one.document.id) for one in found]
            assert values == sorted(values, reverse=descending)
        elif text:
            assert [one.score for one in found] == sorted([o.score for o in found], reverse=True)


async def test_pages_go_on_while_documents_come_and_go(kind: str, tmp_path: Path) -> None:
    async with documents(kind, tmp_path) as store:
        for name in "abcdef":
            await store.set(name, "word")
        first = await store.bound.send(Find(order="id", limit=2))
        await store.delete("b")
        await store.set("aa", "word")
        await store.set("d2", "word")
        rest = await store.bound.send(Find(order="id", cursor=first.next, limit=10))

        assert [one.document.id for one in rest.items] == ["c", "d", "d2", "e", "f"]
        assert rest.next is None


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "é",
        "W10=",
        "bnVsbA==",
        "WyJpZCIsZmFsc2UsMSwyXQ==",
        "WyJpZCIsZmFsc2UsIngiLCJcdWQ4MDAiXQ==",
        "WyJpZCIsIHRydWUsICJhIiwgImEiXQ==",
        "' OR 1=1 --",
        "[" * 3000,
    ],
)
async def test_a_hostile_cursor_is_invalid(kind: str, tmp_path: Path, cursor: str) -> None:
    async with documents(kind, tmp_path) as store:
        await store.set("a", "word")

        with pytest.raises(Invalid):
            await store.bound.send(Find(order="id", cursor=cursor))


async def test_a_cursor_of_another_order_is_invalid(kind: str, tmp_path: Path) -> None:
    async with documents(kind, tmp_path) as store:
        for name in "abc":
            await store.set(name, "word")
        page = await store.bound.send(Find(order="id", limit=1))

        with pytest.raises(Invalid):
            await store.bound.send(Find(order="created_at", cursor=page.next))
        with pytest.raises(Invalid):
            await store.bound.send(Find("word", cursor=page.next))


async def test_filters(kind: str, tmp_path: Path) -> None:
    async with documents(kind, tmp_path) as store:
        await store.set("a", "word", metadata={"n": 1, "t": ["x", 1], "o": {"p": "q"}})
        await store.set("b", "word", metadata={"n": 1.0, "t": "x"})
        await store.set("c", "word", metadata={"n": True, "t": None})
        await store.set("d", "other", metadata={"n": "1"})

        assert await ids(store, filter=F.n == 1) == ["a", "b"]
        assert await ids(store, filter=F.n == True) == ["c"]  # noqa: E712  # builds a filter
        assert await ids(store, filter=F.n != "2") == ["d"]
        assert await ids(store, filter=~(F.n == 1)) == ["c", "d"]
        assert await ids(store, filter=F.t.contains("x")) == ["a"]
        assert await ids(store, filter=F.t.exists()) == ["a", "b", "c"]
        assert await ids(store, filter=F["o.p"] == "q") == ["a"]
        assert await ids(store, "word", filter=F.n.is_in(["1", True])) == ["c"]


async def test_one_conflict_does_not_fail_the_rest(kind: str, tmp_path: Path) -> None:
    async with documents(kind, tmp_path) as store:
        await store.set("a", "one", path="p")
        items = (Write("b", "two", path="p"), Write("c", "x", Json(b"1")), Write("d", "three"))
        told = await store.bound.send(WriteMany(items))
        found = await store.get_many(["d", "b", "a", "d"])

        assert [type(one) for one in told] == [Failed, Failed, Done]
        assert isinstance(told[0], Failed)
        assert isinstance(told[0].error, Conflict)
        assert [one and one.content for one in found] == ["three", None, "one", "three"]
        with pytest.raises(BatchFailed):
            await store.set_many(items)


async def test_an_item_is_written_in_the_scope_of_the_batch(kind: str, tmp_path: Path) -> None:
    async with documents(kind, tmp_path) as store:
        await store.scoped("x").set_many([Write("a", "one", scope="y"), Write("a", "two")])
        found = await store.scoped("x").get("a")

        assert found is not None
        assert (found.content, found.version) == ("two", 2)
        assert await store.scoped("y").get("a") is None


async def test_scan_gives_all(kind: str, tmp_path: Path) -> None:
    async with documents(kind, tmp_path) as store:
        await store.set_many([Write(f"{n:03}", "x") for n in range(250)])

        assert [one.id async for one in store.scan(limit=99)] == [f"{n:03}" for n in range(250)]
        await store.check()


@pytest.mark.parametrize(("letter", "most"), [("a", 32_768), ("ж", 16_384), ("中", 10_922)])
async def test_words_count_up_to_the_same_byte(
    kind: str, tmp_path: Path, letter: str, most: int
) -> None:
    word = letter * (most - 1)
    async with documents(kind, tmp_path) as store:
        await store.set("a", f"{word}aaaaaax")
        await store.set("b", f"{word}b")

        assert await ids(store, f"{word}aaaaaay") == ["a"]
        assert await ids(store, f"{word}a") == ([] if letter != "a" else ["a"])
        assert await ids(store, f"{word}b") == ["b"]
        (once,) = await store.search(f"{word}aaaaaay")
        assert await store.search(f"{word}aaaaaay {word}aaaaaaz") == (once,)


async def test_a_letter_that_the_limit_cuts_in_two_still_counts(kind: str, tmp_path: Path) -> None:
    word = "中" * 10_922  # 32,766 bytes
    async with documents(kind, tmp_path) as store:
        await store.set("a", f"{word}一")  # e4 b8 80
        await store.set("b", f"{word}倀")  # e5 80 80

        assert await ids(store, f"{word}丁") == ["a"]  # e4 b8 81
        assert await ids(store, f"{word}倁x") == ["b"]  # e5 80 81
