"""Rows are found, shown, ordered and counted as PostgREST does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from supabase_calls import error, prefer

if TYPE_CHECKING:
    from supabase_calls import Rest

pytestmark = pytest.mark.server

FOUND = {
    "id=eq.1": [1],
    "id=neq.1": [2, 3],
    "id=gt.1": [2, 3],
    "id=gte.2": [2, 3],
    "id=lt.2": [1],
    "id=lte.2": [1, 2],
    "name=like.A*": [1],
    "name=like.A%25": [1],
    "name=ilike.a*": [1],
    "name=match.^A": [1],
    "name=imatch.^a": [1],
    "born=is.null": [2],
    "born=not.is.null": [1, 3],
    "id=in.(1,3)": [1, 3],
    "id=in.()": [],
    "id=not.in.(1,3)": [2],
    'name=in.("Bob, Jr. (x)","q\\"")': [2, 3],
    "name=eq.Bob,+Jr.+(x)": [2],
    "tags=cs.{a}": [1],
    "tags=cd.{a,b,c}": [1, 2, 3],
    "tags=ov.{a,z}": [1],
    'meta=cs.{"n":{"x":"2"}}': [2],
    "meta->n->>x=eq.1": [1],
    "meta->l->1=eq.20": [1],
    "during=sl.[2000-01-02 08:00, 2000-01-02 09:00)": [1],
    "during=sr.[2000-01-02 08:00, 2000-01-02 08:30)": [2],
    "during=nxl.[2000-01-01 14:00, 2000-01-01 16:00)": [2],
    "during=nxr.[2000-01-01 14:00, 2000-01-01 16:00)": [1],
    "during=adj.[2000-01-01 12:00, 2000-01-01 13:00)": [1],
    "words=fts.cat": [1],
    "words=fts(english).cats": [1],
    "words=plfts.fat cat": [1],
    "words=phfts(english).fat cats": [1],
    "words=wfts.fat -cat": [2],
    "words=not.fts.cat": [2],
    "name=fts(simple).ann": [1],
    "mood=eq.sad": [1],
    "mood=isdistinct.sad": [2, 3],
    "id=eq(any).{1,2}": [1, 2],
    "name=like(all).{A*,*n}": [1],
    "or=(id.eq.1,name.eq.Nobody)": [1],
    'or=(name.eq."Bob, Jr. (x)",id.eq.3)': [2, 3],
    "and=(id.gt.1,or(id.eq.2,id.eq.1))": [2],
    "not.or=(id.eq.1,id.eq.2)": [3],
    "or=(tags.cs.{a,b},id.not.lt.3)": [1, 3],
    "or=(id.in.(1,2),and(born.is.null,not.or(id.eq.2)))": [1, 2],
    "score=gte.1.5&score=lt.2": [1],
}


@pytest.mark.parametrize("query", FOUND)
def test_a_filter_finds_its_rows(rest: Rest, query: str) -> None:
    assert rest.ids(query) == FOUND[query]


SHOWN = {
    "select=id": '[{"id":1}]',
    "select=n:name,id": '[{"n":"Ann","id":1}]',
    "select=score,text:score::text": '[{"score":1.50,"text":"1.50"}]',
    "select=meta->n->>x,meta->l,first:meta->l->0": '[{"x":"1","l":[10, 20],"first":10}]',
    "select=made,born,tags": (
        '[{"made":"2024-01-02T00:00:00+00:00","born":"2000-01-01","tags":["a","b"]}]'
    ),
    "select=id, name": '[{"id":1,"name":"Ann"}]',
}


@pytest.mark.parametrize("query", SHOWN)
def test_columns_are_shown_as_postgresql_prints_them(rest: Rest, query: str) -> None:
    answer = rest.get(f"/person?id=eq.1&{query}")

    assert answer.text == SHOWN[query]
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("order", "ids"),
    [
        ("id.desc", [3, 2, 1]),
        ("score", [1, 2, 3]),
        ("score.desc", [3, 2, 1]),
        ("score.desc.nullslast", [2, 1, 3]),
        ("score.nullsfirst,id.asc", [3, 1, 2]),
        ("meta->n->>x.desc.nullslast", [2, 1, 3]),
    ],
)
def test_rows_come_in_order(rest: Rest, order: str, ids: list[int]) -> None:
    assert [row["id"] for row in rest.get(f"/person?select=id&order={order}").json()] == ids


PAGES: list[tuple[str, str | None, tuple[int, str, int]]] = [
    ("limit=2", None, (200, "0-1/*", 2)),
    ("limit=2", "exact", (206, "0-1/3", 2)),
    ("limit=2&offset=2", "exact", (206, "2-2/3", 1)),
    ("", "exact", (200, "0-2/3", 3)),
    ("offset=3", "exact", (206, "*/3", 0)),
    ("offset=9", None, (200, "*/*", 0)),
    ("limit=0", None, (200, "*/*", 0)),
    ("id=eq.99", "exact", (200, "*/0", 0)),
]


@pytest.mark.parametrize(("query", "count", "told"), PAGES)
def test_a_page_tells_its_range(
    rest: Rest, query: str, count: str | None, told: tuple[int, str, int]
) -> None:
    headers = prefer(f"count={count}") if count else {}

    answer = rest.get(f"/person?select=id&order=id&{query}", headers=headers)

    assert (answer.status_code, answer.headers["Content-Range"], len(answer.json())) == told


def test_a_page_past_the_end_cannot_be_counted(rest: Rest) -> None:
    answer = rest.get("/person?offset=10", headers=prefer("count=exact"))

    assert error(answer) == (416, "PGRST103")
    assert answer.json()["details"] == ("An offset of 10 was requested, but there are only 3 rows.")


def test_a_planned_count_is_a_guess(rest: Rest) -> None:
    answer = rest.get("/bare?offset=10", headers=prefer("count=planned"))

    assert (answer.status_code, answer.json()) == (206, [])
    assert int(answer.headers["Content-Range"].removeprefix("*/")) > 10


def test_an_estimated_count_is_at_least_what_is_there(rest: Rest) -> None:
    answer = rest.get("/person", headers=prefer("count=estimated"))

    assert int(answer.headers["Content-Range"].partition("/")[2]) >= 3


def test_a_range_narrows_the_rows(rest: Rest) -> None:
    answer = rest.get("/person?select=id&order=id", headers={"Range": "1-5"})

    assert [row["id"] for row in answer.json()] == [2, 3]
    assert answer.headers["Content-Range"] == "1-2/*"


def test_a_range_that_ends_before_it_begins_is_refused(rest: Rest) -> None:
    assert error(rest.get("/person", headers={"Range": "5-1"})) == (416, "PGRST103")


def test_head_counts_without_rows(rest: Rest) -> None:
    answer = rest.head("/person", headers=prefer("count=exact"))

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Range"] == "0-2/3"
    assert answer.headers["Preference-Applied"] == "count=exact"


def test_one_row_comes_as_an_object(rest: Rest) -> None:
    single = {"Accept": "application/vnd.pgrst.object+json"}

    answer = rest.get("/person?select=id&id=eq.1", headers=single)
    assert (answer.text, answer.status_code) == ('{"id":1}', 200)
    assert answer.headers["Content-Type"].startswith("application/vnd.pgrst.object+json")

    for query, count in (("id=eq.99", 0), ("id=gt.0", 3)):
        answer = rest.get(f"/person?{query}", headers=single)
        assert error(answer) == (406, "PGRST116")
        assert answer.json()["details"] == f"The result contains {count} rows"


def test_rows_come_as_csv(rest: Rest) -> None:
    answer = rest.get("/person?select=id,name&order=id", headers={"Accept": "text/csv"})

    assert answer.text == 'id,name\n1,Ann\n2,"Bob, Jr. (x)"\n3,"q"""'
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"


def test_nulls_can_be_left_out(rest: Rest) -> None:
    kind = "application/vnd.pgrst.array+json;nulls=stripped"

    answer = rest.get("/person?select=id,born&id=eq.2", headers={"Accept": kind})

    assert answer.json() == [{"id": 2}]


def test_another_schema_is_asked_by_a_header(rest: Rest) -> None:
    answer = rest.get("/only", headers={"Accept-Profile": "side"})

    assert (answer.json(), answer.headers["Content-Profile"]) == ([{"id": 7}], "side")
    assert rest.get("/person").headers["Content-Profile"] == "public"


def test_hostile_names_and_values_stay_in_their_place(rest: Rest) -> None:
    for hostile in ("'; DROP TABLE person; --", "\\'; SELECT 1; --", 'a"b', "$$x$$", "%s", "{0}"):
        answer = rest.get("/person", params={"name": f"eq.{hostile}"})
        assert (answer.status_code, answer.json()) == (200, [])
        answer = rest.get("/person", params={f'"{hostile}"': "eq.1"})
        assert answer.status_code == 400
    assert rest.get("/person", params={"name": "eq.\0"}).status_code == 400
    assert rest.ids("") == [1, 2, 3]


def test_a_thousand_ids_fit_into_one_url_and_more_do_not(rest: Rest) -> None:
    ids = ",".join(["123e4567-e89b-12d3-a456-426614174000"] * 1300)

    assert rest.get(f"/person?name=in.({ids[: 37 * 1000 - 1]})").json() == []
    assert rest.get(f"/person?name=in.({ids})  ").status_code == 400


def test_the_root_tells_the_tables(rest: Rest) -> None:
    told = rest.get("/").json()

    assert {"/person", "/rpc/add"} <= told["paths"].keys()
