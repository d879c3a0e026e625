"""Searching among given ids only."""

from __future__ import annotations

import pytest

from lamina.filters import F
from lamina.index import VectorIndex
from lamina.values import SparseVector, Vector


def hybrid() -> VectorIndex:
    index = VectorIndex("hybrid")
    for n in range(6):
        vector, sparse = Vector.of([1.0, float(n)]), SparseVector((1,), (float(n + 1),))
        index.put(str(n), vector, sparse, {"n": n})
    index.drop("1")
    return index


NEAR = Vector.of([1.0, 0.0])
WORDS = SparseVector((1,), (1.0,))


def test_other_ids_are_left_out() -> None:
    index = hybrid()
    ids = ["4", "2", "1", "unknown", "5"]

    assert [hit.id for hit in index.search(NEAR, among=ids)] == ["2", "4", "5"]
    assert [hit.id for hit in index.search(None, WORDS, among=ids)] == ["5", "4", "2"]
    assert {hit.id for hit in index.search(NEAR, WORDS, among=ids)} == {"2", "4", "5"}
    assert [hit.id for hit in index.search(NEAR, top_k=1, among=iter(ids))] == ["2"]


def test_a_filter_narrows_them_further() -> None:
    found = hybrid().search(NEAR, filter=F.n > 2, among=["2", "4", "5"])

    assert [hit.id for hit in found] == ["4", "5"]


@pytest.mark.parametrize("ids", [[], ["1"], ["unknown"]])
def test_none_of_them_finds_nothing(ids: list[str]) -> None:
    assert hybrid().search(NEAR, WORDS, among=ids) == []


def test_scores_are_those_of_a_search_among_all() -> None:
    index = hybrid()
    everything = {hit.id: hit.score for hit in index.search(NEAR)}

    assert {hit.id: hit.score for hit in index.search(NEAR, among=["3", "0"])} == {
        "0": everything["0"],
        "3": everything["3"],
    }


def test_one_score_alone_lies_in_the_middle_of_a_sample() -> None:
    index = VectorIndex("hybrid")
    index.put("a", NEAR, WORDS)

    for fusion in ("dbsf", "dbsf-of-sample"):
        (hit,) = index.search(NEAR, WORDS, fusion=fusion)
        assert hit.score == 1.0
