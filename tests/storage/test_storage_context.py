from __future__ import annotations

import asyncio
from typing import Any

import pytest
from storage_faults import Faults, down, make

from lamina.context import call
from lamina.errors import DeadlineExceeded, Invalid, Unavailable
from lamina.layers.timeout import Timeout


async def filled(faults: Faults | None = None, *layers: Any) -> Any:
    storage = make(faults, *layers)
    await storage.store_document("cats like milk", {"topic": "cats"})
    await storage.store_document("dogs like bones", {"topic": "dogs"})
    for number in range(4):
        await storage.append_message(
            "1",
            {"role": "system", "content": "rules"},
            {"role": "user", "content": f"u{number}"},
            {"role": "assistant", "content": f"a{number}"},
        )
    return storage


async def test_gives_results_and_the_last_five_of_user_and_assistant() -> None:
    storage = await filled()

    context = await storage.search_context("do cats like milk", "1", top_k=1)

    assert [result["content"] for result in context["vector_results"]] == ["cats like milk"]
    assert context["vector_results"][0]["metadata"]["topic"] == "cats"
    assert [m["content"] for m in context["conversation_context"]] == ["a1", "u2", "a2", "u3", "a3"]
    assert context["combined_relevance"] == context["vector_results"][0]["score"]
    assert 0 < context["combined_relevance"] <= 1
    assert context["degraded"] == []


async def test_relevance_is_the_mean_score() -> None:
    context = await (await filled()).search_context("cats like milk")

    scores = [result["score"] for result in context["vector_results"]]
    assert len(scores) == 2
    assert context["combined_relevance"] == pytest.approx(sum(scores) / 2)


async def test_nothing_found_is_no_relevance() -> None:
    context = await make().search_context("anything", "1")

    assert context == {
        "vector_results": [],
        "conversation_context": [],
        "combined_relevance": 0.0,
        "degraded": [],
    }


async def test_leaves_the_conversation_out_when_told() -> None:
    faults = Faults()
    storage = await filled(faults)
    faults.before["Get"] = down()

    context = await storage.search_context("milk", "1", include_conversation=False)

    assert context["conversation_context"] == []
    assert context["degraded"] == []


async def test_answers_without_vectors_and_says_so() -> None:
    faults = Faults()
    storage = await filled(faults)
    faults.before["Nearest"] = down()

    async with call() as told:
        context = await storage.search_context("milk", "1")

    assert context["degraded"] == ["vectors"]
    assert context["vector_results"] == []
    assert len(context["conversation_context"]) == 5
    assert [brief.operation for brief in told.degraded] == ["Nearest"]


async def test_answers_without_the_conversation_and_says_so() -> None:
    faults = Faults()
    storage = await filled(faults)
    faults.before["Get"] = down()

    context = await storage.search_context("milk", "1")

    assert context["degraded"] == ["conversation"]
    assert context["vector_results"]


async def test_fails_when_all_that_was_asked_for_fails() -> None:
    faults = Faults()
    storage = await filled(faults)
    faults.before.update(Nearest=down(), Get=down())

    with pytest.raises(Unavailable) as both:
        await storage.search_context("milk", "1")
    with pytest.raises(Unavailable):
        await storage.search_context("milk")

    assert "so did the other part" in both.value.__notes__[0]


async def test_a_part_that_hangs_costs_its_timeout_only() -> None:
    faults = Faults()
    storage = await filled(faults, Timeout(2.0))
    faults.hang.add("Nearest")
    began = asyncio.get_running_loop().time()

    context = await storage.search_context("milk", "1")

    assert context["degraded"] == ["vectors"]
    assert asyncio.get_running_loop().time() - began == pytest.approx(2.0)


async def test_the_callers_deadline_reaches_both_parts() -> None:
    faults = Faults()
    storage = await filled(faults, Timeout(60.0))
    faults.hang.update({"Nearest", "Get"})

    with pytest.raises(DeadlineExceeded):
        async with call(deadline=1.0):
            await storage.search_context("milk", "1")

    assert asyncio.get_running_loop().time() == pytest.approx(1.0)


async def test_cancelling_it_leaves_nothing_running() -> None:
    faults = Faults()
    storage = await filled(faults)
    faults.hang.update({"Nearest", "Get"})

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.0):
            await storage.search_context("milk", "1")

    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("query", ["", "  ", "a\0b", None, 5])
async def test_refuses_a_query_that_asks_nothing(query: Any) -> None:
    with pytest.raises(Invalid, match="query"):
        await make().search_context(query)


@pytest.mark.parametrize("top_k", [0, -1])
async def test_refuses_to_find_fewer_than_one(top_k: int) -> None:
    with pytest.raises(Invalid, match="top_k"):
        await make().search_context("a", top_k=top_k)


async def test_answers_are_the_callers_own() -> None:
    storage = await filled()

    mine = await storage.search_context("milk", "1")
    mine["vector_results"][0]["metadata"]["topic"] = "changed"
    mine["conversation_context"][0]["content"] = "changed"

    again = await storage.search_context("milk", "1")
    assert again["vector_results"][0]["metadata"]["topic"] in {"cats", "dogs"}
    assert again["conversation_context"][0]["content"] == "a1"
