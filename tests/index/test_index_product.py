"""Products come out right however they are cut into pieces."""

from __future__ import annotations

import numpy as np
import pytest

from lamina.index import product as products
from lamina.index.product import Products, product


@pytest.mark.parametrize("size", [1, 3, 64, 128, 129, 256, 3000])
@pytest.mark.parametrize("count", [0, 1, 4095, 4099, 9001])
def test_any_shape_is_multiplied(count: int, size: int) -> None:
    random = np.random.default_rng(count + size)
    rows = random.standard_normal((count, size), dtype=np.float32)
    query = random.standard_normal(size, dtype=np.float32)

    exact = rows.astype(np.float64) @ query.astype(np.float64)

    assert product(rows, query) == pytest.approx(exact, rel=1e-4, abs=1e-3)


def test_a_second_thread_takes_half_of_a_large_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_SHARED_FROM", 10)
    random = np.random.default_rng(0)
    rows = random.standard_normal((9001, 32), dtype=np.float32)
    query = random.standard_normal(32, dtype=np.float32)
    halves = Products()

    for _ in range(3):
        assert halves.of(rows, query) == pytest.approx(rows @ query, rel=1e-4, abs=1e-3)


def test_a_forked_child_gets_a_thread_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_SHARED_FROM", 10)
    rows, query = np.ones((20, 4), dtype=np.float32), np.ones(4, dtype=np.float32)
    halves = Products()
    halves.of(rows, query)
    before = halves._thread

    monkeypatch.setattr(products.os, "getpid", lambda: -1)  # what a child would see

    assert halves.of(rows, query).tolist() == [4.0] * 20
    assert halves._thread is not before
