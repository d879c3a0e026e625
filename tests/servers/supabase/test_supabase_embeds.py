"""Rows of other tables come inside, by foreign keys."""

from __future__ import annotations

from typing import Any

import pytest
from supabase_calls import Rest, error, prefer

pytestmark = pytest.mark.server

SHOWN: dict[str, Any] = {
    "/person?select=id,pet!owner_id(name)&order=id&limit=2": [
        {"id": 1, "pet": [{"name": "Rex"}, {"name": "Tom"}]},
        {"id": 2, "pet": [{"name": "Kit"}]},
    ],
    "/person?select=id,pets:pet!pet_owner_id_fkey(name)&id=eq.3": [{"id": 3, "pets": []}],
    "/pet?select=name,owner:person!owner_id(name)&id=eq.1": [
        {"name": "Rex", "owner": {"name": "Ann"}}
    ],
    "/pet?select=name,owner_id(name),sitter_id(name)&id=eq.1": [
        {"name": "Rex", "owner_id": {"name": "Ann"}, "sitter_id": None}
    ],
    "/pet?select=name,...person!owner_id(owner:name)&id=eq.1": [{"name": "Rex", "owner": "Ann"}],
    "/person?select=id,pet!owner_id!inner(name)&pet.name=eq.Kit": [
        {"id": 2, "pet": [{"name": "Kit"}]}
    ],
    "/person?select=id,pet!owner_id(name)&pet.name=eq.Kit&order=id": [
        {"id": 1, "pet": []},
        {"id": 2, "pet": [{"name": "Kit"}]},
        {"id": 3, "pet": []},
    ],
    "/person?select=id,pet!owner_id(name)&pet.order=name.desc&pet.limit=1&id=eq.1": [
        {"id": 1, "pet": [{"name": "Tom"}]}
    ],
    "/person?select=id,pet!owner_id(name)&pet.or=(name.eq.Rex,name.eq.x)&id=eq.1": [
        {"id": 1, "pet": [{"name": "Rex"}]}
    ],
    "/pet?select=name,person!owner_id(name)&order=person(name).desc,name.asc": [
        {"name": "Kit", "person": {"name": "Bob, Jr. (x)"}},
        {"name": "Rex", "person": {"name": "Ann"}},
        {"name": "Tom", "person": {"name": "Ann"}},
    ],
    "/person?select=id,club(name)&order=id": [
        {"id": 1, "club": [{"name": "chess"}, {"name": "go"}]},
        {"id": 2, "club": [{"name": "chess"}]},
        {"id": 3, "club": []},
    ],
    "/person?select=id,pet!owner_id(count)&order=id": [
        {"id": 1, "pet": [{"count": 2}]},
        {"id": 2, "pet": [{"count": 1}]},
        {"id": 3, "pet": [{"count": 0}]},
    ],
    "/club?select=name,member(person(name))&id=eq.2": [
        {"name": "go", "member": [{"person": {"name": "Ann"}}]}
    ],
    "/person?select=id,pet!owner_id()&pet=is.null": [{"id": 3}],
    "/person?select=id,pet!owner_id()&pet=not.is.null&order=id": [{"id": 1}, {"id": 2}],
}


@pytest.mark.parametrize("path", SHOWN)
def test_rows_come_inside(rest: Rest, path: str) -> None:
    answer = rest.get(path)

    assert (answer.status_code, answer.json()) == (200, SHOWN[path])


def test_rows_without_a_wanted_one_inside_do_not_count(rest: Rest) -> None:
    path = "/person?select=id,pet!owner_id!inner(name)"

    answer = rest.head(path, headers=prefer("count=exact"))

    assert answer.headers["Content-Range"] == "0-1/2"


def test_a_new_row_comes_with_those_inside(rest: Rest) -> None:
    told = prefer("return=representation", "tx=rollback")

    answer = rest.post(
        "/pet?select=name,person!owner_id(name)", json={"owner_id": 1, "name": "N"}, headers=told
    )

    assert answer.json() == [{"name": "N", "person": {"name": "Ann"}}]


def test_tables_that_are_not_linked_are_refused(rest: Rest) -> None:
    answer = rest.get("/person?select=id,bare(a)")

    assert error(answer) == (400, "PGRST200")
    assert answer.json()["details"] == (
        "Searched for a foreign key relationship between 'person' and 'bare' in the schema "
        "'public', but no matches were found."
    )


def test_tables_that_are_linked_twice_are_refused(rest: Rest) -> None:
    answer = rest.get("/pet?select=name,person(name)")

    assert error(answer) == (300, "PGRST201")
    told = answer.json()
    assert told["message"] == (
        "Could not embed because more than one relationship was found for 'pet' and 'person'"
    )
    assert {each["cardinality"] for each in told["details"]} == {"many-to-one"}
    assert told["hint"].startswith("Try changing 'person' to one of the following: ")


def test_many_rows_inside_are_no_order(rest: Rest) -> None:
    assert error(rest.get("/person?select=id,pet!owner_id(name)&order=pet(name)")) == (
        *(400, "PGRST118"),
    )
    assert error(rest.get("/person?select=id,...pet!owner_id(name)")) == (400, "PGRST119")
    assert error(rest.get("/person?select=id,pet!owner_id(name)&pet=eq.1")) == (400, "PGRST120")


def test_rows_inside_need_names_of_their_own(rest: Rest) -> None:
    answer = rest.get("/pet?select=person!owner_id(name),person!sitter_id(name)")

    assert error(answer) == (400, "42712")
    assert answer.json()["message"] == 'table name "pet_person_1" specified more than once'
    answer = rest.get("/person?select=pet!owner_id(nope)")
    assert answer.json()["message"] == "column pet_1.nope does not exist"
