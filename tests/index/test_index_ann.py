"""The optional graph only guesses; scores and filters stay exact."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from lamina.errors import Invalid
from lamina.filters import F
from lamina.index import VectorIndex, core
from lamina.values import Vector

pytest.importorskip("usearch")


def rows(count: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.random.default_rng(3).standard_normal((count, 16), dtype=np.float32)


def test_answers_nearly_like_the_exact_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "_ANN_FROM", 1000)
    matrix, names = rows(3000), [str(number) for number in range(3000)]
    exact, guessed = VectorIndex(), VectorIndex(ann=True)
    for index in (exact, guessed):
        index.put_many(names, matrix, [{"n": number} for number in range(3000)])
        for number in range(0, 2500, 2):
            index.drop(str(number))  # squeezes in between
        index.put("0", Vector(matrix[0].tobytes()), metadata={"n": 0})

    common = 0
    for number in range(100):
        query = Vector(matrix[number].tobytes())
        right, found = exact.search(query), guessed.search(query)
        common += len({hit.id for hit in right} & {hit.id for hit in found})
        assert guessed.search(query, filter=F.n < 2000) == exact.search(query, filter=F.n < 2000)
        assert {hit.id: hit.score for hit in found}.keys() <= set(names)
    assert common >= 950
    assert guessed.search(Vector(matrix[0].tobytes()))[0].score == 1.0


def test_is_exact_below_its_threshold() -> None:
    matrix, names = rows(500), [str(number) for number in range(500)]
    exact, guessed = VectorIndex(), VectorIndex(ann=True)
    exact.put_many(names, matrix)
    guessed.put_many(names, matrix)

    query = Vector(matrix[5].tobytes())
    assert guessed.search(query, top_k=100) == exact.search(query, top_k=100)


def test_goes_with_cosine_and_dense_vectors_only() -> None:
    with pytest.raises(Invalid, match="cosine"):
        VectorIndex(metric="dot", ann=True)
    with pytest.raises(Invalid, match="dense"):
        VectorIndex("sparse", ann=True)


def test_is_imported_only_if_asked() -> None:
    code = (
        "import sys\nfrom lamina.index import VectorIndex\nVectorIndex()\n"
        "assert 'usearch' not in sys.modules\nVectorIndex(ann=True)\n"
        "assert 'usearch' in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
