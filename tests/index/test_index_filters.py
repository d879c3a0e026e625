"""Filters answered from postings mean exactly what `Filter.matches` says."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import Invalid, Unsupported
from lamina.filters import Compare, Contains, Every, Exists, F, Filter, Not, OneOf, Some
from lamina.index import VectorIndex, records
from lamina.values import FrozenDict, Vector, freeze

ONE = Vector.of([1.0])
HUGE = 2**63 + 1  # no float64
SCALARS = st.one_of(
    st.sampled_from([0, 1, -1, 2, 1.0, 0.0, -0.0, 0.5, True, False]),
    st.sampled_from([2**53, 2**53 + 1, float(2**53), HUGE, -HUGE, 10**400, -(10**400), 1e308]),
    st.sampled_from(["", "a", "b", "ab", "é", "\0", "\ud800", "1", "True"]),
    st.integers(-3, 3),
    st.floats(-2, 2),
)
ODD = st.sampled_from([None, math.nan, math.inf, -math.inf, b"bytes"])
STEPS = st.sampled_from(["a", "b", "c", "", "a.b"])
VALUES = st.recursive(
    SCALARS | ODD,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(STEPS, inner, max_size=3)
    ),
    max_leaves=8,
)
METADATA = st.dictionaries(STEPS, VALUES, max_size=4)
FIELDS = st.sampled_from(["a", "b", "c", "a.b", "a.b.c", "b.a", "a.", "", "."])
OPS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
LEAVES = st.one_of(
    st.builds(Compare, FIELDS, OPS, SCALARS | st.just(math.nan) | st.just(math.inf)),
    st.builds(OneOf, FIELDS, st.lists(SCALARS | st.just(math.nan), max_size=4).map(tuple)),
    st.builds(Contains, FIELDS, SCALARS | st.just(math.nan)),
    st.builds(Exists, FIELDS),
)
FILTERS: st.SearchStrategy[Filter] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, max_size=3).map(lambda parts: Every(tuple(parts))),
        st.lists(inner, max_size=3).map(lambda parts: Some(tuple(parts))),
    ),
    max_leaves=5,
)


@settings(max_examples=400, deadline=None)
@given(st.lists(METADATA, max_size=8), FILTERS, st.lists(st.integers(0, 7), max_size=4))
def test_select_is_matches_whatever_the_metadata(
    stored: list[dict[str, Any]], where: Filter, dropped: list[int]
) -> None:
    index = VectorIndex()
    for number, metadata in enumerate(stored):
        index.put(str(number), ONE, metadata=metadata)
    for number in dropped:
        index.drop(str(number))
    expected = [
        str(number)
        for number, metadata in enumerate(stored)
        if number not in dropped and where.matches(metadata)
    ]

    assert index.select(where) == expected
    assert [hit.id for hit in index.search(ONE, filter=where)] == expected


def test_postings_stay_right_when_slots_are_renumbered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_FEW_DEAD", 0)

    @settings(max_examples=300, deadline=None)
    @given(st.lists(METADATA, min_size=2, max_size=8), FILTERS, st.data())
    def check(stored: list[dict[str, Any]], where: Filter, data: st.DataObject) -> None:
        index = VectorIndex()
        index.put_many([str(number) for number in range(len(stored))], [ONE] * len(stored), stored)
        gone = data.draw(st.sets(st.integers(0, len(stored) - 1), min_size=len(stored) // 2))
        for number in gone:
            index.drop(str(number))

        assert len(index._records.ids) < len(stored)  # it was squeezed
        assert index.select(where) == [
            str(number)
            for number, metadata in enumerate(stored)
            if number not in gone and where.matches(metadata)
        ]

    check()


def test_broad_and_narrow_filters_answer_exactly_among_many() -> None:
    index = VectorIndex()
    vectors = [Vector.of([math.cos(number), math.sin(number)]) for number in range(5000)]
    index.put_many(
        [str(number) for number in range(5000)],
        vectors,
        [{"n": number, "even": number % 2 == 0} for number in range(5000)],
    )
    ranking = [hit.id for hit in index.search(vectors[7], top_k=5000)]

    for where in (F.n < 4500, F.n < 1000, F.n.between(40, 80), F.even == True, F.n == 3):  # noqa: E712
        expected = [
            name for name in ranking if where.matches({"n": int(name), "even": int(name) % 2 == 0})
        ]
        found = index.search(vectors[7], top_k=20, filter=where)
        assert [hit.id for hit in found] == expected[:20]


def test_frozen_metadata_is_read_like_plain() -> None:
    index = VectorIndex()
    frozen = freeze({"user": {"id": "u1", "roles": ["admin", 3]}})
    assert isinstance(frozen, FrozenDict)
    index.put("a", ONE, metadata=frozen)

    assert index.select((F.user.exists()) & (F["user.id"] == "u1")) == ["a"]
    assert index.select(F["user.roles"].contains("admin")) == ["a"]
    assert index.select(F["user.roles"].contains(True)) == []


def test_no_metadata_is_filtered_as_empty_metadata() -> None:
    index = VectorIndex()
    index.put("a", ONE)

    assert index.select(F.x != 1) == []
    assert index.select(~(F.x == 1)) == ["a"]


def test_refuses_a_filter_of_an_unknown_kind() -> None:
    class Strange(Filter):
        def matches(self, metadata: Any, /) -> bool:
            return True

        def key(self) -> tuple[Any, ...]:
            return ("strange",)

    index = VectorIndex()
    index.put("a", ONE)

    with pytest.raises(Unsupported, match="Strange"):
        index.search(ONE, filter=F.x.exists() & Strange())


def test_refuses_to_compare_with_what_is_no_scalar() -> None:
    index = VectorIndex()
    index.put("a", ONE, metadata={"x": None})

    with pytest.raises(Invalid, match="NoneType"):
        index.select(Compare("x", "==", None))  # type: ignore[arg-type]  # the point
