"""Writing, dropping, refusing; and all of it against a plain model."""

from __future__ import annotations

import struct
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import Invalid
from lamina.filters import F, Filter
from lamina.index import Hit, VectorIndex, records
from lamina.values import SparseVector, Vector

ONE = Vector.of([1, 0])
SPARSE = SparseVector((1,), (1.0,))


def test_a_second_put_replaces_the_whole_record() -> None:
    index = VectorIndex()
    index.put("a", ONE, metadata={"tag": "x"})
    index.put("a", Vector.of([0, 1]))

    assert len(index) == 1
    assert index.select(F.tag.exists()) == []
    assert index.search(ONE) == [Hit("a", 0.5)]


def test_drop_tells_whether_the_record_was_there() -> None:
    index = VectorIndex()
    index.put("a", ONE)

    assert "a" in index
    assert index.drop("a") is True
    assert index.drop("a") is False
    assert "a" not in index
    assert index.search(ONE) == []


def test_the_last_of_equal_ids_in_a_bulk_write_wins() -> None:
    index = VectorIndex()
    index.put_many(["a", "a"], [Vector.of([-1, 0]), ONE], [{"n": 1}, {"n": 2}])

    assert index.search(ONE) == [Hit("a", 1.0)]
    assert index.select(F.n == 1) == []


def test_clear_forgets_records_and_an_inferred_dimension() -> None:
    index, given_dimension = VectorIndex(), VectorIndex(dimension=2)
    for each in (index, given_dimension):
        each.put("a", ONE)
        each.clear()

    assert (len(index), index.dimension, given_dimension.dimension) == (0, None, 2)
    index.put("b", Vector.of([1, 2, 3]))
    assert index.dimension == 3


def test_an_empty_index_finds_nothing() -> None:
    assert VectorIndex().search(ONE) == []
    assert VectorIndex("sparse").search(sparse=SPARSE) == []
    assert VectorIndex("hybrid").search(ONE, SPARSE) == []
    assert VectorIndex().select(F.a == 1) == []


@pytest.mark.parametrize("number", [0, -1])
def test_refuses_top_k_below_1(number: int) -> None:
    with pytest.raises(Invalid, match="top_k"):
        VectorIndex().search(ONE, top_k=number)


def test_refuses_another_dimension() -> None:
    index = VectorIndex(dimension=2)
    three = Vector.of([1, 2, 3])

    with pytest.raises(Invalid, match="invalid vector dimension: 3, expected: 2"):
        index.search(three)
    with pytest.raises(Invalid, match="invalid vector dimension: 3, expected: 2"):
        index.put_many(["a", "b"], [ONE, three])
    with pytest.raises(Invalid, match="expected: 2"):
        index.put_many(["a"], np.zeros((1, 3), np.float32))
    assert len(index) == 0


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_refuses_a_matrix_with_numbers_that_are_not_finite(number: float) -> None:
    with pytest.raises(Invalid, match="finite"):
        VectorIndex().put_many(["a"], np.array([[1.0, number]], np.float32))


def test_refuses_a_matrix_of_another_type() -> None:
    with pytest.raises(Invalid, match="float32 matrix"):
        VectorIndex().put_many(["a"], np.zeros((1, 2)))  # type: ignore[arg-type]  # the point


def test_refuses_lengths_that_differ() -> None:
    with pytest.raises(Invalid, match="2 ids, but 1"):
        VectorIndex().put_many(["a", "b"], [ONE])
    with pytest.raises(Invalid, match="1 ids, but 0"):
        VectorIndex().put_many(["a"], [ONE], [])


@pytest.mark.parametrize(
    ("kind", "vector", "sparse"),
    [
        ("dense", None, SPARSE),
        ("dense", ONE, SPARSE),
        ("dense", None, None),
        ("sparse", ONE, None),
        ("sparse", ONE, SPARSE),
        ("sparse", None, None),
        ("hybrid", None, None),
    ],
)
def test_refuses_the_wrong_kind_of_vector(
    kind: Literal["dense", "sparse", "hybrid"], vector: Vector | None, sparse: SparseVector | None
) -> None:
    index = VectorIndex(kind)

    with pytest.raises(Invalid):
        index.put("a", vector, sparse)
    with pytest.raises(Invalid):
        index.search(vector, sparse)


def test_a_hybrid_record_needs_both_vectors() -> None:
    with pytest.raises(Invalid, match="dense and sparse"):
        VectorIndex("hybrid").put("a", ONE)


def test_a_write_that_fails_half_way_leaves_no_trace() -> None:
    class Broken(dict[str, Any]):
        def items(self) -> Any:
            raise RuntimeError

    index = VectorIndex()
    index.put("a", ONE, metadata={"n": 1})
    with pytest.raises(RuntimeError):
        index.put_many(["a", "b"], [Vector.of([0, 1])] * 2, [{"n": 2}, Broken(n=3)])

    index.put("c", ONE, metadata={"n": 4})
    assert index.search(ONE) == [Hit("a", 1.0), Hit("c", 1.0)]
    assert index.select(F.n >= 1) == ["a", "c"]


@pytest.mark.parametrize("kind", ["dense", "sparse", "hybrid"])
def test_churn_does_not_grow_the_index(kind: Literal["dense", "sparse", "hybrid"]) -> None:
    index = VectorIndex(kind)
    for turn in range(4000):
        index.put(
            f"k{turn % 10}",
            None if kind == "sparse" else Vector.of([1, turn]),
            None if kind == "dense" else SparseVector((turn,), (1.0,)),
            {"turn": turn, "text": f"t{turn}", "list": [turn, f"t{turn}"], f"f{turn}": True},
        )

    slots = len(index._records.ids)
    assert slots <= 10 + 1024 + 1
    assert len(index._sparse._lists) <= slots
    assert len(index._postings._fields) <= slots + 4
    assert index.select(F.turn >= 3995) == ["k5", "k6", "k7", "k8", "k9"]
    assert index.select(F.text == "t3999") == ["k9"]
    assert index.select(F.list.contains("t3998")) == ["k8"]


class Model:
    """What an index should do, in plain Python."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {}

    def put(self, name: str, numbers: tuple[int, ...], metadata: dict[str, Any]) -> None:
        self.rows.pop(name, None)
        self.rows[name] = (numbers, metadata)

    def search(self, metric: str, query: tuple[int, ...], top_k: int, where: Filter) -> list[Hit]:
        kept = [
            (name, score(metric, query, numbers))
            for name, (numbers, metadata) in self.rows.items()
            if where.matches(metadata)
        ]
        return [Hit(*pair) for pair in sorted(kept, key=lambda pair: -pair[1])[:top_k]]


def score(metric: str, query: tuple[int, ...], numbers: tuple[int, ...]) -> float:
    dot = sum(a * b for a, b in zip(query, numbers, strict=True))
    if metric == "dot":
        exact = (1 + dot) / 2
    elif metric == "euclidean":
        exact = 1 / (1 + sum((a - b) ** 2 for a, b in zip(query, numbers, strict=True)))
    else:
        lengths = float(np.sqrt(sum(b * b for b in numbers)) * np.sqrt(sum(a * a for a in query)))
        exact = (1 + max(-1.0, min(1.0, dot / lengths if lengths else 0.0))) / 2
    return float(struct.unpack("f", struct.pack("f", exact))[0])


NAMES = st.sampled_from([f"id{number}" for number in range(12)])
NUMBERS = st.tuples(*[st.integers(-4, 4)] * 3)
METADATA = st.fixed_dictionaries(
    {}, optional={"n": st.integers(0, 3), "tag": st.sampled_from("xy")}
)
WHERE = st.sampled_from(
    [F.n == 1, F.n >= 2, ~(F.tag == "x"), F.tag.is_in(["x", "y"]) & (F.n < 3), ~F.nope.exists()]
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), NAMES, NUMBERS, METADATA),
        st.tuples(st.just("drop"), NAMES),
        st.tuples(st.just("search"), NUMBERS, st.integers(1, 8), WHERE),
    ),
    min_size=10,
    max_size=60,
)


@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
def test_any_history_answers_like_the_model(
    metric: Literal["cosine", "dot", "euclidean"], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "_FEW_DEAD", 2)  # squeeze often

    @settings(max_examples=150, deadline=None)
    @given(STEPS)
    def check(steps: list[tuple[Any, ...]]) -> None:
        index, model = VectorIndex(metric=metric, dimension=3), Model()
        for step, *given_values in steps:
            if step == "put":
                name, numbers, metadata = given_values
                index.put(name, Vector.of(numbers), metadata=metadata)
                model.put(name, numbers, metadata)
            elif step == "drop":
                name = given_values[0]
                assert index.drop(name) is (model.rows.pop(name, None) is not None)
            else:
                query, top_k, where = given_values
                expected = model.search(metric, query, top_k, where)
                assert index.search(Vector.of(query), top_k=top_k, filter=where) == expected
                matching = [name for name, row in model.rows.items() if where.matches(row[1])]
                assert index.select(where) == matching
            assert len(index) == len(model.rows)

    check()
