from __future__ import annotations

import asyncio
from typing import Any

import pytest
from storage_faults import Faults, down, make

from lamina.errors import Conflict, Invalid, TimedOut, Unavailable


async def found(storage: Any, query: str) -> list[str]:
    return [match.id for match in await storage.vectors.search(query)]


async def test_stores_and_finds() -> None:
    storage = make()

    id_ = await storage.store_document("cats like milk", {"tags": ["a"]}, path="docs/a.md")

    document = await storage.get_document(id_)
    assert document is not None
    assert document["content"] == "cats like milk"
    assert document["metadata"] == {"tags": ["a"]}
    assert (document["version"], document["path"], document["id"]) == (1, "docs/a.md", id_)
    assert await found(storage, "milk") == [id_]


async def test_does_not_index_when_told() -> None:
    storage = make()

    await storage.store_document("cats", {}, index_for_search=False)

    assert await found(storage, "cats") == []


async def test_absent_document_is_none_and_false() -> None:
    storage = make()

    assert await storage.get_document("x") is None
    assert await storage.update_document("x", "a") is False
    assert await storage.delete_document("x") is False


async def test_a_document_that_cannot_be_indexed_is_taken_back() -> None:
    faults = Faults()
    storage = make(faults)
    faults.before["Upsert"] = down()

    with pytest.raises(Unavailable):
        await storage.store_document("cats", {})

    assert await storage.documents.search("") == ()


async def test_a_doubtful_index_entry_is_taken_back_too() -> None:
    faults = Faults()
    storage = make(faults)
    faults.after["Upsert"] = TimedOut("no answer")

    with pytest.raises(TimedOut):
        await storage.store_document("cats", {})

    assert await storage.documents.search("") == ()
    assert await found(storage, "cats") == []


async def test_a_doubtful_write_is_taken_back() -> None:
    faults = Faults()
    storage = make(faults)
    faults.after["Write"] = TimedOut("no answer")

    with pytest.raises(TimedOut):
        await storage.store_document("cats", {})

    assert await storage.documents.search("") == ()


async def test_says_when_it_could_not_be_taken_back() -> None:
    faults = Faults()
    storage = make(faults)
    faults.before.update(Upsert=down(), Remove=down())

    with pytest.raises(Unavailable) as failed:
        await storage.store_document("cats", {})

    assert "could not be taken back" in failed.value.__notes__[-1]


async def test_a_document_under_an_id_of_ones_own_stays_and_is_repaired() -> None:
    faults = Faults()
    storage = make(faults)
    await storage.store_document("old", {}, document_id="mine")
    faults.before["Upsert"] = down()

    with pytest.raises(Unavailable) as failed:
        await storage.store_document("new words", {}, document_id="mine")

    assert "store it again" in failed.value.__notes__[-1]
    faults.before.clear()
    assert await storage.store_document("new words", {}, document_id="mine") == "mine"
    assert await found(storage, "new words") == ["mine"]


async def test_cancelled_while_indexing_it_is_taken_back() -> None:
    faults = Faults()
    storage = make(faults)
    faults.hang.add("Upsert")
    task = asyncio.create_task(storage.store_document("cats", {}))
    await asyncio.sleep(1)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(1)

    assert await storage.documents.search("") == ()


async def test_a_path_that_is_taken_is_a_conflict_and_harms_nobody() -> None:
    storage = make()
    first = await storage.store_document("cats", {}, path="a")

    with pytest.raises(Conflict):
        await storage.store_document("dogs", {}, path="a")

    assert [match.document.id for match in await storage.documents.search("")] == [first]


async def test_update_keeps_the_index_in_step() -> None:
    storage = make()
    id_ = await storage.store_document("cats like milk", {"a": 1})

    assert await storage.update_document(id_, "dogs like bones")

    document = await storage.get_document(id_)
    assert document is not None
    assert (document["content"], document["metadata"]) == ("dogs like bones", {"a": 1})
    record = await storage.vectors.get(id_)
    assert record is not None
    assert record.text == "dogs like bones"
    assert record.metadata["a"] == 1


async def test_update_of_metadata_reaches_the_index() -> None:
    storage = make()
    id_ = await storage.store_document("cats", {"a": 1})

    await storage.update_document(id_, "cats", {"b": 2})

    record = await storage.vectors.get(id_)
    assert record is not None
    assert dict(record.metadata) == {"b": 2, "document_id": id_}


async def test_update_does_not_index_what_was_not() -> None:
    storage = make()
    id_ = await storage.store_document("cats", {}, index_for_search=False)

    await storage.update_document(id_, "dogs")

    assert await storage.vectors.get(id_) is None


async def test_update_of_another_version_is_a_conflict() -> None:
    storage = make()
    id_ = await storage.store_document("cats", {})
    await storage.update_document(id_, "dogs", expected_version=1)

    with pytest.raises(Conflict):
        await storage.update_document(id_, "mice", expected_version=1)


async def test_a_late_index_write_does_not_bring_an_older_text_back() -> None:
    faults = Faults()
    storage = make(faults)
    id_ = await storage.store_document("start", {})
    faults.delays["Upsert"] = [5.0]
    late = asyncio.create_task(storage.update_document(id_, "second"))
    await asyncio.sleep(1.0)

    await storage.update_document(id_, "third")
    await late

    record = await storage.vectors.get(id_)
    assert record is not None
    assert record.text == "third"


async def test_update_says_when_the_index_is_behind() -> None:
    faults = Faults()
    storage = make(faults)
    id_ = await storage.store_document("cats", {})
    faults.before["Upsert"] = down()

    with pytest.raises(Unavailable) as failed:
        await storage.update_document(id_, "dogs")

    assert "version 2" in failed.value.__notes__[-1]


async def test_update_changes_nothing_while_the_index_is_down() -> None:
    faults = Faults()
    storage = make(faults)
    id_ = await storage.store_document("cats", {})
    faults.before["Fetch"] = down()

    with pytest.raises(Unavailable):
        await storage.update_document(id_, "dogs")

    assert (await storage.get_document(id_) or {})["version"] == 1


async def test_deleted_documents_are_never_found() -> None:
    faults = Faults()
    storage = make(faults)
    id_ = await storage.store_document("cats", {})
    faults.before["Remove"] = down()

    with pytest.raises(Unavailable):
        await storage.delete_document(id_)
    assert await found(storage, "cats") == []

    faults.before.clear()
    assert await storage.delete_document(id_)
    assert await storage.get_document(id_) is None


@pytest.mark.parametrize(
    "metadata", [{"a": float("nan")}, {1: "a"}, {"a": object()}, {"a": "\ud800"}, {"a": b"x"}]
)
async def test_refuses_metadata_that_is_not_json(metadata: Any) -> None:
    storage = make()

    with pytest.raises(Invalid, match="not JSON"):
        await storage.store_document("cats", metadata)

    assert await storage.documents.search("") == ()


@pytest.mark.parametrize("content", [None, b"x", "a\0b", "\ud800"])
async def test_refuses_content_that_is_no_text(content: Any) -> None:
    with pytest.raises(Invalid, match="content"):
        await make().store_document(content, {})


async def test_answers_and_arguments_are_the_callers_own() -> None:
    storage = make()
    metadata = {"tags": ["a"]}
    id_ = await storage.store_document("cats", metadata)
    assert metadata == {"tags": ["a"]}

    metadata["tags"].append("b")
    mine = await storage.get_document(id_)
    assert mine is not None
    mine["metadata"]["tags"].append("c")

    assert (await storage.get_document(id_) or {})["metadata"] == {"tags": ["a"]}


@pytest.mark.parametrize("wrong", [5, [1], "text"])
async def test_refuses_metadata_that_is_no_mapping_before_anything_is_sent(wrong: Any) -> None:
    faults = Faults()
    storage = make(faults)

    for work in (
        storage.store_document("x", wrong),
        storage.update_document("x", "y", wrong),
        storage.store_media(b"x", "a.txt", "text/plain", wrong),
    ):
        with pytest.raises(Invalid, match="metadata must be a mapping"):
            await work

    assert faults.sent == []
