"""Embedders that fail or misbehave, in memory and in SQLite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from lamina.backends.memory import MemoryVectors
from lamina.backends.sqlite import SqliteVectors
from lamina.domains.vectors import Upsert, VectorsBackend
from lamina.embed import LexicalEmbedder
from lamina.errors import BackendError, StackError, StorageError, Unavailable
from lamina.stack import Stack
from lamina.values import Vector


class Odd:
    """Does with the texts what it is told to."""

    name = "odd"
    dimension = 2
    semantic = False

    def __init__(self, answer: Callable[[Sequence[str]], Any]) -> None:
        self.answer = answer

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        found: list[Vector] = self.answer(texts)
        return found


def in_memory(_: Path, answer: Callable[[Sequence[str]], Any]) -> VectorsBackend:
    return MemoryVectors(embedder=Odd(answer))


def in_sqlite(folder: Path, answer: Callable[[Sequence[str]], Any]) -> VectorsBackend:
    return SqliteVectors(folder / "v.db", embedder=Odd(answer))


def raises(error: Exception) -> Callable[[Sequence[str]], Any]:
    def answer(texts: Sequence[str]) -> Any:
        raise error

    return answer


EAST = Vector.of([1, 0])
Maker = Callable[..., VectorsBackend]
each = pytest.mark.parametrize("make", [in_memory, in_sqlite])


@each
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (raises(RuntimeError("cannot embed secret")), r"odd failed \(RuntimeError\)"),
        (lambda texts: [], r"odd gave 0 vectors for 1 texts"),
        (lambda texts: [EAST, EAST], r"odd gave 2 vectors for 1 texts"),
        (lambda texts: None, r"odd failed \(TypeError\)"),
        (lambda texts: [[1.0, 0.0]], r"odd gave a list for a vector of 2 numbers"),
        (lambda texts: [Vector.of([1, 2, 3])], r"odd gave 3 numbers for a vector of 2 numbers"),
    ],
)
async def test_an_embedder_that_misbehaves_is_a_failure_of_the_backend(
    make: Maker, tmp_path: Path, answer: Callable[[Sequence[str]], Any], expected: str
) -> None:
    async with Stack().over(make(tmp_path, answer)) as store:
        await store.set("old", EAST)
        for work in (
            store.set("a", "secret"),
            store.search("secret"),
            store.set_many([Upsert("a", text="secret")]),
        ):
            with pytest.raises(StorageError, match=expected) as caught:
                await work
            assert "secret" not in str(caught.value)
        assert [match.id for match in await store.search(EAST)] == ["old"]


@each
async def test_what_an_embedder_raised_is_the_cause(make: Maker, tmp_path: Path) -> None:
    cause = RuntimeError("cannot embed secret")
    async with Stack().over(make(tmp_path, raises(cause))) as store:
        with pytest.raises(BackendError) as caught:
            await store.search("secret")
    assert caught.value.__cause__ is cause
    assert caught.value.sent == "no"


@each
async def test_an_error_of_our_kind_is_let_through(make: Maker, tmp_path: Path) -> None:
    async with Stack().over(make(tmp_path, raises(Unavailable("no answer")))) as store:
        with pytest.raises(Unavailable, match="no answer"):
            await store.set("a", "x")


@each
async def test_a_model_that_is_not_installed_fails_the_operation(
    make: Maker, tmp_path: Path
) -> None:
    missing = StackError("it needs lamina[local-embeddings]")
    async with Stack().over(make(tmp_path, raises(missing))) as store:
        with pytest.raises(BackendError, match=r"odd failed: it needs lamina\[local"):
            await store.set("a", "x")


@pytest.mark.parametrize("option", [{"metric": "dot"}, {"kind": "sparse"}])
def test_approximate_search_takes_dense_vectors_and_the_cosine_only(
    option: Any, tmp_path: Path
) -> None:
    with pytest.raises(StackError, match="ann needs dense vectors and the cosine metric"):
        SqliteVectors(tmp_path / "v.db", embedder=LexicalEmbedder(), ann=True, **option)


def test_approximate_search_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lamina.backends.sqlite.vectors.find_spec", lambda name: None)
    with pytest.raises(StackError, match=r"ann needs lamina\[ann\]"):
        SqliteVectors(tmp_path / "v.db", embedder=LexicalEmbedder(), ann=True)
