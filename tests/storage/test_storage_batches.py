from __future__ import annotations

import asyncio
from types import MappingProxyType
from typing import Any

import pytest
from storage_faults import Faults, down, make

from lamina.errors import BatchFailed, Conflict, Invalid
from lamina.values import Done, Failed


async def found(storage: Any, query: str) -> list[str]:
    return [match.id for match in await storage.vectors.search(query)]


async def test_stores_many_in_order() -> None:
    storage = make()

    ids = await storage.batch_store_documents(
        [{"content": "cats", "metadata": {"n": 1}}, {"content": "dogs", "id": "mine"}]
    )

    assert ids[1] == "mine"
    documents = [await storage.get_document(id_) for id_ in ids]
    assert [d and d["content"] for d in documents] == ["cats", "dogs"]
    assert set(await found(storage, "dogs")) == set(ids)
    assert await storage.batch_store_documents([]) == []


async def test_many_that_cannot_be_indexed_are_taken_back_and_each_told() -> None:
    faults = Faults()
    storage = make(faults)
    faults.before["UpsertMany"] = down()

    with pytest.raises(BatchFailed, match="2 of 2 documents failed") as failed:
        await storage.batch_store_documents([{"content": "cats"}, {"content": "dogs"}])

    assert all(isinstance(outcome, Failed) for outcome in failed.value.outcomes)
    assert await storage.documents.search("") == ()


async def test_one_of_many_that_fails_does_not_stop_the_others() -> None:
    storage = make()
    await storage.store_document("first", {}, path="taken")

    with pytest.raises(BatchFailed) as failed:
        await storage.batch_store_documents(
            [{"content": "cats"}, {"content": "dogs", "path": "taken"}, {"content": "mice"}]
        )

    kinds = [type(outcome) for outcome in failed.value.outcomes]
    assert kinds == [Done, Failed, Done]
    assert isinstance(failed.value.outcomes[1].error, Conflict)
    assert await storage.get_document(failed.value.outcomes[2].value) is not None


async def test_one_wrong_document_stores_none() -> None:
    storage = make()

    with pytest.raises(Invalid, match="document 1: content must be str"):
        await storage.batch_store_documents([{"content": "cats"}, {"content": 5}])  # type: ignore[typeddict-item]  # the point

    assert await storage.documents.search("") == ()


async def test_many_that_are_cancelled_are_taken_back() -> None:
    faults = Faults()
    storage = make(faults)
    faults.hang.add("UpsertMany")
    task = asyncio.create_task(storage.batch_store_documents([{"content": "a"}, {"content": "b"}]))
    await asyncio.sleep(1)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(1)

    assert await storage.documents.search("") == ()


@pytest.mark.parametrize("wrong", [None, 5, "text", {"content": "a"}, b"x"])
async def test_refuses_what_are_no_documents(wrong: Any) -> None:
    with pytest.raises(Invalid, match="documents must be several"):
        await make().batch_store_documents(wrong)


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ("text", "document 1: a document must be a mapping"),
        (None, "document 1: a document must be a mapping"),
        ({}, "document 1: content must be str"),
        ({"content": "a", "metadata": 5}, "document 1: metadata must be a mapping"),
        ({"content": "a", "metadata": []}, "document 1: metadata must be a mapping"),
        ({"content": "a", "metadata": {"x": {1}}}, "document 1: not JSON"),
        ({"content": "a", "id": ""}, "document 1: id must not be empty"),
        ({"content": "a", "path": 5}, "document 1: "),
        ({"content": "a", "id": "mine"}, "document 1: document 0 has the same id"),
    ],
)
async def test_one_that_is_wrong_is_named_before_anything_is_sent(
    wrong: Any, expected: str
) -> None:
    faults = Faults()

    with pytest.raises(Invalid, match=expected):
        await make(faults).batch_store_documents([{"content": "a", "id": "mine"}, wrong])

    assert faults.sent == []


async def test_documents_that_can_be_gone_through_once_are_stored() -> None:
    storage = make()
    once: Any = (MappingProxyType({"content": text}) for text in ("cats", "dogs"))

    ids = await storage.batch_store_documents(once)

    assert set(await found(storage, "cats")) == set(ids)


async def test_racing_batches_leave_the_index_in_step() -> None:
    faults = Faults()
    storage = make(faults)
    faults.delays["UpsertMany"] = [2.0, 1.0]  # who writes first is indexed last

    async def store(text: str) -> None:
        await storage.batch_store_documents([{"content": text, "id": "mine"}])

    async with asyncio.TaskGroup() as group:
        group.create_task(store("older"))
        group.create_task(store("newer"))

    document = await storage.get_document("mine")
    record = await storage.vectors.get("mine")
    assert document is not None
    assert record is not None
    assert (document["content"], record.text) == ("newer", "newer")


async def test_a_document_that_could_not_be_read_again_is_told() -> None:
    faults = Faults()
    storage = make(faults)
    faults.before["ReadMany"] = down()

    with pytest.raises(BatchFailed, match="1 of 2 documents failed") as failed:
        await storage.batch_store_documents([{"content": "cats", "id": "mine"}, {"content": "b"}])

    assert "store it again" in failed.value.outcomes[0].error.__notes__[0]
    assert isinstance(failed.value.outcomes[1], Done)
