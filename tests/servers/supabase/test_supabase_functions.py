"""Functions are called as PostgREST does, and know who calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from supabase_calls import Rest, prefer

from lamina.testing.servers.tokens import signed

if TYPE_CHECKING:
    from lamina.testing.servers import Project

pytestmark = pytest.mark.server

POSTS: list[tuple[str, Any, Any]] = [
    ("add", {"a": 1, "b": 5}, 6),
    ("add", {"a": 1}, 3),
    ("many", {}, [1, 2, 3]),
    ("many?limit=1&offset=1", {}, [2]),
    ("people?select=id", {"above": 1}, [{"id": 2}, {"id": 3}]),
    ("people?select=id&id=eq.2", {}, [{"id": 2}]),
    ("people?select=id&order=id.desc&limit=1", {}, [{"id": 3}]),
    ("people?select=id,pet!owner_id(name)&id=eq.2", {}, [{"id": 2, "pet": [{"name": "Kit"}]}]),
    ("someone?select=id,name", {}, {"id": 1, "name": "Ann"}),
    ("pair", {}, {"a": 1, "b": "x"}),
    ("echo", {"any": ["thing"]}, {"any": ["thing"]}),
    ("echo", [1, 2], [1, 2]),
    ("write", {}, 1),
    ("total", {"numbers": [1, 2]}, 3),
    ("joined", {"parts": ["a", "b"]}, "a+b"),
]


@pytest.mark.parametrize(("name", "body", "result"), POSTS)
def test_a_function_gives_its_result(rest: Rest, name: str, body: Any, result: Any) -> None:
    answer = rest.post(f"/rpc/{name}", json=body)

    assert (answer.status_code, answer.json()) == (200, result)


GETS = {
    "add?a=1&b=5": 6,
    "add?a=1": 3,
    "people?above=1&select=id&id=gt.2": [{"id": 3}],
    "someone?select=id": {"id": 1},
    "total?numbers={1,2}": 3,
    "joined?parts=a": "a",
    "joined?parts=a&parts=b'c": "a+b'c",
}


@pytest.mark.parametrize("name", GETS)
def test_a_function_that_only_reads_is_called_by_get(rest: Rest, name: str) -> None:
    answer = rest.get(f"/rpc/{name}")

    assert (answer.status_code, answer.json()) == (200, GETS[name])


def test_a_form_brings_arguments(rest: Rest) -> None:
    assert rest.post("/rpc/add", data={"a": "1", "b": "5"}).json() == 6


def test_a_function_without_a_result_answers_nothing(rest: Rest) -> None:
    answer = rest.post("/rpc/nothing")

    assert (answer.status_code, answer.content) == (204, b"")


def test_a_function_takes_the_whole_body(rest: Rest) -> None:
    kind = {"Content-Type": "text/plain", "Accept": "text/plain"}

    answer = rest.post("/rpc/plain", content="ab\u00e4", headers=kind)

    assert (answer.text, answer.headers["Content-Type"]) == (
        "AB\u00c4",
        "text/plain; charset=utf-8",
    )


def test_rows_of_a_function_are_counted(rest: Rest) -> None:
    path = "/rpc/people?id=gt.1&limit=1"

    answer = rest.post(path, json={}, headers=prefer("count=exact"))

    assert (answer.status_code, answer.headers["Content-Range"]) == (206, "0-0/2")
    answer = rest.head("/rpc/people?above=1", headers=prefer("count=exact"))
    assert (answer.headers["Content-Range"], answer.content) == ("0-1/2", b"")


def test_one_row_of_a_function_comes_as_an_object(rest: Rest) -> None:
    single = {"Accept": "application/vnd.pgrst.object+json"}

    assert rest.post("/rpc/people?id=eq.1&select=id", headers=single).json() == {"id": 1}
    assert rest.post("/rpc/people", headers=single).status_code == 406


def test_a_function_sets_its_status_and_headers(rest: Rest) -> None:
    answer = rest.post("/rpc/status")

    assert (answer.status_code, answer.headers["X-Told"]) == (202, "yes")


def test_a_function_knows_its_caller(project: Project) -> None:
    person = "6f1f1c5c-3a52-4a11-9d4e-52d4d7c1a111"
    claims = {"role": "authenticated", "sub": person, "x": "y"}
    with Rest(project, signed(claims, project.jwt_secret)) as user:
        told = user.post("/rpc/told", headers={"X-Mine": "h"}).json()

    assert told == {
        "role": "authenticated",
        "uid": person,
        "jwt_role": "authenticated",
        "claim": "y",
        "header": "h",
        "method": "POST",
    }


def test_whoever_says_nothing_is_anonymous(project: Project) -> None:
    with Rest(project, project.anon_key) as anon:
        del anon.headers["Authorization"]
        assert anon.post("/rpc/told").json()["role"] == "anon"
        del anon.headers["apikey"]
        assert anon.post("/rpc/told").json()["role"] == "anon"


def test_policies_decide_what_is_seen(supabase: Any) -> None:
    project = supabase.project("""
        CREATE TABLE note (id int PRIMARY KEY, owner uuid DEFAULT auth.uid());
        ALTER TABLE note ENABLE ROW LEVEL SECURITY;
        CREATE POLICY own ON note FOR ALL TO authenticated
            USING (owner = auth.uid()) WITH CHECK (owner = auth.uid());
    """)
    keys = [
        signed(
            {"role": "authenticated", "sub": f"{number * 8}-1111-4111-8111-111111111111"},
            project.jwt_secret,
        )
        for number in ("1", "2")
    ]
    with Rest(project, keys[0]) as one, Rest(project, keys[1]) as two:
        assert one.post("/note", json={"id": 1}).status_code == 201
        other = {"id": 2, "owner": "22222222-1111-4111-8111-111111111111"}
        refused = one.post("/note", json=other)
        assert (refused.status_code, refused.json()["code"]) == (403, "42501")
        assert (len(one.get("/note").json()), two.get("/note").json()) == (1, [])
    with Rest(project, project.service_key) as service, Rest(project, project.anon_key) as anon:
        assert len(service.get("/note").json()) == 1
        assert anon.get("/note").json() == []
        assert anon.post("/note", json={"id": 3}).status_code == 401


def test_a_function_finds_what_is_beside_it_in_its_schema(supabase: Any) -> None:
    project = supabase.project("""
        CREATE SCHEMA side;
        CREATE TABLE side.t (n int);
        INSERT INTO side.t VALUES (7);
        CREATE FUNCTION side.n() RETURNS int LANGUAGE plpgsql
            AS $$ BEGIN RETURN (SELECT n FROM t); END $$;
        GRANT USAGE ON SCHEMA side TO service_role;
        GRANT SELECT ON side.t TO service_role;
    """)
    with Rest(project, project.service_key) as rest:
        assert rest.post("/rpc/n", headers={"Content-Profile": "side"}).json() == 7


def test_times_are_shown_in_the_zone_that_is_preferred(rest: Rest) -> None:
    told = prefer("timezone=Europe/Berlin")
    answer = rest.get("/person?select=made&id=eq.1", headers=told)
    assert answer.json() == [{"made": "2024-01-02T01:00:00+01:00"}]
    assert answer.headers["Preference-Applied"] == "timezone=Europe/Berlin"

    answer = rest.get("/person?select=made&id=eq.1", headers=prefer("timezone=No/Where"))
    assert answer.json() == [{"made": "2024-01-02T00:00:00+00:00"}]
    strict = prefer("handling=strict", "timezone=No/Where")
    assert rest.get("/person", headers=strict).json()["code"] == "PGRST122"


def test_numbers_keep_all_their_digits(rest: Rest) -> None:
    kind = {"Content-Type": "application/json"}

    answer = rest.post("/rpc/echo", content='{"n": 1.10000000000000000001}', headers=kind)

    assert answer.text == '{"n": 1.10000000000000000001}'
