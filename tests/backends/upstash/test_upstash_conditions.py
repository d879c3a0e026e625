"""What is sent for a filter is met by all that meet the filter, and is never made of input."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina import Stack
from lamina.backends.upstash import UpstashVectors
from lamina.backends.upstash.conditions import compiled
from lamina.domains.vectors import Upsert
from lamina.filters import Compare, Contains, Every, Exists, F, Filter, Not, OneOf, Some
from lamina.testing.contracts.filters import FILTERS, METADATA
from lamina.testing.servers import Upstash
from lamina.testing.servers.upstash.filtering import condition
from lamina.values import Json, Vector, freeze

SENT: dict[str, tuple[Filter, bool]] = {
    "tag = 'x'": (F.tag == "x", True),
    'tag = "it\'s"': (F.tag == "it's", True),
    "tag = '1'": (F.tag == "1", False),
    "tag = 'True'": (F.tag == "True", False),
    "tag != 'x'": (F.tag != "x", False),
    "n = 1": (F.n == 1.0, False),
    "n = -2.5": (F.n == -2.5, False),
    "n = 0.000001": (F.n == 1e-6, False),
    "n >= 9007199254740992": (F.n >= 2**53, False),
    "flag = true": (F.flag == True, False),  # noqa: E712  # builds a filter
    "tag IN ('x', 'y')": (F.tag.is_in(["x", "y"]), True),
    "tag IN ('x', 1)": (F.tag.is_in(["x", 1]), False),
    "list CONTAINS 'x'": (F.list.contains("x"), True),
    "list CONTAINS 1": (F.list.contains(1), False),
    "a.b.c = 'x'": (F["a.b.c"] == "x", True),
    "HAS FIELD tag": (F.tag > "x", False),
    "tag = 'x' AND n > 1": ((F.tag == "x") & (F.n > 1), False),
    "(tag = 'x' OR tag = 'y')": ((F.tag == "x") | (F.tag == "y"), True),
    "tag = 'x' AND (a = 'x' OR b = 'y' AND c = 'z')": (
        (F.tag == "x") & ((F.a == "x") | ((F.b == "y") & (F.c == "z"))),
        True,
    ),
    "tag = 'x' AND HAS NOT FIELD n": ((F.tag == "x") & ~F.n.exists(), False),
    "tag = 'y'": ((F.tag == "y") & ~(F.n == 1), False),
    "a = 'x' AND HAS NOT FIELD b": (~(~(F.a == "x") | F.b.exists()), False),
}
STRINGS = ("both ' and \"", "back\\slash", "new\nline", "\x00", "", "\u202e", "x'\u2028")
INJECTIONS = ('x" OR user = "bob', "x' OR user = 'bob", "') OR (user = 'bob", "x' --")
FIELDS = ('x" OR user', "a b", "a = 1 OR b", "", ".", "a.", "1a", "a[0]", "AND", "in", "True")


@pytest.mark.parametrize("text", SENT)
def test_sends(text: str) -> None:
    where, exact = SENT[text]
    assert compiled(where) == (text, exact)


@pytest.mark.parametrize("value", STRINGS)
def test_a_string_that_cannot_surely_be_told_is_not_sent(value: str) -> None:
    for where in (F.tag == value, F.tag != value, F.tag.is_in(["x", value]), F.tag.contains(value)):
        assert compiled(where) == ("HAS FIELD tag", False)


@pytest.mark.parametrize("value", INJECTIONS)
def test_a_hostile_string_stays_a_string(value: str) -> None:
    text = compiled(F.tag == value).text
    assert text is not None
    meets = condition(text)
    assert meets({"tag": value})
    assert not meets({"tag": "x", "user": "bob"})


@pytest.mark.parametrize("field", FIELDS)
def test_a_hostile_field_is_not_sent(field: str) -> None:
    for where in (Compare(field, "==", 1), OneOf(field, (1,)), Contains(field, 1)):
        assert compiled(where) == ("", False)
        assert compiled(Every((where, F.tag == "x"))) == ("tag = 'x'", False)
    assert compiled(Every((Not(Exists(field)), F.tag == "x"))) == ("tag = 'x'", False)


def test_a_filter_that_a_record_without_metadata_meets_is_not_sent() -> None:
    for where in (~F.tag.exists(), ~(F.n == 1), Every(()), (F.n == 1) | ~F.tag.exists()):
        assert compiled(where) == ("", where == Every(()))


def test_a_filter_that_nothing_meets_needs_no_question() -> None:
    for where in (Some(()), F.n.is_in([]), (F.n == 1) & F.tag.is_in([]), ~Every(())):
        assert compiled(where).text is None


def test_large_numbers_and_long_or_deep_filters_are_not_sent() -> None:
    for number in (2**53 + 1, 1e300, 1e-300, float("inf"), float("nan"), 10**400):
        assert compiled(Compare("n", "<", number)) == ("HAS FIELD n", False)
    assert compiled(F.n.is_in(range(500))).exact is False
    assert (compiled(F.n.is_in(range(500))).text or "").startswith("n IN (0, 1, 2, ")
    assert compiled(F.n.is_in(range(501))) == ("HAS FIELD n", False)
    assert compiled(F.tag.is_in([f"{n:050}" for n in range(400)])) == ("", False)
    deep: Filter = F.tag == "x"
    for _ in range(30):
        deep = Every((Some((deep, F.n == 1)),))
    assert compiled(deep) == ("", False)
    assert compiled((F.a == "x") & deep) == ("a = 'x'", False)


_VALUES = st.sampled_from(["x", "y", "1", "", "a'b", 'a"b', 0, 1, 1.0, 2.5, -3, True, False])
_FIELDS = st.sampled_from(["n", "tag", "flag", "list", "deep.n", "deep.deep.n"])
_LEAVES = st.one_of(
    st.builds(Compare, _FIELDS, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), _VALUES),
    st.builds(OneOf, _FIELDS, st.lists(_VALUES, max_size=3).map(tuple)),
    st.builds(Contains, _FIELDS, _VALUES),
    st.builds(Exists, _FIELDS),
)
_FILTERS: Any = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(Every, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Some, st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)


@given(st.one_of(_FILTERS, st.sampled_from(FILTERS)), st.booleans())
@settings(max_examples=500)
def test_all_that_meet_a_filter_meet_what_is_sent(where: Filter, missing: bool) -> None:
    text, exact = compiled(where)
    for metadata in (*METADATA, None):  # the service hides what has no metadata
        wanted = where.matches(metadata or {})
        if text is None:
            assert not wanted
        elif text:
            sent = metadata is not None and condition(text, missing_matches_not=missing)(metadata)
            assert sent or not wanted, (text, metadata)
            assert not exact or sent == wanted, (text, metadata)
        else:
            assert not exact or wanted


@pytest.fixture(scope="module")
def sly() -> Iterator[tuple[str, str]]:
    """Give a full index that tries filters on few, and takes missing fields for unequal."""
    with Upstash(["--filter-budget", "3", "--missing-matches-not"]) as server:
        url, token = server.index("dense")
        asyncio.run(_fill(url, token))
        yield url, token


async def _fill(url: str, token: str) -> None:
    items = [
        Upsert(f"v{place:02}", Vector.of([1.0, place]), metadata=Json.of(metadata))
        for place, metadata in enumerate(METADATA * 2)
    ]
    async with Stack().over(UpstashVectors(url, token)) as store:
        await store.set_many(items)


@pytest.mark.server
@given(where=st.one_of(_FILTERS, st.sampled_from(FILTERS)), top_k=st.sampled_from([1, 3, 100]))
@settings(max_examples=60, deadline=None)
def test_a_search_finds_what_meets_any_filter(
    sly: tuple[str, str], where: Filter, top_k: int
) -> None:
    wanted = [
        f"v{place:02}"
        for place, metadata in enumerate(METADATA * 2)
        if where.matches(freeze(metadata))
    ]

    async def search() -> tuple[list[str], list[str]]:
        query = Vector.of([1.0, 0.0])
        async with Stack().over(UpstashVectors(*sly)) as store:
            best = await store.search(query, top_k=top_k, filter=where)
            pages = [hit.id async for hit in store.matches(query, filter=where, limit=5)]
            return [hit.id for hit in best], pages

    assert asyncio.run(search()) == (wanted[:top_k], wanted)
