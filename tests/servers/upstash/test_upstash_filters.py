"""The service's filter language: what it means, and how it is refused."""

from __future__ import annotations

import time
from typing import Any

import pytest
from upstash_wire import Control, Wire

from lamina.testing.servers.upstash.filtering import condition
from lamina.testing.servers.upstash.refusals import Refused

CITY: dict[str, Any] = {
    "city": "Istanbul",
    "country": "Turkey",
    "is_capital": False,
    "big": True,
    "population": 15460000,
    "rank": 1,
    "share": -0.5,
    "nothing": None,
    "empty": [],
    "quote": 'it\'s "so" \\ so',
    "lines": "a\nb",
    "a-1": 3,
    "field": "word",
    "_x9": 1,
    "geography": {"continent": "Asia", "coordinates": {"latitude": 41.0082, "longitude": 28.9784}},
    "economy": {"currency": "TRY", "industries": ["Tourism", "Textiles", "Finance"]},
    "grid": [[1, 2], [3, {"deep": "x"}]],
    "mixed": [1, "1", True, None],
}

HOLDS = [
    "country = 'Turkey' AND population = 15460000 AND is_capital = false",
    'country = "Turkey"',
    "country != 'Germany' AND population != 12500000 AND is_capital != true",
    "population < 20000000 OR geography.coordinates.longitude < 30.0",
    "population >= 15460000 AND population <= 15460000",
    "geography.coordinates.latitude >= 35.0",
    "share = -0.5",
    "share<0",
    "population>1000000 AND geography.continent='Asia'",
    "city GLOB '?[sz]*[^m-z]'",
    "city GLOB 'I*l'",
    "city GLOB '*'",
    "city GLOB 'Istanbu[a-l]'",
    "city GLOB '*a*b*'",
    "city GLOB '[^a-z]*'",
    "city NOT GLOB 'A*'",
    "city NOT GLOB 'i*'",
    "lines GLOB 'a?b'",
    "country IN ('Germany', 'Turkey', 'France')",
    "population IN (1, 15460000)",
    "economy.currency NOT IN ('USD', 'EUR')",
    "economy.industries CONTAINS 'Tourism'",
    "economy.industries NOT CONTAINS 'Steel Production'",
    "empty NOT CONTAINS 1",
    "mixed CONTAINS '1' AND mixed CONTAINS 1 AND mixed CONTAINS true",
    "economy.industries[0] = 'Tourism'",
    "economy.industries[#-1] = 'Finance'",
    "economy.industries[#-3] = 'Tourism'",
    "grid[1][0] = 3",
    "grid[1][1].deep = 'x'",
    "grid[#-1][#-1].deep = 'x'",
    "country = 'Turkey' AND (population > 1 OR is_capital = true)",
    "country = 'Turkey' OR population > 10000000 AND is_capital = true",
    "((country = 'Turkey'))",
    "HAS FIELD city",
    "HAS FIELD nothing",
    "has field economy.industries[2]",
    "HAS NOT FIELD economy.industries[3]",
    "HAS NOT FIELD nowhere",
    "is_capital = 0",
    "big = 1",
    "rank = TRUE",
    "rank != false",
    "big != 0",
    "is_capital = False and CITY = 'x' or city glob 'Is*' And country iN ('Turkey')",
    "a-1>2",
    "field = 'word'",
    "_x9 = 1",
    "population\n>\t1",
    "quote GLOB 'it?s \"so\" \\ so'",
    "city = 'Istanbul' AND HAS FIELD city AND city NOT IN ('x')",
]

FAILS = [
    "economy.industries#-1] = 'Tourism'",  # a field of such a name
    "country = 'turkey'",
    "COUNTRY = 'Turkey'",
    "country = 'Turkey' AND population > 20000000 OR is_capital = true",
    "(country = 'Turkey' OR population > 1) AND is_capital = true",
    "city GLOB 'i*'",
    "city GLOB '[^I]*'",
    "city GLOB 'Istanbu'",
    "city GLOB 'Istanbul[' ",
    "city GLOB '[z-a]*'",
    "country IN ('Germany')",
    "country NOT IN ('Germany', 'Turkey')",
    "economy.industries CONTAINS 'Steel'",
    "economy.industries NOT CONTAINS 'Tourism'",
    "economy.industries[3] = 'Tourism'",
    "economy.industries[#-4] = 'Tourism'",
    "HAS FIELD nowhere",
    "HAS NOT FIELD city",
    "HAS NOT FIELD nothing",
    # a missing field
    "nowhere = 1",
    "nowhere != 1",
    "nowhere < 1",
    "nowhere GLOB '*'",
    "nowhere NOT GLOB 'a'",
    "nowhere IN (1)",
    "nowhere NOT IN (1)",
    "nowhere CONTAINS 1",
    "nowhere NOT CONTAINS 1",
    "city.deeper = 1",
    "economy[0] = 1",
    # another type
    "city = 1",
    "city != 1",
    "population = '15460000'",
    "population != 'x'",
    "city > 1",
    "city > 'A'",
    "big > 0",
    "population GLOB '1*'",
    "population NOT GLOB 'x'",
    "city CONTAINS 'I'",
    "city NOT CONTAINS 'z'",
    "economy = 'x'",
    "economy.industries = 'Tourism'",
    "nothing = 0",
    "nothing != 0",
    "population = true",
    "mixed CONTAINS 2",
]

REFUSED = {
    "category IN ['Bras', 'Shapewear']": "1:12 token recognition error at: '['",
    "user_id = 'u' AND age = [object Object]": "1:24 token recognition error at: '['",
    "x = 'abc": "1:4 token recognition error at: ''abc'",
    'x = "abc': "1:4 token recognition error at: '\"abc'",
    "x == 1": "1:3 mismatched input '=' expecting {STRING, NUMBER, BOOLEAN}",
    "x = 1\n  AND y ~ 2": "2:8 token recognition error at: '~'",
    "x !": "1:2 token recognition error at: '!'",
    "x = .5": "1:4 token recognition error at: '.'",
    "x = 1e5": "1:5 mismatched input 'e5' expecting {<EOF>, AND, OR}",
    "x = 1 AND": "1:9 mismatched input '<EOF>' expecting {'(', HAS, IDENTIFIER}",
    "x": "1:1 mismatched input '<EOF>' expecting {'=', '!=', '<', '<=', '>', '>=', GLOB, IN, "
    "CONTAINS, NOT}",
    "(x = 1": "1:6 mismatched input '<EOF>' expecting ')'",
    "x = 1)": "1:5 mismatched input ')' expecting {<EOF>, AND, OR}",
    "NOT x = 1": "1:0 mismatched input 'NOT' expecting {'(', HAS, IDENTIFIER}",
    "x NOT = 1": "1:6 mismatched input '=' expecting {GLOB, IN, CONTAINS}",
    "x GLOB 1": "1:7 mismatched input '1' expecting STRING",
    "x IN ()": "1:6 mismatched input ')' expecting {STRING, NUMBER, BOOLEAN}",
    "x IN (1,)": "1:8 mismatched input ')' expecting {STRING, NUMBER, BOOLEAN}",
    "x IN (1 2)": "1:8 mismatched input '2' expecting ')'",
    "x = null": "1:4 mismatched input 'null' expecting {STRING, NUMBER, BOOLEAN}",
    "x = y": "1:4 mismatched input 'y' expecting {STRING, NUMBER, BOOLEAN}",
    "1 = x": "1:0 mismatched input '1' expecting {'(', HAS, IDENTIFIER}",
    "HAS FIELD 'x'": "1:10 mismatched input ''x'' expecting IDENTIFIER",
    "x = 'it''s'": "1:8 mismatched input ''s'' expecting {<EOF>, AND, OR}",
    "é = 1": "1:0 token recognition error at: 'é'",
    "a[x] = 1": "1:0 malformed identifier 'a[x]'",
    "a..b = 1": "1:0 malformed identifier 'a..b'",
    "(" * 5000 + "x = 1" + ")" * 5000: "1:100 nested deeper than 100",
}


@pytest.mark.parametrize("text", HOLDS)
def test_holds(text: str) -> None:
    assert condition(text)(CITY) is True


@pytest.mark.parametrize("text", FAILS)
def test_does_not_hold(text: str) -> None:
    assert condition(text)(CITY) is False


@pytest.mark.parametrize(("text", "where"), REFUSED.items(), ids=range(len(REFUSED)))
def test_is_refused_with_line_and_column(text: str, where: str) -> None:
    with pytest.raises(Refused) as caught:
        condition(text)

    assert (caught.value.status, caught.value.text) == (400, f"Invalid filter. At line {where}")


def test_a_backslash_escapes_nothing() -> None:
    assert condition(r"x = 'a\'")({"x": "a\\"})
    with pytest.raises(Refused):
        condition(r"x = 'a\'b'")


def test_large_integers_are_compared_exactly() -> None:
    assert condition("x = 9007199254740993")({"x": 9007199254740993})
    assert not condition("x = 9007199254740992")({"x": 9007199254740993})
    assert condition("x < " + "9" * 5000)({"x": 1})


def test_a_hostile_glob_takes_no_long_time() -> None:
    begun = time.monotonic()

    assert not condition(f"x GLOB '{'*a' * 40}b'")({"x": "a" * 20_000})

    assert time.monotonic() - begun < 2.0


RECORDS = [
    {"id": "full", "vector": [1, 0], "metadata": {"n": 1, "city": "x"}},
    {"id": "other", "vector": [0.9, 0.1], "metadata": {"n": 2}},
    {"id": "bare", "vector": [0.8, 0.2], "metadata": {}},
    {"id": "none", "vector": [0.7, 0.3]},
]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("n >= 1", ["full", "other"]),
        ("HAS NOT FIELD city", ["other", "bare"]),  # without metadata nothing matches
        ("city NOT IN ('y')", ["full"]),
        ("", ["full", "other", "bare", "none"]),
    ],
)
def test_queries_and_deletes_take_filters(dense: Wire, text: str, ids: list[str]) -> None:
    dense.ok("upsert", RECORDS)

    assert dense.ids("query", {"vector": [1, 0], "filter": text}) == ids
    if text:
        assert dense.ok("delete", {"filter": text}) == {"deleted": len(ids)}
        assert dense.ids("query", {"vector": [1, 0], "filter": text}) == []


def test_a_wrong_filter_is_refused_by_every_endpoint_that_takes_one(dense: Wire) -> None:
    text = "Invalid filter. At line 1:12 token recognition error at: '['"
    for op in ("query", "resumable-query", "query/nowhere"):
        assert dense.refused(op, {"vector": [1, 0], "filter": "category IN ['a']"}) == (400, text)
    assert dense.refused("delete", {"filter": "category IN ['a']"}) == (400, text)


@pytest.mark.parametrize("word", ["NOT IN (1)", "NOT GLOB 'a'", "NOT CONTAINS 1"])
def test_missing_fields_may_be_let_through_negations(
    dense: Wire, control: Control, word: str
) -> None:
    dense.ok("upsert", RECORDS)
    asked = {"vector": [1, 0], "filter": f"nowhere {word}"}
    assert dense.ids("query", asked) == []

    control(missing_matches_not=True)

    assert dense.ids("query", asked) == ["full", "other", "bare"]
    assert dense.ids("query", {"vector": [1, 0], "filter": "nowhere != 1"}) == []
    assert dense.ids("query", {"vector": [1, 0], "filter": "city NOT IN ('x')"}) == [
        "other",
        "bare",
    ]


def test_a_selective_filter_finds_all_unless_there_is_a_budget(
    dense: Wire, control: Control
) -> None:
    records = [{"id": str(n), "vector": [100, n], "metadata": {"n": n}} for n in range(50)]
    dense.ok("upsert", records)
    asked = {"vector": [1, 0], "topK": 5, "filter": "n IN (3, 40, 45)"}
    assert dense.ids("query", asked) == ["3", "40", "45"]

    control(filter_budget=10)

    assert dense.ids("query", asked) == ["3"]
    assert dense.ok("delete", {"filter": "n IN (3, 40, 45)"}) == {"deleted": 3}  # a full scan
