"""Pages of `range`, and queries that are resumed."""

from __future__ import annotations

from typing import Any

import pytest
from upstash_wire import Control, Elapse, Open, Wire


def filled(index: Wire, count: int) -> Wire:
    index.ok("upsert", [{"id": f"id-{n}", "vector": [n + 1, 1]} for n in range(count)])
    return index


def pages(index: Wire, **asked: Any) -> list[list[str]]:
    """Read to the end."""
    found: list[list[str]] = []
    cursor = ""
    while cursor or not found:
        page = index.ok("range", {"cursor": cursor} | asked)
        found.append([each["id"] for each in page["vectors"]])
        cursor = page["nextCursor"]
    return found


@pytest.mark.parametrize("cursor", ["", "0", 0, None])
def test_a_page_begins_at_the_first_record(dense: Wire, cursor: object) -> None:
    page = filled(dense, 20).ok("range", {"cursor": cursor, "limit": 5})

    assert page["nextCursor"] == "5"
    assert [each["id"] for each in page["vectors"]] == [f"id-{n}" for n in range(5)]


def test_the_cursor_is_empty_exactly_when_nothing_is_left(dense: Wire) -> None:
    filled(dense, 2)

    assert dense.ok("range", {"cursor": "", "limit": 1})["nextCursor"] == "1"
    assert dense.ok("range", {"cursor": "1", "limit": 1})["nextCursor"] == ""
    assert dense.ok("range", {"cursor": "", "limit": 2})["nextCursor"] == ""
    assert dense.ok("range", {"cursor": "7", "limit": 2}) == {"nextCursor": "", "vectors": []}


def test_a_page_may_be_asked_for_without_cursor_and_limit(dense: Wire) -> None:
    page = filled(dense, 12).ok("range", {})

    assert (len(page["vectors"]), page["nextCursor"]) == (10, "10")


@pytest.mark.parametrize(
    "body",
    [
        {"cursor": "x"},
        {"cursor": "-1"},
        {"cursor": 1.5},
        {"limit": 0},
        {"limit": -1},
        {"cursor": []},
    ],
)
def test_cursors_and_limits_of_another_shape_are_refused(dense: Wire, body: Any) -> None:
    assert dense.refused("range", body)[0] == 400


def test_pages_may_be_narrowed_to_a_prefix(dense: Wire) -> None:
    filled(dense, 25)

    assert pages(dense, limit=4, prefix="id-1") == [
        ["id-1", "id-10", "id-11", "id-12"],
        ["id-13", "id-14", "id-15", "id-16"],
        ["id-17", "id-18", "id-19"],
    ]


def test_deletes_between_pages_neither_skip_nor_repeat(dense: Wire) -> None:
    first = filled(dense, 10).ok("range", {"cursor": "", "limit": 4})
    dense.ok("delete", {"ids": ["id-0", "id-2", "id-4", "id-5"]})

    rest = dense.ok("range", {"cursor": first["nextCursor"], "limit": 10})

    assert [each["id"] for each in rest["vectors"]] == [f"id-{n}" for n in range(6, 10)]


def test_writing_a_record_again_keeps_its_place(dense: Wire) -> None:
    first = filled(dense, 6).ok("range", {"cursor": "", "limit": 3})
    dense.ok("upsert", [{"id": key, "vector": [9, 9]} for key in ("id-1", "id-4", "new")])
    dense.ok("update", {"id": "id-3", "data": "text"})

    rest = dense.ok("range", {"cursor": first["nextCursor"], "limit": 10})

    assert [each["id"] for each in rest["vectors"]] == ["id-3", "id-4", "id-5", "new"]


def test_many_deletes_leave_pages_whole(dense: Wire) -> None:
    for _ in range(3):
        filled(dense, 900)
        dense.ok("delete", {"prefix": "id-"})
    filled(dense, 9)

    assert pages(dense, limit=4) == [
        ["id-0", "id-1", "id-2", "id-3"],
        ["id-4", "id-5", "id-6", "id-7"],
        ["id-8"],
    ]


def test_a_resumable_query_goes_on_to_the_end(dense: Wire) -> None:
    filled(dense, 6)
    asked = {"vector": [1, 1], "topK": 2, "includeVectors": True}

    begun = dense.ok("resumable-query", asked)
    assert [each["id"] for each in begun["scores"]] == ["id-0", "id-1"]
    assert begun["scores"][0] == {"id": "id-0", "score": 1.0, "vector": [1, 1]}

    key = begun["uuid"]
    assert dense.ids("resumable-query-next", {"uuid": key, "additionalK": 3}) == [
        f"id-{n}" for n in (2, 3, 4)
    ]
    assert dense.ids("resumable-query-next", {"uuid": key, "additionalK": 3}) == ["id-5"]
    assert dense.ok("resumable-query-next", {"uuid": key, "additionalK": 3}) == []
    assert dense.ok("resumable-query-end", {"uuid": key}) == "Success"
    assert dense.refused("resumable-query-next", {"uuid": key, "additionalK": 1})[0] == 404
    assert dense.refused("resumable-query-end", {"uuid": key})[0] == 404


def test_a_resumable_query_gives_the_scores_of_a_query(wire: Open) -> None:
    index = wire("hybrid")
    records = [
        {"id": str(n), "vector": [n, 1], "sparseVector": {"indices": [1], "values": [10 - n]}}
        for n in range(8)
    ]
    index.ok("upsert", records)
    asked = {"vector": [7, 1], "sparseVector": {"indices": [1], "values": [1]}, "topK": 3}

    begun = index.ok("resumable-query", asked)
    more = index.ok("resumable-query-next", {"uuid": begun["uuid"], "additionalK": 5})

    assert begun["scores"] + more == index.ok("query", asked | {"topK": 8})


def test_a_resumable_query_keeps_its_filter_and_passes_over_the_deleted(dense: Wire) -> None:
    records = [{"id": str(n), "vector": [n + 1, 1], "metadata": {"n": n}} for n in range(8)]
    dense.ok("upsert", records)
    asked = {"vector": [1, 1], "topK": 1, "filter": "n >= 2"}

    begun = dense.ok("resumable-query", asked)
    dense.ok("delete", {"ids": ["3", "4"]})
    more = dense.ids("resumable-query-next", {"uuid": begun["uuid"], "additionalK": 9})

    assert [each["id"] for each in begun["scores"]] + more == ["2", "5", "6", "7"]


def test_a_resumable_query_of_an_unknown_namespace_has_no_uuid(dense: Wire) -> None:
    asked = {"vector": [1, 1]}

    assert dense.ok("resumable-query/ns", asked) == {"uuid": "", "scores": []}
    assert dense.ok("resumable-query", asked)["uuid"] != ""  # empty, but there
    assert dense.refused("resumable-query-end", {"uuid": ""})[0] == 404


@pytest.mark.parametrize("how", ["delete-namespace", "rename-namespace", "reset"])
def test_a_resumable_query_ends_with_its_namespace(dense: Wire, how: str) -> None:
    for ns in ("ns", "other"):
        dense.ok(f"upsert/{ns}", [{"id": str(n), "vector": [n + 1, 1]} for n in range(3)])
    begun = dense.ok("resumable-query/ns", {"vector": [1, 1], "topK": 1})

    renamed = {"namespace": "other", "newNamespace": "ns", "deleteExisting": True}
    dense.ok(*((how, renamed) if how == "rename-namespace" else (f"{how}/ns",)))

    assert dense.ok("resumable-query-next", {"uuid": begun["uuid"], "additionalK": 5}) == []


def test_an_idle_resumable_query_ends(dense: Wire, elapse: Elapse) -> None:
    filled(dense, 9)
    usual = dense.ok("resumable-query", {"vector": [1, 1], "topK": 1})["uuid"]
    short = dense.ok("resumable-query", {"vector": [1, 1], "topK": 1, "maxIdle": 60})["uuid"]

    for _ in range(3):
        elapse(50)  # each request begins the wait anew
        assert len(dense.ok("resumable-query-next", {"uuid": short, "additionalK": 1})) == 1
    elapse(61)

    assert dense.refused("resumable-query-next", {"uuid": short, "additionalK": 1})[0] == 404
    assert len(dense.ok("resumable-query-next", {"uuid": usual, "additionalK": 1})) == 1
    elapse(3601)
    assert dense.refused("resumable-query-end", {"uuid": usual})[0] == 404


def test_the_number_of_open_resumable_queries_is_limited(dense: Wire, control: Control) -> None:
    control(limits={"max_resumable": 2})
    asked = {"vector": [1, 1]}
    first = dense.ok("resumable-query", asked)["uuid"]
    dense.ok("resumable-query", asked)

    assert dense.refused("resumable-query", asked)[0] == 429
    dense.ok("resumable-query-end", {"uuid": first})
    assert dense.ok("resumable-query", asked)["uuid"]
