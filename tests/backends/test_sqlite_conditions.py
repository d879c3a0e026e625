"""Filters mean in SQL what they mean in Python."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.backends.sqlite import conditions, document_rows, documents
from lamina.domains.documents import Find, Write
from lamina.domains.documents.pages import Sorting
from lamina.filters import Compare, Contains, Every, Exists, F, Filter, Not, OneOf, Some
from lamina.values import Json

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ("a", "b", "c")
NUMBERS = st.one_of(
    st.sampled_from([0, 1, -1, 1.0, 0.1, -0.0, 2**53 + 1, 2.0**53, 2**63 - 1, 2**63, -(2**63)]),
    st.sampled_from([2.0**63, 5e-324, 1.7976931348623157e308, 10**400]),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
)
TEXTS = st.one_of(
    st.sampled_from(["", "1", "true", "a", "A", "\0", "a\0b", "\uffff", "😀", '"', "\\u0000"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
)
SCALARS = st.one_of(st.booleans(), NUMBERS, TEXTS)
VALUES = st.recursive(
    st.one_of(st.none(), SCALARS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)
    ),
    max_leaves=6,
)
METADATA = st.dictionaries(st.sampled_from((*NAMES, "a.b", "", "ä")), VALUES, max_size=4)
FIELDS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=2).map(".".join)
ORDERED = st.one_of(NUMBERS, TEXTS)
LEAVES = st.one_of(
    st.builds(Compare, FIELDS, st.sampled_from(["==", "!="]), SCALARS | st.just("\ud800")),
    st.builds(Compare, FIELDS, st.sampled_from(["<", "<=", ">", ">="]), ORDERED),
    st.builds(OneOf, FIELDS, st.lists(SCALARS, max_size=3).map(tuple)),
    st.builds(Contains, FIELDS, SCALARS),
    st.builds(Exists, FIELDS),
)
FILTERS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(Every, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Some, st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def rows() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for statement in document_rows.SCHEMA.statements:
            connection.execute(statement)
        yield connection


def found_by(rows: sqlite3.Connection, wanted: Filter, stored: list[dict[str, Any]]) -> list[bool]:
    rows.execute("DELETE FROM documents")
    for number, metadata in enumerate(stored):
        document_rows.write(rows, Write(f"{number}", "", Json.of(metadata)), "", 0.0)
    op = Find(filter=wanted, limit=100)
    page = documents._find(rows, op, Sorting.of(op), None, None)
    ids = {one.document.id for one in page.items}
    return [f"{number}" in ids for number in range(len(stored))]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(METADATA, max_size=4), FILTERS)
def test_finds_what_matches(
    rows: sqlite3.Connection, stored: list[dict[str, Any]], wanted: Filter
) -> None:
    expected = [wanted.matches(json.loads(json.dumps(metadata))) for metadata in stored]

    assert found_by(rows, wanted, stored) == expected


@settings(max_examples=300, deadline=None, derandomize=True)
@given(SCALARS, SCALARS, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]))
def test_compares_as_python_does(
    rows: sqlite3.Connection, stored: Any, value: Any, op: Any
) -> None:
    metadata = [{"a": stored}, {"a": [stored]}, {"a": value}, {"a": [value]}]
    for wanted in (Compare("a", op, value), Contains("a", value), OneOf("a", (value, stored))):
        assert found_by(rows, wanted, metadata) == [wanted.matches(one) for one in metadata]


@pytest.mark.parametrize(
    "wanted",
    [
        Compare('a"', "==", 1),
        Compare("a[0]", "==", 1),
        Exists("$"),
        Compare("a", "==", 2**70),
        Compare("a", "==", "\0"),
        OneOf("a", tuple(range(1000))),
        F.a == float("1e308"),
    ],
)
def test_only_what_sql_judges_alike_is_compiled(rows: sqlite3.Connection, wanted: Filter) -> None:
    stored = [{"a": 1}, {'a"': 1}, {"a": 2**70}, {"a": "\0"}, {"a": 999}, {"a": 1e308}]

    assert found_by(rows, wanted, stored) == [wanted.matches(one) for one in stored]
    assert (conditions.condition(wanted) is None) == (wanted != (F.a == 1e308))


@pytest.mark.parametrize(
    ("stored", "value"),
    [("a\0b", "a"), ("\0", ""), (2**63, 2.0**63), (2**70 + 1, 2.0**70), (-(2**63) - 1, -(2.0**63))],
)
def test_what_sqlite_would_misread_is_judged_by_python(
    rows: sqlite3.Connection, stored: Any, value: Any
) -> None:
    metadata = [{"a": stored}, {"a": {"b": [stored]}}, {"a": value}]
    for wanted in (
        F.a == value,
        F.a == stored,
        F["a.b"].contains(value),
        F.a > value,
        F.a != value,
    ):
        assert found_by(rows, wanted, metadata) == [wanted.matches(one) for one in metadata]


def test_deep_and_wide_filters_are_no_error(rows: sqlite3.Connection) -> None:
    deep: Filter = Exists("a")
    for _ in range(40):
        deep = Not(Every((deep,)))
    wide = Some(tuple(F.a == n for n in range(290)))
    nested: Filter = Exists("a")
    for _ in range(16):
        nested = Not(Some((Every((nested, Exists("a"))),))) if _ % 3 == 0 else Not(nested)

    for wanted in (deep, wide, nested, Every(()), Some(()), OneOf("a", ())):
        assert found_by(rows, wanted, [{"a": 5}, {}]) == [
            wanted.matches({"a": 5}),
            wanted.matches({}),
        ]
