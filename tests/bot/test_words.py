from __future__ import annotations

import pytest

from lamina.bot.answer.words import in_context, keywords, stem


def test_keywords_are_the_words_that_say_something() -> None:
    assert keywords("How do I add a Layer, and what is a layer?") == ("add", "layer")
    assert keywords("why?") == ()


@pytest.mark.parametrize(
    "forms",
    [
        ("layer", "layers"),
        ("cache", "caches", "caching", "cached"),
        ("stop", "stops", "stopped", "stopping"),
        ("retry", "retries"),
        ("class", "classes"),
        ("fall", "falling"),
        ("box", "boxes"),
    ],
)
def test_forms_of_a_word_have_one_stem(forms: tuple[str, ...]) -> None:
    assert len({stem(form) for form in forms}) == 1


@pytest.mark.parametrize("word", ["status", "this", "ring", "bed", "is", "redis", "basis"])
def test_an_ending_that_is_none_stays(word: str) -> None:
    assert stem(word) == word


@pytest.mark.parametrize(
    "question", ["and how do I test it?", "why?", "what about them?", "or tests?"]
)
def test_a_question_that_leans_back_takes_the_words_before(question: str) -> None:
    asked = in_context(question, ["what is bread?", "how do I add a layer?"])

    assert asked == f"{question} add layer"


def test_what_leans_back_twice_reaches_the_question_that_stands() -> None:
    asked = in_context("and why?", ["how do I add a layer?", "and how do I test it?"])

    assert asked == "and why? add layer"


@pytest.mark.parametrize(
    "question",
    ["which database keeps the conversations?", "what is a chunk?", "is there a cache?", "chunks"],
)
def test_a_question_that_stands_alone_is_left_alone(question: str) -> None:
    assert in_context(question, ["how do I add a layer?"]) == question


def test_the_first_question_has_nothing_to_lean_on() -> None:
    assert in_context("and it?", []) == "and it?"
