from __future__ import annotations

import asyncio
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
