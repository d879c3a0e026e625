"""Switches let callers ask for more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from supabase_calls import SQL, Rest

from lamina.testing.servers import Supabase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.testing.servers import Postgres

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def more(postgres: Postgres) -> Iterator[Rest]:
    with Supabase(["--aggregates", "--plans"], postgres=postgres) as server:
        project = server.project(SQL)
        with Rest(project, project.service_key) as client:
            yield client


SUMS: dict[str, Any] = {
    "/person?select=count()": [{"count": 3}],
    "/person?select=all:count()&id=gt.1": [{"all": 2}],
    "/person?select=id.sum(),score.max()": [{"sum": 6, "max": 2}],
    "/person?select=score.sum()::text": [{"sum": "3.50"}],
    "/pet?select=owner_id,count()&order=owner_id": [
        {"owner_id": 1, "count": 2},
        {"owner_id": 2, "count": 1},
    ],
    "/pet?select=person!owner_id(name),count()&id=lt.3": [{"person": {"name": "Ann"}, "count": 2}],
    "/pet?select=...person!owner_id(of:name),count()&id=lt.3": [{"of": "Ann", "count": 2}],
    "/person?select=name,pet!owner_id(id.count())&id=eq.1": [
        {"name": "Ann", "pet": [{"count": 2}]}
    ],
}


@pytest.mark.parametrize("path", SUMS)
def test_rows_are_summed_up(more: Rest, path: str) -> None:
    answer = more.get(path)

    assert (answer.status_code, answer.json()) == (200, SUMS[path])


def test_a_call_is_explained(more: Rest) -> None:
    kind = 'application/vnd.pgrst.plan+json; for="application/json"; options=verbose'

    answer = more.get("/person", headers={"Accept": kind})
    assert answer.json()[0]["Plan"]["Node Type"] == "Aggregate"
    assert answer.headers["Content-Type"].startswith("application/vnd.pgrst.plan+json")
    text = more.get("/person", headers={"Accept": "application/vnd.pgrst.plan+text"}).text
    assert text.startswith("Aggregate  (cost=")


def test_a_call_is_not_explained_without_the_switch(rest: Rest) -> None:
    kind = {"Accept": "application/vnd.pgrst.plan+json"}

    assert rest.get("/person", headers=kind).json()["code"] == "PGRST107"
