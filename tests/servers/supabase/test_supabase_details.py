"""Rarer answers of the local Supabase, as PostgREST 12 gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from supabase_calls import error, prefer

if TYPE_CHECKING:
    from supabase_calls import Rest

pytestmark = pytest.mark.server


@pytest.fixture(autouse=True)
def _tables(rest: Rest) -> None:
    rest.delete("/bare")
    for a in (1, 2, 3):
        rest.post("/bare", json={"a": a, "b": "x"})


def test_only_a_get_looks_at_a_range(rest: Rest) -> None:
    headers = {"Range": "1-1", **prefer("count=exact")}

    told = {
        method: rest.request(method, "/rpc/people?select=id", headers=headers).headers
        for method in ("GET", "HEAD", "POST")
    }

    found = {method: each["Content-Range"] for method, each in told.items()}
    assert found == {"GET": "1-1/3", "HEAD": "0-2/3", "POST": "0-2/3"}


def test_a_page_past_the_end_tells_how_many_rows_there_are(rest: Rest) -> None:
    answer = rest.get("/bare?offset=9", headers=prefer("count=exact"))

    assert error(answer) == (416, "PGRST103")
    assert answer.headers["Content-Range"] == "*/3"


def test_an_offset_below_zero_is_none(rest: Rest) -> None:
    assert len(rest.get("/bare?offset=-2").json()) == 3
    assert error(rest.get("/bare?limit=-2")) == (416, "PGRST103")


@pytest.mark.parametrize(
    "query",
    [
        "and=(a.gt.1,a.lt.3))",
        "and=( and ( a.gt.1 , a.lt.3 ) , or ( a.eq.2, a.eq.7 ) )",
        "or=(not.and ( a.eq.7 , a.lt.3 ),a.eq.2)&a=eq.2",
    ],
)
def test_conditions_are_read_leniently(rest: Rest, query: str) -> None:
    assert [row["a"] for row in rest.get(f"/bare?select=a&{query}").json()] == [2]


def test_a_limit_of_a_change_needs_an_order(rest: Rest) -> None:
    for answer in (rest.patch("/bare?limit=1", json={"b": "y"}), rest.delete("/bare?limit=1")):
        assert error(answer) == (400, "PGRST109")
    assert len(rest.get("/bare?b=eq.x").json()) == 3


@pytest.mark.parametrize(
    ("preferred", "told"), [("exact", "0-2/3"), ("estimated", "0-2/3"), ("planned", "0-2/*")]
)
def test_changed_rows_are_counted_if_that_is_preferred(
    rest: Rest, preferred: str, told: str
) -> None:
    answer = rest.patch("/bare", json={"b": "y"}, headers=prefer(f"count={preferred}"))

    assert (answer.status_code, answer.headers["Content-Range"]) == (204, told)


def test_a_limit_of_changes_counts_only_if_strict(rest: Rest) -> None:
    lenient = rest.patch("/bare", json={"b": "y"}, headers=prefer("max-affected=1"))
    strict = prefer("handling=strict", "max-affected=3")

    assert "Preference-Applied" not in lenient.headers
    applied = rest.patch("/bare", json={"b": "z"}, headers=strict).headers["Preference-Applied"]
    assert applied == "handling=strict, max-affected=3"


@pytest.mark.parametrize(
    ("body", "rows"), [({}, 1), ([{}], 1), ([{}, {}], 2), ([], 0), (7, 0), ("text", 0)]
)
def test_as_many_rows_of_defaults_are_added_as_are_sent(rest: Rest, body: Any, rows: int) -> None:
    answer = rest.post("/bare", json=body, headers=prefer("return=representation"))

    assert (answer.status_code, answer.json()) == (201, [{"a": None, "b": None}] * rows)


def test_what_is_no_row_among_rows_is_refused(rest: Rest) -> None:
    answer = rest.post("/bare", json=[{"a": 1}, 7])

    assert error(answer) == (400, "PGRST102")
    assert answer.json()["message"] == "All object keys must match"


@pytest.mark.parametrize(("body", "code"), [(b"{", "22P02"), (b"[7]", "22023")])
def test_postgresql_reads_a_body_whose_columns_are_told(rest: Rest, body: bytes, code: str) -> None:
    assert error(rest.post("/bare?columns=a", content=body)) == (400, code)


def test_put_needs_a_row(rest: Rest) -> None:
    assert error(rest.put("/club?id=eq.1", json=[])) == (400, "PGRST115")
    assert error(rest.put("/club?id=eq.1", json={})) == (400, "42703")


def test_an_upsert_of_defaults_adds_them(rest: Rest) -> None:
    answer = rest.post("/pet", json={}, headers=prefer("resolution=merge-duplicates"))

    assert error(answer) == (400, "23502")


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/rpc/ad", "public.add"),
        ("/rpc/add?a=1&c=2&x=3", "public.add(a, b)"),
        ("/rpc/same?other=1", None),
        ("/rpc/zzzzzz", None),
    ],
)
def test_a_name_like_the_wrong_one_is_told(rest: Rest, path: str, hint: str | None) -> None:
    told = rest.get(path).json()["hint"]

    assert told == (None if hint is None else f"Perhaps you meant to call the function {hint}")


def test_a_function_of_a_text_is_looked_for_if_one_is_sent(rest: Rest) -> None:
    told = rest.post("/rpc/add", content=b"x", headers={"Content-Type": "text/plain"}).json()

    assert told["message"] == "Could not find the function public.add in the schema cache"
    assert "with a single unnamed text parameter, but" in told["details"]
    assert told["hint"] is None


def test_a_page_tells_its_place_with_its_parameters_in_order(rest: Rest) -> None:
    place = rest.get("/bare?select=a&b=eq.a%20b&a=eq.1").headers["Content-Location"]

    assert place == "/bare?a=eq.1&b=eq.a%20b&select=a"
    assert rest.get("/bare").headers["Content-Location"] == "/bare"


@pytest.mark.parametrize("query", ["a=in.()", "a=in.(   )", "b=in.(%22)"])
def test_a_list_may_have_nothing_to_find(rest: Rest, query: str) -> None:
    assert rest.get(f"/bare?{query}").json() == []


def test_a_function_takes_the_first_of_many_and_the_last_of_one_name(rest: Rest) -> None:
    assert rest.post("/rpc/add", json=[{"a": 1, "b": 1}, {"a": 9, "b": 9}]).json() == 2
    assert rest.post("/rpc/add?columns=a", json={"a": 1, "z": 9}).json() == 3
    assert rest.get("/rpc/add?a=7&a=1").json() == 3


def test_a_filter_is_about_a_column_rather_than_about_rows_of_its_name(rest: Rest) -> None:
    found = rest.get("/pet?select=name,owner_id(name)&owner_id=eq.2")

    assert found.json() == [{"name": "Kit", "owner_id": {"name": "Bob, Jr. (x)"}}]
