from __future__ import annotations

from pathlib import Path

import pytest

from lamina.bot.answer.answer import NOTHING, Answers
from lamina.bot.answer.find import find
from lamina.bot.answer.quote import quote
from lamina.bot.ingest.ingest import Ingest
from lamina.bot.library import Library
from lamina.errors import StorageError, Unavailable
from lamina.storage import UnifiedStorage


class NoProgress:
    def start(self, files: int, size: int) -> None: ...
    def advance(self, path: Path, size: int) -> None: ...
    def stop(self) -> None: ...


async def filled(docs: Path) -> UnifiedStorage:
    storage = UnifiedStorage.in_memory()
    await Ingest(Library(storage), NoProgress()).take(docs)
    return storage


@pytest.mark.parametrize(
    ("question", "source"),
    [
        ("how do I add a layer?", "build-a-layer.md"),
        ("add a layer", "build-a-layer.md"),
        ("How can I write my own layer?", "build-a-layer.md"),
        ("how do I build a backend?", "build-a-backend.md"),
        ("when does the breaker open?", "layers.md"),
        ("how long should dough rest?", "bread.txt"),
    ],
)
async def test_the_right_source_comes_first(docs: Path, question: str, source: str) -> None:
    answer = await Answers(await filled(docs)).answer(question, chat_id="a")

    assert Path(answer.sources[0].source).name == source


@pytest.mark.parametrize(
    "question",
    [
        "what is the capital of France?",
        "who won the world cup in 1998?",
        "???",
        "\u65e5\u672c\u8a9e",
    ],
)
async def test_nothing_relevant_is_said_to_be_nothing(docs: Path, question: str) -> None:
    answer = await Answers(await filled(docs)).answer(question, chat_id="a")

    assert (answer.text, answer.sources) == (NOTHING, ())


async def test_an_empty_library_answers_that_it_has_nothing() -> None:
    answer = await Answers(UnifiedStorage.in_memory()).answer("how?", chat_id="a")

    assert answer.text == NOTHING


@pytest.mark.parametrize("what", ["layer", "backend"])
async def test_a_follow_up_is_answered_from_what_was_asked_before(docs: Path, what: str) -> None:
    storage = await filled(docs)
    history = [
        {"role": "user", "content": f"how do I add a {what}?"},
        {"role": "assistant", "content": "..."},
    ]

    answer = await Answers(storage).answer("and how do I test it?", chat_id="a", history=history)

    assert answer.sources[0].name == f"build-a-{what}.md"
    assert answer.sources[0].heading.endswith("Test it")


async def test_the_quotation_follows_the_order_of_the_file(docs: Path) -> None:
    answer = await Answers(await filled(docs)).answer("how do I test a layer?", chat_id="a")

    assert answer.sources[0].heading.endswith("Test it")
    assert answer.text.index("stands between") < answer.text.index("Run the public suite")


async def test_documents_of_others_are_sources_too() -> None:
    storage = UnifiedStorage.in_memory()
    id_ = await storage.store_document("Penguins live in the south.", {"source": None})

    answer = await Answers(storage).answer("where do penguins live?", chat_id="a")

    assert "Penguins live in the south." in answer.text
    assert answer.sources[0].source == id_


async def test_without_the_index_words_still_find_and_it_is_told(docs: Path) -> None:
    storage = await filled(docs)

    found = await find(Without(storage, "vectors"), "bake bread")  # type: ignore[arg-type]  # stands for it

    assert found.passages[0].name == "bread.txt"
    assert found.notices == ("searched by words only: is down",)


async def test_without_documents_meaning_still_finds_and_it_is_told(docs: Path) -> None:
    storage = await filled(docs)

    found = await find(Without(storage, "documents"), "bake bread")  # type: ignore[arg-type]  # stands for it

    assert found.passages[0].name == "bread.txt"
    assert found.notices == ("searched by meaning only: is down",)


async def test_without_both_the_failure_comes_out(docs: Path) -> None:
    storage = await filled(docs)

    with pytest.raises(StorageError):
        await find(Without(storage, "vectors", "documents"), "bread")  # type: ignore[arg-type]  # stands for it


class Without:
    """A storage of which some parts are down."""

    def __init__(self, storage: UnifiedStorage, *parts: str) -> None:
        self._storage = storage
        self._parts = parts
        self.documents = self

    async def search(self, query: str, *, limit: int) -> object:
        if "documents" in self._parts:
            msg = "is down"
            raise Unavailable(msg)
        return await self._storage.documents.search(query, limit=limit)

    async def search_context(self, *args: object, **options: object) -> object:
        if "vectors" in self._parts:
            msg = "is down"
            raise Unavailable(msg)
        return await self._storage.search_context(*args, **options)  # type: ignore[arg-type]  # handed on


def test_a_long_passage_is_quoted_around_its_best_paragraph() -> None:
    parts = [f"Paragraph {n} is about nothing in particular. {'So it is. ' * 20}" for n in range(9)]
    parts[6] = f"The answer is here. {'So it is. ' * 20}"

    said = quote("\n\n".join(parts), "what is the answer?", most=500)

    assert said.startswith("...\n\nThe answer is here.")
    assert said.endswith("...")
    assert len(said) < 520


def test_a_paragraph_that_is_too_long_is_cut_at_a_word() -> None:
    said = quote("answer " * 400, "answer", most=100)

    assert said == ("answer " * 14).rstrip() + " ..."
