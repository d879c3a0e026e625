"""Rows are added, changed and deleted as PostgREST does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from supabase_calls import SQL, Rest, error, prefer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.testing.servers import Project, Supabase

pytestmark = pytest.mark.server

FULL = prefer("return=representation")
MERGE = prefer("return=representation", "resolution=merge-duplicates")
IGNORE = prefer("return=representation", "resolution=ignore-duplicates")


@pytest.fixture
def fresh(supabase: Supabase) -> Project:
    return supabase.project(SQL)


@pytest.fixture
def rest(fresh: Project) -> Iterator[Rest]:
    with Rest(fresh, fresh.service_key) as client:
        yield client


def test_a_row_is_added(rest: Rest) -> None:
    answer = rest.post("/person", json={"id": 9, "name": "New", "meta": {"a": [1]}})
    assert (answer.status_code, answer.content) == (201, b"")
    assert answer.headers["Content-Range"] == "*/*"

    answer = rest.post("/person?select=id,level", json=[{"id": 10}, {"id": 11}], headers=FULL)
    assert (answer.status_code, answer.json()) == (
        *(201, [{"id": 10, "level": 5}, {"id": 11, "level": 5}]),
    )
    assert answer.headers["Preference-Applied"] == "return=representation"
    assert rest.ids("") == [1, 2, 3, 9, 10, 11]


def test_no_rows_are_added_without_complaint(rest: Rest) -> None:
    answer = rest.post("/person", json=[], headers=FULL)

    assert (answer.status_code, answer.json()) == (201, [])


def test_a_row_of_defaults_is_added(rest: Rest) -> None:
    assert rest.post("/bare", json={}, headers=FULL).json() == [{"a": None, "b": None}]


def test_only_the_columns_that_are_named_count(rest: Rest) -> None:
    rows = [{"id": 20, "name": "a", "other": 1}, {"id": 21}]

    answer = rest.post('/person?columns="id","name"&select=id,name', json=rows, headers=FULL)

    assert answer.json() == [{"id": 20, "name": "a"}, {"id": 21, "name": None}]


def test_what_is_missing_takes_its_default_if_preferred(rest: Rest) -> None:
    rows = [{"id": 20, "level": 7}, {"id": 21}]
    path = "/person?columns=id,level&select=id,level"

    refused = rest.post(path, json=rows, headers=FULL)
    assert error(refused) == (400, "23502")

    answer = rest.post(path, json=rows, headers=prefer("return=representation,missing=default"))
    assert answer.json() == [{"id": 20, "level": 7}, {"id": 21, "level": 5}]


def test_csv_is_added(rest: Rest) -> None:
    kind = {"Content-Type": "text/csv", **FULL}

    answer = rest.post("/bare", content='a,b\n1,"x,y"\nNULL,z\n', headers=kind)

    assert answer.json() == [{"a": 1, "b": "x,y"}, {"a": None, "b": "z"}]


def test_only_the_place_of_a_new_row_is_told(rest: Rest) -> None:
    answer = rest.post("/person", json={"id": 9}, headers=prefer("return=headers-only"))

    assert (answer.status_code, answer.content) == (201, b"")
    assert answer.headers["Location"] == "/person?id=eq.9"


def test_an_upsert_merges(rest: Rest) -> None:
    answer = rest.post("/person?select=id,name,score", json={"id": 1, "name": "X"}, headers=MERGE)
    assert (answer.status_code, answer.json()) == (200, [{"id": 1, "name": "X", "score": 1.5}])

    rows = [{"id": 1, "name": "Y"}, {"id": 9, "name": "Z"}]
    answer = rest.post("/person?select=name", json=rows, headers=MERGE)
    assert (answer.status_code, answer.json()) == (201, [{"name": "Y"}, {"name": "Z"}])
    assert answer.headers["Preference-Applied"] == (
        "resolution=merge-duplicates, return=representation"
    )


def test_an_upsert_ignores(rest: Rest) -> None:
    rows = [{"id": 1, "name": "X"}, {"id": 9, "name": "Z"}]

    answer = rest.post("/person?select=name", json=rows, headers=IGNORE)

    assert (answer.status_code, answer.json()) == (201, [{"name": "Z"}])


def test_an_upsert_goes_by_other_columns(rest: Rest) -> None:
    path = "/person?on_conflict=name&columns=name,level&select=id,level"

    answer = rest.post(path, json={"name": "Ann", "level": 8}, headers=MERGE)

    assert (answer.status_code, answer.json()) == (400, answer.json())  # it has no id of its own
    assert error(answer) == (400, "23502")
    body = {"id": 1, "name": "Ann", "level": 8}
    answer = rest.post("/person?on_conflict=name&select=id,level", json=body, headers=MERGE)
    assert (answer.status_code, answer.json()) == (200, [{"id": 1, "level": 8}])


def test_rows_are_changed(rest: Rest) -> None:
    answer = rest.patch("/person?id=eq.1", json={"name": "X"})
    assert (answer.status_code, answer.headers["Content-Range"]) == (204, "0-0/*")

    told = prefer("return=representation", "count=exact")
    answer = rest.patch("/person?id=lt.3&select=id,level", json={"level": 9}, headers=told)
    assert (answer.status_code, answer.headers["Content-Range"]) == (200, "0-1/2")
    rows = sorted(answer.json(), key=lambda row: row["id"])
    assert rows == [{"id": 1, "level": 9}, {"id": 2, "level": 9}]


def test_changing_nothing_is_no_error(rest: Rest) -> None:
    answer = rest.patch("/person?id=eq.99", json={"name": "X"}, headers=FULL)
    assert (answer.status_code, answer.json()) == (200, [])
    assert rest.patch("/person?id=eq.99", json={"name": "X"}).status_code == 204
    assert rest.patch("/person?id=eq.1", json={}, headers=FULL).json() == []


def test_rows_are_deleted(rest: Rest) -> None:
    assert rest.delete("/person?id=eq.99", headers=FULL).json() == []
    answer = rest.request("DELETE", "/person?id=eq.3", json={}, headers=FULL)
    assert (answer.status_code, [row["id"] for row in answer.json()]) == (200, [3])
    answer = rest.delete("/pet", headers=prefer("count=exact"))
    assert (answer.status_code, answer.headers["Content-Range"]) == (204, "*/3")


def test_only_the_first_rows_are_changed_if_a_limit_is_given(rest: Rest) -> None:
    answer = rest.patch("/person?order=id.desc&limit=1&select=id", json={"level": 9}, headers=FULL)
    assert answer.json() == [{"id": 3}]

    rest.delete("/person?order=id.desc&limit=1")
    assert rest.ids("") == [1, 2]


def test_too_many_changes_are_undone(rest: Rest) -> None:
    strict = prefer("handling=strict", "max-affected=1")

    answer = rest.patch("/person?id=lt.3", json={"level": 9}, headers=strict)

    assert error(answer) == (400, "PGRST124")
    assert answer.json()["details"] == "The query affects 2 rows"
    assert rest.ids("level=eq.9") == []
    assert rest.patch("/person?id=eq.1", json={"level": 9}, headers=strict).status_code == 204
    loose = prefer("max-affected=1")
    assert rest.patch("/person?id=lt.3", json={"level": 9}, headers=loose).status_code == 204


def test_a_change_of_more_than_the_one_row_is_undone(rest: Rest) -> None:
    single = {"Accept": "application/vnd.pgrst.object+json", **FULL}

    answer = rest.patch("/person?id=lt.3", json={"level": 9}, headers=single)

    assert error(answer) == (406, "PGRST116")
    assert rest.ids("level=eq.9") == []


def test_a_transaction_can_be_rolled_back(rest: Rest) -> None:
    told = prefer("return=representation", "tx=rollback")

    assert rest.post("/person", json={"id": 9}, headers=told).json()[0]["id"] == 9
    assert rest.ids("id=eq.9") == []


def test_put_writes_one_row(rest: Rest) -> None:
    row = {"id": 9, "name": "P"}
    assert rest.put("/person?id=eq.9&select=id", json=row, headers=FULL).status_code == 201
    assert rest.put("/person?id=eq.9", json=row).status_code == 204
    assert error(rest.put("/person?id=eq.8", json=row)) == (400, "PGRST115")
    assert error(rest.put("/person?name=eq.P", json=row)) == (405, "PGRST105")
    assert error(rest.put("/person?id=eq.9&limit=1", json=row)) == (400, "PGRST114")


def test_another_schema_is_written_by_a_header(rest: Rest) -> None:
    side = {"Content-Profile": "side"}

    assert rest.post("/only", json={"id": 8}, headers=side).status_code == 201


def test_a_change_of_the_schema_is_known_at_once(rest: Rest, fresh: Project) -> None:
    assert error(rest.post("/bare", json={"c": 1})) == (400, "PGRST204")

    rest.post("/rpc/nothing")
    _run(fresh, "ALTER TABLE bare ADD c int; CREATE TABLE born (id int)")

    assert rest.post("/bare", json={"c": 1}).status_code == 201
    assert rest.post("/born", json={"id": 1}).status_code == 201
    _run(fresh, "ALTER TABLE bare ALTER c TYPE text; DROP TABLE born")
    assert rest.get("/bare?select=c").json() == [{"c": "1"}]
    assert rest.get("/born").status_code == 404


def _run(project: Project, sql: str) -> None:
    from lamina.testing.servers.postgres import Postgres

    Postgres().run(sql, dsn=project.dsn)


def test_of_twenty_at_once_one_adds_the_row(rest: Rest) -> None:
    def add(_: int) -> int:
        return rest.post("/person", json={"id": 9}).status_code

    with ThreadPoolExecutor(20) as pool:
        told = sorted(pool.map(add, range(20)))

    assert told == [201, *[409] * 19]


def test_of_twenty_at_once_one_changes_the_row(rest: Rest) -> None:
    def change(_: int) -> int:
        path = "/person?id=eq.1&level=eq.5&select=id"
        return len(rest.patch(path, json={"level": 6}, headers=FULL).json())

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(change, range(20))) == 1


def test_thousands_of_rows_are_written_at_once(rest: Rest) -> None:
    rows = [{"id": number, "name": f"n{number}"} for number in range(100, 5100)]

    answer = rest.post("/person", json=rows, headers=prefer("resolution=merge-duplicates"))

    assert answer.status_code == 201
    assert rest.head("/person", headers=prefer("count=exact")).headers["Content-Range"] == (
        "0-5002/5003"
    )
