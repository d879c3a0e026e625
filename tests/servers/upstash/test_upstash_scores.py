"""Scores of every kind of index, and how they are ordered."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from upstash_wire import Control, Open, Wire


def single(number: float) -> float:
    """Return the float32 as the wire shows it."""
    return float(str(np.float32(number)))


def scores(index: Wire, asked: dict[str, Any], op: str = "query") -> dict[str, float]:
    return {each["id"]: each["score"] for each in index.ok(op, asked)}


def metric_score(metric: str, a: list[float], b: list[float]) -> float:
    x, y = (np.array(row, dtype=np.float32).astype(np.float64) for row in (a, b))
    if metric == "COSINE":
        return float((1 + x @ y / np.linalg.norm(x) / np.linalg.norm(y)) / 2)
    return float((1 + x @ y) / 2) if metric == "DOT_PRODUCT" else float(1 / (1 + (x - y) @ (x - y)))


@pytest.mark.parametrize("metric", ["COSINE", "DOT_PRODUCT", "EUCLIDEAN"])
def test_dense_scores_follow_the_metric(wire: Open, metric: str) -> None:
    index = wire("dense", metric=metric)
    vectors = {"a": [0.6, 0.8], "b": [1.0, 0.0], "c": [-0.6, 0.8], "d": [0.0, -1.0]}
    index.ok("upsert", [{"id": key, "vector": row} for key, row in vectors.items()])
    asked = [0.28, 0.96]

    found = scores(index, {"vector": asked})

    assert found == {key: single(metric_score(metric, asked, row)) for key, row in vectors.items()}
    assert list(found) == sorted(found, key=lambda key: -found[key])


@pytest.mark.parametrize("dimension", [2, 256, 1536])
def test_a_vector_equal_to_the_query_scores_exactly_one(wire: Open, dimension: int) -> None:
    index, chance = wire("dense"), random.Random(dimension)
    rows = [[chance.uniform(-1, 1) for _ in range(dimension)] for _ in range(20)]
    index.ok("upsert", [{"id": str(n), "vector": row} for n, row in enumerate(rows)])

    for n, row in enumerate(rows):
        assert index.ok("query", {"vector": row, "topK": 1}) == [{"id": str(n), "score": 1.0}]


def test_ties_are_broken_by_insertion_order(dense: Wire) -> None:
    keys = ["m", "b", "z", "a", "k"]
    dense.ok("upsert", [{"id": key, "vector": [n + 1, n + 1]} for n, key in enumerate(keys)])

    assert dense.ids("query", {"vector": [3, 3]}) == keys
    assert dense.ids("query", {"vector": [3, 3], "topK": 2}) == keys[:2]


def test_sparse_scores_are_inner_products_over_common_indices(wire: Open) -> None:
    index = wire("sparse")
    sparse = {
        "a": ([1, 2], [0.5, 2.0]),
        "b": ([2, 9], [-1.0, 3.0]),
        "c": ([5], [100.0]),
        "d": ([1], [0.0]),
    }
    for key, (indices, values) in sparse.items():
        index.ok("upsert", {"id": key, "sparseVector": {"indices": indices, "values": values}})

    found = scores(index, {"sparseVector": {"indices": [2, 1], "values": [10.0, 1.0]}})

    assert found == {"a": 20.5, "d": 0.0, "b": -10.0}
    assert list(found) == ["a", "d", "b"]


def test_a_repeated_sparse_index_is_taken(wire: Open) -> None:
    index = wire("sparse")
    repeated = {"indices": [3, 1, 3], "values": [1.0, 2.0, 3.0]}
    index.ok("upsert", {"id": "a", "sparseVector": repeated})

    assert scores(index, {"sparseVector": {"indices": [3], "values": [1.0]}}) == {"a": 4.0}


def test_idf_weighs_each_index_by_its_rarity(wire: Open) -> None:
    index = wire("sparse")
    for key, indices in {"id0": [0, 1], "id1": [1, 2], "id2": [2, 3]}.items():
        index.ok("upsert", {"id": key, "sparseVector": {"indices": indices, "values": [0.1, 0.1]}})
    asked = {"indices": [0, 1, 3], "values": [0.2, 0.1, 0.1]}

    found = scores(index, {"sparseVector": asked, "weightingStrategy": "IDF"})

    rare, common = (math.log((3 - n + 0.5) / (n + 0.5) + 1) for n in (1, 2))
    assert list(found) == ["id0", "id2", "id1"]
    assert found["id0"] == pytest.approx(0.02 * rare + 0.01 * common, rel=1e-6)
    assert found["id2"] == pytest.approx(0.01 * rare, rel=1e-6)
    assert found["id1"] == pytest.approx(0.01 * common, rel=1e-6)


@pytest.fixture
def hybrid(wire: Open) -> Wire:
    index = wire("hybrid")
    rows = {"id0": ([0.8, 0.9], [0, 1]), "id1": ([0.9, 0.9], [1, 2]), "id2": ([0.3, 0.9], [2, 3])}
    for key, (vector, indices) in rows.items():
        sparse = {"indices": indices, "values": [0.1, 0.1]}
        index.ok("upsert", {"id": key, "vector": vector, "sparseVector": sparse})
    return index


NEAR = {"vector": [0.9, 0.9]}
WORDS = {"sparseVector": {"indices": [0, 1, 3], "values": [0.1, 0.1, 100.0]}}


def test_one_component_alone_is_not_fused(hybrid: Wire) -> None:
    dense = scores(hybrid, NEAR)
    sparse = scores(hybrid, WORDS)

    assert list(dense) == ["id1", "id0", "id2"]
    assert dense["id1"] == 1.0
    tenth = float(np.float32(0.1))
    assert sparse == {"id2": 10.0, "id0": single(2 * tenth**2), "id1": single(tenth**2)}


@pytest.mark.parametrize("fusion", [{}, {"fusionAlgorithm": "RRF"}])
def test_reciprocal_ranks_are_summed(hybrid: Wire, fusion: dict[str, str]) -> None:
    found = scores(hybrid, NEAR | WORDS | fusion)

    assert found == {
        "id1": single(1 / 60 + 1 / 62),
        "id2": single(1 / 62 + 1 / 60),
        "id0": single(1 / 61 + 1 / 61),
    }


def test_scores_are_those_that_the_service_gave(wire: Open) -> None:
    index = wire("hybrid")
    rows = {f"id{n}": [0.1, 0.2, 0.3, 0.4][n : n + 2] for n in range(3)}
    for n, (key, row) in enumerate(rows.items()):
        sparse = {"indices": [n, n + 1], "values": row}
        index.ok("upsert", {"id": key, "vector": row, "sparseVector": sparse})

    def best(**asked: Any) -> dict[str, float]:
        return scores(index, asked | {"topK": 1})

    words = {"indices": [3, 4], "values": [0.1, 0.2]}
    assert best(vector=[0.1, 0.1], sparseVector=words) == {"id2": 0.033333335}
    words = {"indices": [0, 1], "values": [0.5, 0.1]}
    assert best(vector=[0.5, 0.1], sparseVector=words) == {"id0": 0.032795697}
    words = {"indices": [2, 3], "values": [0.5, 0.5]}
    assert best(sparseVector=words, weightingStrategy="IDF") == {"id2": 0.26666638}


def test_distributions_are_summed(hybrid: Wire) -> None:
    found = scores(hybrid, NEAR | WORDS | {"fusionAlgorithm": "DBSF"})

    expected = dict.fromkeys(found, 0.0)
    for part in (scores(hybrid, NEAR), scores(hybrid, WORDS)):
        values = list(part.values())
        mean, deviation = np.mean(values), np.std(values)
        for key, value in part.items():
            expected[key] += 0.5 + float((value - mean) / (6 * deviation))
    assert list(found) == ["id1", "id2", "id0"]
    assert found == pytest.approx(expected, rel=1e-5)


def test_what_the_formulas_leave_open_is_a_switch(hybrid: Wire, control: Control) -> None:
    control(rank_from_1=True, sample_deviation=True)

    ranks = scores(hybrid, NEAR | WORDS)
    assert ranks["id0"] == single(2 / 62)
    expected = dict.fromkeys(ranks, 0.0)
    for part in (scores(hybrid, NEAR), scores(hybrid, WORDS)):
        values = list(part.values())
        for key, value in part.items():
            distance = value - np.mean(values)
            expected[key] += 0.5 + float(distance / (6 * np.std(values, ddof=1)))
    found = scores(hybrid, NEAR | WORDS | {"fusionAlgorithm": "DBSF"})
    assert found == pytest.approx(expected, rel=1e-5)


def test_fusion_looks_deeper_than_top_k(wire: Open) -> None:
    index = wire("hybrid")
    for n in range(20):  # id 9 is middling in both lists, all others are last in one
        dense, sparse = ([1, n + 1], n + 1) if n < 10 else ([1, 60 - n], 60 - n)
        row = {"indices": [1], "values": [sparse if n == 9 else (100 if n > 9 else 0.001)]}
        index.ok("upsert", {"id": str(n), "vector": dense, "sparseVector": row})
    asked = {"vector": [1, 1], "sparseVector": {"indices": [1], "values": [1]}}

    assert index.ok("query", asked | {"topK": 1}) == index.ok("query", asked | {"topK": 20})[:1]
    assert index.ok("query", asked | {"topK": 3}) == index.ok("query", asked | {"topK": 20})[:3]


TEXTS = {
    "japan": "The capital of Japan is Tokyo.",
    "france": "The capital of France is Paris.",
    "food": "Cooking noodles takes three minutes in boiling water.",
}


def written(index: Wire) -> Wire:
    index.ok("upsert-data", [{"id": key, "data": text} for key, text in TEXTS.items()])
    return index


def test_texts_are_embedded_stored_and_found(wire: Open) -> None:
    index = written(wire("embedding"))

    found = index.ok("query-data", {"data": TEXTS["food"], "topK": 3, "includeData": True})
    assert found[0] == {"id": "food", "score": 1.0, "data": TEXTS["food"]}
    asked = {"data": "Which city is the capital of Japan?", "topK": 1}
    assert index.ids("query-data", asked) == ["japan"]
    vectors = index.ok("fetch", {"ids": ["food"], "includeVectors": True})
    assert len(vectors[0]["vector"]) == index.ok("info")["dimension"] == 256


def test_another_embedding_dimension_changes_no_score(wire: Open) -> None:
    asked = {"data": "the capital of Japan", "topK": 3}

    usual, wide = written(wire("embedding")), written(wire("embedding", dimension=384))

    assert wide.ok("info")["dimension"] == 384
    assert wide.ok("query-data", asked) == usual.ok("query-data", asked)


def test_an_index_with_a_model_takes_vectors_too(wire: Open) -> None:
    index = wire("embedding")
    row = [0.5] * 256
    index.ok("upsert", {"id": "a", "vector": row, "data": "text"})

    found = index.ok("query", {"vector": row, "includeData": True})
    assert found == [{"id": "a", "score": 1.0, "data": "text"}]


def test_query_data_modes_choose_the_component(wire: Open) -> None:
    index = written(wire("hybrid-embedding"))
    asked = {"data": "capital of France", "topK": 3}

    dense = scores(index, asked | {"queryMode": "DENSE"}, "query-data")
    sparse = scores(index, asked | {"queryMode": "SPARSE"}, "query-data")
    both = scores(index, asked, "query-data")

    assert len(dense) == 3
    assert list(sparse) == ["france", "japan"]  # food has none of the words
    assert both == scores(index, asked | {"queryMode": "HYBRID"}, "query-data")
    assert both["france"] == single(2 / 60)


def test_sparse_texts_are_scored_by_bm25(wire: Open) -> None:
    index = wire("sparse-embedding")
    texts = ["hello", "hello world", "hello hello world"]
    index.ok("upsert-data", [{"id": str(n), "data": text} for n, text in enumerate(texts)])

    found = scores(index, {"data": "Hello"}, "query-data")

    for n, (count, length) in enumerate([(1, 1), (1, 2), (2, 3)]):
        saturated = count * 2.2 / (count + 1.2 * (0.25 + 0.75 * length / 32))
        assert found[str(n)] == pytest.approx(saturated, rel=1e-6)
    weighed = scores(index, {"data": "Hello", "weightingStrategy": "IDF"}, "query-data")
    rarity = math.log((3 - 3 + 0.5) / (3 + 0.5) + 1)
    assert weighed["2"] == pytest.approx(found["2"] * rarity, rel=1e-5)


def test_updated_data_is_embedded_again_where_there_is_a_model(wire: Open) -> None:
    for kind in ("embedding", "hybrid-embedding", "sparse-embedding"):
        index = wire(kind)
        index.ok("upsert-data", {"id": "a", "data": "hello"})
        asked = {"ids": ["a"], "includeVectors": True, "includeData": True}
        (old,) = index.ok("fetch", asked)

        assert index.ok("update", {"id": "a", "data": "bye"}) == {"updated": 1}

        (new,) = index.ok("fetch", asked)
        assert new["data"] == "bye"
        assert all(new[key] != old[key] for key in {"vector", "sparseVector"} & new.keys())


def test_a_text_without_words_is_taken(wire: Open) -> None:
    index = wire("hybrid-embedding")
    index.ok("upsert-data", [{"id": "a", "data": "the"}, {"id": "b", "data": ""}])

    assert index.ids("query-data", {"data": "to be or not", "queryMode": "SPARSE"}) == []
