"""The record store reads its own writes; queries and counts lag behind."""

from __future__ import annotations

from typing import Any

import pytest
from upstash_wire import Control, Elapse, Wire

ASKED = {"vector": [1, 1]}
LONG = 600.0


def records(*keys: str, **more: Any) -> list[dict[str, Any]]:
    return [{"id": key, "vector": [1, 1], **more} for key in keys]


def counts(index: Wire) -> tuple[int, int]:
    info = index.ok("info")
    return info["vectorCount"], info["pendingVectorCount"]


def test_fetch_range_update_and_delete_see_writes_at_once(dense: Wire, control: Control) -> None:
    control(lag=LONG)
    dense.ok("upsert/ns", records("a", "b", "c"))

    assert dense.ids("fetch/ns", {"ids": ["a", "b"]}) == ["a", "b"]
    assert len(dense.ok("range/ns", {})["vectors"]) == 3
    assert dense.ok("update/ns", {"id": "a", "metadata": {"n": 1}}) == {"updated": 1}
    assert dense.ok("fetch/ns", {"ids": ["a"], "includeMetadata": True})[0]["metadata"] == {"n": 1}
    assert dense.ok("delete/ns", {"filter": "n = 1"}) == {"deleted": 1}
    assert dense.ok("delete/ns", {"prefix": "b"}) == {"deleted": 1}
    assert dense.ok("list-namespaces") == ["", "ns"]
    assert dense.ok("random/ns")["id"] == "c"


def test_queries_see_writes_after_the_lag(dense: Wire, control: Control, elapse: Elapse) -> None:
    control(lag=LONG)
    dense.ok("upsert", records("a", "b"))
    elapse(LONG / 2)
    dense.ok("upsert", records("c"))

    assert dense.ok("query", ASKED) == []
    assert dense.ok("resumable-query", ASKED)["scores"] == []
    assert counts(dense) == (0, 3)

    elapse(LONG / 2)
    assert counts(dense) == (2, 1)
    assert dense.ids("query", ASKED) == ["a", "b"]
    elapse(LONG / 2)
    assert dense.ids("query", ASKED) == ["a", "b", "c"]
    assert counts(dense) == (3, 0)


def test_queries_see_the_old_record_until_then(dense: Wire, control: Control) -> None:
    dense.ok("upsert", records("a", metadata={"n": 1}))
    control(lag=LONG)
    dense.ok("upsert", [{"id": "a", "vector": [1, 0], "metadata": {"n": 2}}])
    dense.ok("update", {"id": "a", "metadata": {"n": 3}})

    asked = ASKED | {"includeMetadata": True, "filter": "n = 1"}
    assert dense.ok("query", asked) == [{"id": "a", "score": 1.0, "metadata": {"n": 1}}]
    assert counts(dense) == (1, 1)


def test_the_deleted_is_gone_from_queries_at_once(
    dense: Wire, control: Control, elapse: Elapse
) -> None:
    dense.ok("upsert", records("a", "b"))
    control(lag=LONG)
    dense.ok("upsert", records("b", "c", "d"))
    dense.ok("delete", {"ids": ["a", "c"]})

    assert dense.ids("query", ASKED) == ["b"]
    assert counts(dense) == (1, 2)
    elapse(LONG)
    assert sorted(dense.ids("query", ASKED)) == ["b", "d"]
    assert counts(dense) == (2, 0)


def test_the_deleted_is_seen_for_the_lag_if_so_set(
    dense: Wire, control: Control, elapse: Elapse
) -> None:
    dense.ok("upsert", records("a", "b", metadata={"n": 1}))
    control(lag=LONG, stale_deletes=True)
    dense.ok("delete", {"ids": ["a"]})

    assert dense.ok("fetch", {"ids": ["a"]}) == [None]
    found = dense.ok("query", ASKED | {"includeMetadata": True})
    assert found[0] == {"id": "a", "score": 1.0, "metadata": {"n": 1}}
    elapse(LONG)
    assert dense.ids("query", ASKED) == ["b"]


@pytest.mark.parametrize("stale", [False, True])
def test_a_reset_forgets_what_was_pending(
    dense: Wire, control: Control, elapse: Elapse, stale: bool
) -> None:
    control(lag=LONG, stale_deletes=stale)
    dense.ok("upsert", records("a"))
    dense.ok("reset")
    assert counts(dense) == ((0, 1) if stale else (0, 0))

    dense.ok("upsert", [{"id": "b", "vector": [1, 1, 1]}])

    elapse(LONG)
    assert counts(dense) == (1, 0)
    assert dense.ids("query", {"vector": [1, 1, 1]}) == ["b"]
    assert [each["id"] for each in dense.ok("range", {})["vectors"]] == ["b"]
