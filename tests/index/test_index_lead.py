"""The leads of rows rule out only what cannot be among the nearest."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from lamina.filters import F
from lamina.index import VectorIndex, dense
from lamina.index.lead import Lead
from lamina.values import Vector

SIZE = 16


@pytest.fixture(autouse=True)
def small_matrices_have_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense, "_LED_FROM", 100)
    monkeypatch.setattr(dense, "_LED_WIDTH", SIZE)


def clustered(count: int, seed: int) -> Any:
    """Return rows near 3 of the axes, some of them equal, some zero, of very different lengths."""
    random = np.random.default_rng(seed)
    basis = random.standard_normal((3, SIZE))
    rows = random.standard_normal((count, 3)) @ basis + 0.05 * random.standard_normal((count, SIZE))
    rows *= 10.0 ** random.integers(-6, 6, (count, 1))
    rows[random.integers(0, count, count // 5)] = rows[0]
    rows[random.integers(0, count, 3)] = 0.0
    return rows.astype(np.float32)


def scattered(count: int, seed: int) -> Any:
    return np.random.default_rng(seed).standard_normal((count, SIZE), dtype=np.float32)


def filled(rows: Any) -> VectorIndex:
    index = VectorIndex()
    index.put_many(
        [f"id {n}" for n in range(len(rows))], rows, [{"n": n % 10} for n in range(len(rows))]
    )
    return index


def expected(rows: Any, query: Any, kept: list[int], top_k: int) -> list[tuple[str, float]]:
    """Return the nearest by definition: float64 cosines, rounded, ties in insertion order."""
    exact, asked = rows[kept].astype(np.float64), query.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1) * np.linalg.norm(asked)
    cosines = np.divide(exact @ asked, lengths, out=np.zeros(len(kept)), where=lengths > 0)
    scores = ((1 + np.clip(cosines, -1, 1)) / 2).astype(np.float32)
    order = np.lexsort((np.arange(len(kept)), -scores))[:top_k]
    return [(f"id {kept[place]}", float(scores[place])) for place in order]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("make", [clustered, scattered])
def test_answers_are_those_of_the_definition(make: Any, seed: int) -> None:
    rows = make(1500, seed)
    index = filled(rows)
    for query in (*make(6, seed + 100), rows[3], rows[0] if rows[0].any() else rows[1]):
        if not query.any():
            continue
        for where, kept in (
            (None, list(range(1500))),
            (F.n < 9, [n for n in range(1500) if n % 10 < 9]),
            (F.n < 2, [n for n in range(1500) if n % 10 < 2]),
        ):
            hits = index.search(Vector(query.tobytes()), top_k=7, filter=where)
            told = [hit.score for hit in hits]
            assert told == [score for _, score in expected(rows, query, kept, 7)]


def test_clustered_rows_are_ruled_out_and_scattered_ones_are_not_tried() -> None:
    ones = np.ones(1500, dtype=np.float32)
    near = clustered(1500, 0)
    lengths = np.linalg.norm(near.astype(np.float64), axis=1)
    inverse = np.divide(1.0, lengths, out=np.zeros(1500), where=lengths > 0).astype(np.float32)

    lead = Lead(near, inverse)
    assert lead.tells
    lead.follow(near, inverse)
    unit = near[1] * inverse[1]
    assert np.mean(lead.bound(unit) >= 0.99) < 0.6

    assert not Lead(scattered(1500, 0), ones).tells


@pytest.mark.parametrize("seed", range(5))
def test_a_bound_is_never_below_the_product(seed: int) -> None:
    rows = clustered(700, seed)
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
    inverse = np.divide(1.0, lengths, out=np.zeros(700), where=lengths > 0).astype(np.float32)
    lead = Lead(rows, inverse)
    lead.follow(rows, inverse)

    query = scattered(1, seed)[0]
    query /= np.linalg.norm(query)

    assert (lead.bound(query) >= (rows * inverse[:, np.newaxis]) @ query).all()


def test_rows_that_come_and_go_are_followed() -> None:
    rows = clustered(1200, 1)
    index = filled(rows[:300])
    query = Vector(rows[5].tobytes())
    index.search(query)
    kept = list(range(300))
    for start in range(300, 1200, 300):
        ids = [f"id {n}" for n in range(start, start + 300)]
        index.put_many(ids, rows[start : start + 300], [{"n": 0}] * 300)
        kept += range(start, start + 300)
        told = [hit.score for hit in index.search(query, top_k=9)]
        assert told == [score for _, score in expected(rows, rows[5], kept, 9)]
    for number in range(0, 1200, 2):
        index.drop(f"id {number}")
    kept = list(range(1, 1200, 2))
    told = [hit.score for hit in index.search(query, top_k=9)]
    assert told == [score for _, score in expected(rows, rows[5], kept, 9)]


def test_searches_may_overlap_while_the_leads_are_made() -> None:
    rows = clustered(1500, 2)
    index = filled(rows)
    with ThreadPoolExecutor(4) as threads:
        queries = [Vector(rows[n].tobytes()) for n in range(40, 80) if rows[n].any()]
        found = list(threads.map(lambda query: index.search(query, top_k=5), queries))

    assert found == [index.search(query, top_k=5) for query in queries]


def test_more_answers_than_leads_could_spare_are_given_too() -> None:
    rows = clustered(400, 3)
    index = filled(rows)

    assert len(index.search(Vector(rows[1].tobytes()), top_k=390)) == 390
