"""What the offline embedders promise."""

from __future__ import annotations

import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from lamina import embed
from lamina.embed import MAX_CHARACTERS, LexicalEmbedder, WordLlamaEmbedder, default_embedder
from lamina.errors import StackError
from lamina.values import Vector

if TYPE_CHECKING:
    from lamina.embed import Embedder

Offline: TypeAlias = LexicalEmbedder | WordLlamaEmbedder

WORDLLAMA = WordLlamaEmbedder()
BOTH = pytest.mark.parametrize("embedder", [LexicalEmbedder(), WORDLLAMA])


def cosine(first: Vector, second: Vector) -> float:
    return math.fsum(a * b for a, b in zip(first.numbers(), second.numbers(), strict=True))


@BOTH
def test_vectors_have_length_1_and_the_dimension_told(embedder: Offline) -> None:
    plain: Embedder = embedder
    (vector,) = plain.embed(["a bot that remembers"])

    assert vector.dimension == plain.dimension == 256
    assert cosine(vector, vector) == pytest.approx(1.0, abs=1e-6)


@BOTH
def test_a_text_gives_the_same_vector_alone_and_among_others(embedder: Offline) -> None:
    texts = ["the cat sat on the mat", "", "x" * 3000, "prices rose sharply"]

    together = embedder.embed(texts)

    assert together == [vector for text in texts for vector in embedder.embed([text])]
    assert together == list(reversed(embedder.embed(list(reversed(texts)))))
    assert embedder.embed([]) == []


@BOTH
def test_texts_with_shared_words_are_nearer_than_strangers(embedder: Offline) -> None:
    base, near, far = embedder.embed(
        [
            "How do I reset the password of my account?",
            "reset my account password",
            "The volcano erupted at dawn above the harbour",
        ]
    )

    assert cosine(base, near) > cosine(base, far) + 0.2


@BOTH
def test_the_empty_text_gives_the_zero_vector(embedder: Offline) -> None:
    assert embedder.embed([""]) == [Vector(bytes(1024))]


@BOTH
@pytest.mark.parametrize("text", ["\ud800", "a\0b", "\U0001f600", " \n\t", "\ufdfa" * 300, "é" * 5])
def test_any_text_gives_a_finite_vector(embedder: Offline, text: str) -> None:
    (vector,) = embedder.embed([text])

    assert cosine(vector, vector) == pytest.approx(1.0, abs=1e-6) or not any(vector.numbers())


@BOTH
def test_only_the_first_characters_of_a_huge_text_count(embedder: Offline) -> None:
    head = ("every good bot deserves memory " * 1000)[:MAX_CHARACTERS]

    short, huge = embedder.embed([head, head + " tail" * 2_000_000])

    assert short == huge


def test_wordllama_knows_paraphrases_without_common_words() -> None:
    pairs = [
        ("The physician treated her patients", "A doctor cares for the sick"),
        ("He purchased a new automobile", "The man bought a car"),
        ("The film was very funny", "An amusing movie"),
    ]
    unrelated = ["Stock markets fell today", "Water the tomatoes every morning"]

    for first, second in pairs:
        base, near, *far = WORDLLAMA.embed([first, second, *unrelated])
        assert cosine(base, near) > max(cosine(base, other) for other in far) + 0.1


def test_wordllama_loads_once_for_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    read = embed._read_model

    def counted() -> Any:
        reads.append(1)
        return read()

    monkeypatch.setattr(embed, "_read_model", counted)
    embedder = WordLlamaEmbedder()

    with ThreadPoolExecutor(8) as pool:
        vectors = list(pool.map(lambda _: embedder.embed(["hello"])[0], range(16)))

    assert reads == [1]
    assert len(set(vectors)) == 1


def test_lexical_vectors_are_the_same_in_every_process() -> None:
    code = (
        "from lamina.embed import LexicalEmbedder\n"
        "print(LexicalEmbedder().embed(['stable hashing'])[0].data.hex())"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stdout.strip()
        for _ in range(2)
    }

    assert texts == {LexicalEmbedder().embed(["stable hashing"])[0].data.hex()}


def test_the_default_is_the_best_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_embedder().semantic
    assert "word vectors" in default_embedder().describe()

    monkeypatch.setattr(embed, "find_spec", lambda name: None)

    assert not default_embedder().semantic
    assert "local-embeddings" in default_embedder().describe()


def test_a_missing_model_is_told_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "find_spec", lambda name: None)

    with pytest.raises(StackError, match="local-embeddings"):
        WordLlamaEmbedder().embed(["a"])


def test_importing_and_making_embedders_loads_nothing_heavy() -> None:
    code = (
        "import sys, lamina.embed\nlamina.embed.default_embedder()\n"
        "heavy = {'numpy', 'tokenizers', 'wordllama'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
