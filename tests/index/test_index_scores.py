"""Scores of each metric and kind, exactly."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest

from lamina.errors import Invalid
from lamina.filters import F
from lamina.index import Hit, VectorIndex
from lamina.values import SparseVector, Vector


def near(index: VectorIndex, *numbers: float, top_k: int = 10) -> list[tuple[str, float]]:
    return [(hit.id, hit.score) for hit in index.search(Vector.of(numbers), top_k=top_k)]


@pytest.mark.parametrize(
    ("metric", "query", "stored", "score"),
    [
        ("cosine", (1, 0), (5, 0), 1.0),
        ("cosine", (1, 0), (0, 2), 0.5),
        ("cosine", (1, 0), (-3, 0), 0.0),
        ("cosine", (1, 1), (1, 0), (1 + math.sqrt(0.5)) / 2),
        ("dot", (0.6, 0.8), (0.6, 0.8), 1.0),
        ("dot", (1, 0), (0, 1), 0.5),
        ("dot", (1, 0), (-1, 0), 0.0),
        ("euclidean", (1, 2), (1, 2), 1.0),
        ("euclidean", (0, 0), (3, 4), 1 / 26),
    ],
)
def test_a_dense_score_follows_its_metric(
    metric: Literal["cosine", "dot", "euclidean"],
    query: tuple[float, float],
    stored: tuple[float, float],
    score: float,
) -> None:
    index = VectorIndex(metric=metric)
    index.put("a", Vector.of(stored))

    ((_, found),) = near(index, *query)

    assert found == pytest.approx(score, rel=1e-7)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_a_vector_equal_to_the_query_scores_exactly_1(
    metric: Literal["cosine", "euclidean"],
) -> None:
    rows = np.random.default_rng(1).standard_normal((3000, 256), dtype=np.float32)
    index = VectorIndex(metric=metric)
    index.put_many([str(number) for number in range(3000)], rows)

    for number in range(0, 3000, 97):
        best = index.search(Vector(rows[number].tobytes()), top_k=1)
        assert best == [Hit(str(number), 1.0)]


def test_scores_are_float32_numbers() -> None:
    index = VectorIndex()
    index.put("a", Vector.of([1, 2, 3]))

    ((_, score),) = near(index, 3, 1, 1)

    assert score == float(np.float32(score))


def test_a_zero_vector_scores_one_half_under_cosine() -> None:
    index = VectorIndex()
    index.put_many(["zero", "one"], [Vector.of([0, 0]), Vector.of([1, 0])])

    assert near(index, 0, 0) == [("zero", 0.5), ("one", 0.5)]
    assert near(index, -1, 0) == [("zero", 0.5), ("one", 0.0)]


@pytest.mark.parametrize("scale", [1e-44, 1e-30, 1e-12, 1e12, 1e30, 1.5e38])
def test_cosine_does_not_depend_on_length(scale: float) -> None:
    index = VectorIndex()
    index.put("long", Vector.of([scale, scale]))
    index.put("short", Vector.of([1, 0]))

    assert near(index, 1, 1)[0] == ("long", 1.0)
    assert near(index, scale, scale)[0] == ("long", 1.0)


@pytest.mark.parametrize(("metric", "score"), [("dot", 0.5), ("euclidean", 1.0)])
def test_the_tiniest_numbers_are_scored(metric: Literal["dot", "euclidean"], score: float) -> None:
    index = VectorIndex(metric=metric)
    index.put_many(["a", "b"], [Vector.of([1e-45, 0]), Vector.of([0, 1e-44])])

    assert near(index, 1e-44, 1e-44, top_k=1) == [("a", score)]


@pytest.mark.parametrize("metric", ["dot", "euclidean"])
def test_refuses_what_would_overflow(metric: Literal["dot", "euclidean"]) -> None:
    index = VectorIndex(metric=metric)
    index.put("a", Vector.of([1, 1]))

    with pytest.raises(Invalid, match="at most 1e"):
        index.put("b", Vector.of([3e38, 0]))
    with pytest.raises(Invalid, match="at most 1e"):
        index.search(Vector.of([3e38, 0]))
    assert len(index) == 1


def test_equal_scores_come_in_insertion_order() -> None:
    index = VectorIndex()
    rows = np.tile(np.array([[0.3, 0.4, 0.5]], np.float32), (5000, 1))
    index.put_many([f"n{number}" for number in range(5000)], rows)
    index.put("n0", Vector.of([0.3, 0.4, 0.5]))  # put again: now the last

    hits = near(index, 3, 1, 2, top_k=3)

    assert [name for name, _ in hits] == ["n1", "n2", "n3"]
    assert index.select(F.x.exists() | ~F.x.exists())[-1] == "n0"


def test_scores_that_differ_beyond_float32_are_ties() -> None:
    index = VectorIndex(metric="dot")
    tiny = 1e-9
    index.put("first", Vector.of([0.5, 0]))
    index.put("second", Vector.of([0.5, tiny]))

    assert [name for name, _ in near(index, 1, 1)] == ["first", "second"]


@pytest.mark.parametrize("rows", [4095, 5003, 9001])
@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
def test_large_indexes_answer_like_a_plain_sort(
    rows: int, metric: Literal["cosine", "dot", "euclidean"]
) -> None:
    random = np.random.default_rng(rows)
    matrix = random.standard_normal((rows, 40)).astype(np.float32)
    matrix[1000:2000] = matrix[:1000]  # many ties
    query = random.standard_normal(40).astype(np.float32)
    index = VectorIndex(metric=metric)
    index.put_many([str(number) for number in range(rows)], matrix)

    exact, wide = query.astype(np.float64), matrix.astype(np.float64)
    dots = wide @ exact
    scores = {
        "cosine": (1 + dots / np.linalg.norm(wide, axis=1) / np.linalg.norm(exact)) / 2,
        "dot": (1 + dots) / 2,
        "euclidean": 1 / (1 + ((wide - exact) ** 2).sum(axis=1)),
    }[metric].astype(np.float32)
    order = np.lexsort((np.arange(rows), -scores))[:50]

    found = index.search(Vector(query.tobytes()), top_k=50)

    assert [hit.score for hit in found] == pytest.approx(scores[order].tolist(), rel=2e-7)
    assert [hit.id for hit in found] == [str(number) for number in order]


def test_a_sparse_score_is_the_inner_product_of_common_indices() -> None:
    index = VectorIndex("sparse")
    index.put("both", sparse=SparseVector((1, -7), (2.0, 3.0)))
    index.put("one", sparse=SparseVector((-7, 5), (10.0, 1.0)))
    index.put("none", sparse=SparseVector((5,), (100.0,)))

    hits = index.search(sparse=SparseVector((-7, 1), (1.0, 0.5)))

    assert hits == [Hit("one", 10.0), Hit("both", 4.0)]


def test_a_repeated_sparse_index_counts_twice() -> None:
    index = VectorIndex("sparse")
    index.put("a", sparse=SparseVector((1, 1), (2.0, 3.0)))

    assert index.search(sparse=SparseVector((1, 1), (1.0, 1.0))) == [Hit("a", 10.0)]


def test_a_sparse_score_beyond_float32_is_the_largest() -> None:
    index = VectorIndex("sparse")
    index.put("a", sparse=SparseVector((1,), (3e38,)))

    (hit,) = index.search(sparse=SparseVector((1,), (3e38,)))

    assert hit.score == float(np.finfo(np.float32).max)


def test_idf_counts_living_vectors_only() -> None:
    index = VectorIndex("sparse")
    for name, indices in {"a": (1, 2), "b": (1,), "c": (1,), "gone": (2,)}.items():
        index.put(name, sparse=SparseVector(indices, (1.0,) * len(indices)))
    index.drop("gone")

    hits = index.search(sparse=SparseVector((1, 2), (1.0, 1.0)), weighting="idf")

    common = math.log((3 - 3 + 0.5) / (3 + 0.5) + 1)
    rare = math.log((3 - 1 + 0.5) / (1 + 0.5) + 1)
    assert [hit.id for hit in hits] == ["a", "b", "c"]
    assert [hit.score for hit in hits] == pytest.approx([common + rare, common, common])


def hybrid() -> VectorIndex:
    index = VectorIndex("hybrid")
    for name, (angle, weight) in {"a": (0.0, 1.0), "b": (0.3, 9.0), "c": (1.5, 4.0)}.items():
        dense = Vector.of([math.cos(angle), math.sin(angle)])
        index.put(name, dense, SparseVector((1,), (weight,)))
    index.put("dense only", Vector.of([-1, 0]), SparseVector((2,), (1.0,)))
    return index


def test_rrf_sums_reciprocal_ranks() -> None:
    hits = hybrid().search(Vector.of([1, 0]), SparseVector((1,), (1.0,)))

    expected = {"b": 1 / 61 + 1 / 60, "a": 1 / 60 + 1 / 62, "c": 1 / 62 + 1 / 61}
    expected["dense only"] = 1 / 63
    assert {hit.id: hit.score for hit in hits} == pytest.approx(expected)
    assert [hit.id for hit in hits] == ["b", "a", "c", "dense only"]


def test_dbsf_sums_normalised_scores() -> None:
    hits = hybrid().search(Vector.of([1, 0]), SparseVector((1,), (1.0,)), fusion="dbsf")

    dense = np.array([(1 + math.cos(angle)) / 2 for angle in (0.0, 0.3, 1.5)] + [0.0])
    sparse = np.array([1.0, 9.0, 4.0])
    given = 0.5 + (dense - dense.mean()) / (6 * dense.std())
    given[:3] += 0.5 + (sparse - sparse.mean()) / (6 * sparse.std())
    expected = dict(zip(["a", "b", "c", "dense only"], given.tolist(), strict=True))
    assert {hit.id: hit.score for hit in hits} == pytest.approx(expected)


def test_dbsf_of_equal_scores_gives_one_half_each() -> None:
    index = VectorIndex("hybrid")
    index.put("a", Vector.of([1, 0]), SparseVector((1,), (1.0,)))

    hits = index.search(Vector.of([1, 0]), SparseVector((1,), (1.0,)), fusion="dbsf")

    assert hits == [Hit("a", 1.0)]


def test_one_half_of_a_hybrid_query_is_not_fused() -> None:
    index = hybrid()

    assert index.search(Vector.of([1, 0]), top_k=1) == [Hit("a", 1.0)]
    assert index.search(sparse=SparseVector((1,), (1.0,)), top_k=1) == [Hit("b", 9.0)]


def test_fusion_looks_deeper_than_top_k() -> None:
    hits = hybrid().search(Vector.of([1, 0]), SparseVector((1,), (1.0,)), top_k=1)

    assert [hit.id for hit in hits] == ["b"]  # first in neither list's first place alone
