from __future__ import annotations

import asyncio
import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from storage_faults import Faults, down, make

from lamina.context import call
from lamina.errors import Corrupt, Invalid, StorageError, Unavailable
from lamina.storage import UnifiedStorage

if TYPE_CHECKING:
    from lamina.storage import Message


def said(role: str, content: str) -> Message:
    return {"role": role, "content": content}


async def test_absent_conversation_is_none() -> None:
    assert await make().get_conversation("1") is None


async def test_conversation_is_on_the_wire_as_the_bot_had_it() -> None:
    storage = make()

    await storage.save_conversation("42", [said("user", "hé")])

    stored = await storage.keyvalue.get("conv:42")
    assert stored is not None
    assert json.loads(stored) == [{"role": "user", "content": "hé"}]
    assert await storage.keyvalue.ttl("conv:42") == pytest.approx(24 * 3600)


async def test_reads_what_the_bot_has_written() -> None:
    storage = make()
    await storage.keyvalue.set("conv:prev:7", b'[ {"role": "system", "content": "a", "x": 1.5} ]')

    assert await storage.get_conversation("prev:7") == [
        {"role": "system", "content": "a", "x": 1.5}
    ]


async def test_append_starts_a_conversation_and_renews_its_time() -> None:
    storage = make()

    assert await storage.append_message("1", said("user", "a"), said("assistant", "b")) == 2
    await asyncio.sleep(3600)
    assert await storage.append_message("1", said("user", "c"), ttl_hours=1) == 3

    assert await storage.keyvalue.ttl("conv:1") == pytest.approx(3600)
    assert [m["content"] for m in await storage.get_conversation("1") or []] == ["a", "b", "c"]


async def test_fifty_racers_lose_no_message() -> None:
    storage = make()

    async with asyncio.TaskGroup() as group:
        for number in range(50):
            pair = said("user", str(number)), said("assistant", f"re {number}")
            group.create_task(storage.append_message("1", *pair))

    messages = [m["content"] for m in await storage.get_conversation("1") or []]
    assert len(messages) == 100
    for place in range(0, 100, 2):
        assert messages[place + 1] == f"re {messages[place]}"


async def test_failing_reads_leave_the_history_as_it_is() -> None:
    faults = Faults()
    storage = make(faults)
    await storage.save_conversation("1", [said("user", "old")])
    faults.before["Get"] = down()

    with pytest.raises(Unavailable):
        await storage.get_conversation("1")
    assert await storage.append_message("1", said("user", "new")) == 2

    faults.before.clear()
    assert [m["content"] for m in await storage.get_conversation("1") or []] == ["old", "new"]
    assert "Get" not in faults.sent[faults.sent.index("Append") : -1]


async def test_append_once_per_idempotency_key() -> None:
    storage = make()

    for _ in range(2):
        await storage.append_message("1", said("user", "a"), idempotency="update 7")

    assert await storage.get_conversation("1") == [said("user", "a")]


async def test_keeps_only_the_last_messages_when_told() -> None:
    storage = make()

    for number in range(5):
        await storage.append_message("1", said("user", str(number)), keep_last=2)

    assert await storage.get_conversation("1") == [said("user", "3"), said("user", "4")]


@pytest.mark.parametrize("chat_id", ["", "a\0b", "\ud800", "x" * 1020, 10_000_000 * "y", 5, None])
async def test_refuses_a_hostile_chat_id(chat_id: Any) -> None:
    storage = make()

    for work in (
        storage.get_conversation(chat_id),
        storage.append_message(chat_id, said("user", "a")),
        storage.save_conversation(chat_id, []),
        storage.delete_conversation(chat_id),
    ):
        with pytest.raises(Invalid, match="chat_id"):
            await work


@pytest.mark.parametrize("chat_id", ["../../etc", "*", "conv:1", "\u202egnp", "a b\n", "%2e"])
async def test_odd_chat_ids_are_chats_of_their_own(chat_id: str) -> None:
    storage = make()

    await storage.append_message(chat_id, said("user", "mine"))
    await storage.append_message("1", said("user", "other"))

    assert await storage.get_conversation(chat_id) == [said("user", "mine")]


@pytest.mark.parametrize("message", [{}, {"role": ""}, {"role": 1}, "text", None, {"content": "a"}])
async def test_refuses_what_is_no_message(message: Any) -> None:
    storage = make()

    with pytest.raises(Invalid, match="role"):
        await storage.append_message("1", said("user", "a"), message)
    with pytest.raises(Invalid, match="role"):
        await storage.save_conversation("1", [message])

    assert await storage.get_conversation("1") is None


@pytest.mark.parametrize("hours", [0, -1, float("nan"), float("inf")])
async def test_refuses_a_time_to_live_that_is_none(hours: float) -> None:
    with pytest.raises(Invalid, match="ttl_hours"):
        await make().save_conversation("1", [], ttl_hours=hours)


async def test_appending_nothing_is_refused() -> None:
    with pytest.raises(Invalid, match="at least one"):
        await make().append_message("1")


@pytest.mark.parametrize("stored", [b"{}", b"[1]", b"not json", b'"text"'])
async def test_says_when_what_is_stored_is_no_conversation(stored: bytes) -> None:
    storage = make()
    await storage.keyvalue.set("conv:1", stored)

    with pytest.raises(Corrupt):
        await storage.get_conversation("1")


async def test_answers_are_the_callers_own() -> None:
    storage = UnifiedStorage.in_memory()
    await storage.save_conversation("1", [{"role": "user", "content": "a", "parts": [1]}])

    mine = await storage.get_conversation("1")
    assert mine is not None
    mine[0]["content"] = "changed"
    mine.append(said("user", "more"))

    assert await storage.get_conversation("1") == [{"role": "user", "content": "a", "parts": [1]}]


async def test_extends_and_deletes() -> None:
    storage = make()
    assert not await storage.extend_conversation("1")
    assert not await storage.delete_conversation("1")
    await storage.append_message("1", said("user", "a"))

    assert await storage.extend_conversation("1", 48)
    assert await storage.keyvalue.ttl("conv:1") == pytest.approx(48 * 3600)
    assert await storage.delete_conversation("1")
    assert await storage.get_conversation("1") is None


async def test_says_nothing_to_the_index_unless_told_to() -> None:
    faults = Faults()
    storage = make(faults)

    await storage.append_message("1", said("assistant", "secret plans"))

    assert not {"Upsert", "UpsertMany"} & set(faults.sent)


async def test_indexes_what_the_assistant_says_for_its_chat_only() -> None:
    storage = make(index_messages=True)

    await storage.append_message("1", said("user", "what is it"), said("assistant", "a red fox"))

    found = (await storage.search_context("red fox", "1"))["vector_results"]
    assert [result["content"] for result in found] == ["a red fox"]
    assert (await storage.search_context("red fox", "2"))["vector_results"] == []
    assert (await storage.search_context("red fox"))["vector_results"] == []
    await storage.delete_conversation("1")
    assert (await storage.search_context("red fox", "1"))["vector_results"] == []


async def test_a_message_that_could_not_be_indexed_is_stored_and_told() -> None:
    faults = Faults()
    storage = make(faults, index_messages=True)
    faults.before["UpsertMany"] = down()

    async with call() as told:
        assert await storage.append_message("1", said("assistant", "a")) == 1

    assert [brief.operation for brief in told.degraded] == ["Upsert"]


async def test_failures_are_raised_not_answered() -> None:
    faults = Faults()
    storage = make(faults)
    faults.before.update(Get=down(), Set=down(), Append=down(), Delete=down(), Expire=down())

    for work in (
        storage.get_conversation("1"),
        storage.save_conversation("1", []),
        storage.append_message("1", said("user", "a")),
        storage.delete_conversation("1"),
        storage.extend_conversation("1"),
    ):
        with pytest.raises(StorageError, match="down for the test"):
            await work


async def test_a_text_that_cannot_be_indexed_is_stored_and_told_and_the_others_indexed() -> None:
    storage = make(index_messages=True)
    messages = said("assistant", "a\0b"), said("assistant", "a red fox")

    async with call() as told:
        assert await storage.append_message("c", *messages) == 2

    assert await storage.get_conversation("c") == list(messages)
    assert [brief.operation for brief in told.degraded] == ["Upsert"]
    assert [m.text for m in await storage.vectors.search("fox", namespace="conv:c")] == [
        "a red fox"
    ]


async def test_a_store_that_closes_before_a_message_is_indexed_has_it_stored() -> None:
    storage = make(index_messages=True)
    await storage.vectors.close()

    async with call() as told:
        assert await storage.append_message("c", said("assistant", "a")) == 1

    assert [brief.operation for brief in told.degraded] == ["Upsert"]


@pytest.mark.parametrize("wrong", [None, 5, "text", {"role": "user", "content": "a"}])
async def test_refuses_what_are_no_messages(wrong: Any) -> None:
    with pytest.raises(Invalid, match="messages must be several"):
        await make().save_conversation("c", wrong)


async def test_messages_that_can_be_gone_through_once_are_stored_and_indexed() -> None:
    storage = make(index_messages=True)
    once: Any = (MappingProxyType(said("assistant", text)) for text in ("a red fox", "b"))

    await storage.save_conversation("c", once)

    assert await storage.get_conversation("c") == [
        said("assistant", "a red fox"),
        said("assistant", "b"),
    ]
    assert len(await storage.vectors.search("fox", namespace="conv:c")) == 2
