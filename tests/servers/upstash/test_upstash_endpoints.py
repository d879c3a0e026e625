"""Every endpoint, by the shapes of its requests and results."""

from __future__ import annotations

from typing import Any

import pytest
from upstash_wire import READ_ONLY, TOKEN, Open, Wire

SPARSE = {"indices": [7, -3, 7], "values": [0.1, 2.5, 0.3]}
VERBS = {
    "info": "GET",
    "range": "GET",
    "fetch": "GET",
    "random": "GET",
    "list-namespaces": "GET",
    "delete": "DELETE",
    "reset": "DELETE",
    "delete-namespace": "DELETE",
}


def filled(index: Wire, count: int = 3, namespace: str = "") -> Wire:
    body = [{"id": f"id-{n}", "vector": [n + 1, 1]} for n in range(count)]
    index.ok(f"upsert/{namespace}" if namespace else "upsert", body)
    return index


def test_upsert_takes_an_object_or_an_array(dense: Wire) -> None:
    assert dense.ok("upsert", {"id": "a", "vector": [0.1, 0.2]}) == "Success"
    assert dense.ok("upsert", [{"id": "b", "vector": [0.1, 0.2]}]) == "Success"

    assert [each["id"] for each in dense.ok("fetch", {"ids": ["a", "b"]})] == ["a", "b"]


def test_null_is_as_good_as_absent(dense: Wire) -> None:
    record = {"id": "a", "vector": [1, 2], "sparseVector": None, "metadata": None, "data": None}
    dense.ok("upsert", record)

    asked = {"ids": ["a"], "prefix": None, "includeMetadata": True, "includeData": True}
    assert dense.ok("fetch", asked) == [{"id": "a"}]


def test_ids_may_be_numbers(dense: Wire) -> None:
    dense.ok("upsert", {"id": 1, "vector": [1, 2]})

    assert dense.ok("update", {"id": 1, "metadata": {"n": 1}}) == {"updated": 1}
    assert dense.ok("fetch", {"ids": ["1", 1]}) == [{"id": "1"}, {"id": "1"}]
    assert dense.ok("delete", {"ids": [1]}) == {"deleted": 1}


def test_upsert_replaces_the_whole_record(dense: Wire) -> None:
    dense.ok("upsert", {"id": "a", "vector": [1, 2], "metadata": {"n": 1}, "data": "text"})
    dense.ok("upsert", {"id": "a", "vector": [3, 4]})

    asked = {"ids": ["a"], "includeVectors": True, "includeMetadata": True, "includeData": True}
    assert dense.ok("fetch", asked) == [{"id": "a", "vector": [3, 4]}]


def test_upsert_of_one_bad_record_writes_none(dense: Wire) -> None:
    bad = [{"id": "a", "vector": [1, 2]}, {"id": "b", "vector": [1, 2, 3]}]

    assert dense.refused("upsert", bad) == (422, "Invalid vector dimension: 3, expected: 2")
    assert dense.ok("fetch", {"ids": ["a", "b"]}) == [None, None]
    assert dense.ok("upsert", {"id": "a", "vector": [1, 2, 3]}) == "Success"


@pytest.mark.parametrize("number", [0.1, 0.2, 1e-7, 16777216.0, -3.4028235e38, 1.1754944e-38])
def test_numbers_come_back_as_the_shortest_float32(dense: Wire, number: float) -> None:
    dense.ok("upsert", {"id": "a", "vector": [number, 1.0]})

    response = dense.send("fetch", {"ids": ["a"], "includeVectors": True})
    assert response.json()["result"][0]["vector"] == [number, 1.0]


def test_sparse_vectors_are_echoed_as_sent(wire: Open) -> None:
    index = wire("sparse")
    index.ok("upsert", {"id": "a", "sparseVector": SPARSE})

    found = index.ok("fetch", {"ids": ["a"], "includeVectors": True})
    assert found == [{"id": "a", "sparseVector": SPARSE}]


def test_hybrid_answers_show_both_vectors(wire: Open) -> None:
    index = wire("hybrid")
    index.ok("upsert", {"id": "a", "vector": [1, 2], "sparseVector": SPARSE})

    asked = {"vector": [1, 2], "includeVectors": True}
    (found,) = index.ok("query", asked)
    assert found["vector"] == [1, 2]
    assert found["sparseVector"] == SPARSE


def test_an_empty_dense_vector_is_none(wire: Open) -> None:
    index = wire("sparse")

    assert index.ok("upsert", {"id": "a", "vector": [], "sparseVector": SPARSE}) == "Success"


def test_empty_metadata_may_be_an_array(dense: Wire) -> None:
    dense.ok("upsert", {"id": "a", "vector": [1, 2], "metadata": []})

    assert dense.ok("fetch", {"ids": ["a"], "includeMetadata": True}) == [
        {"id": "a", "metadata": {}}
    ]


def test_update_changes_what_is_named(dense: Wire) -> None:
    dense.ok("upsert", {"id": "a", "vector": [1, 2], "metadata": {"n": 1}, "data": "old"})

    assert dense.ok("update", {"id": "a", "data": "new"}) == {"updated": 1}
    assert dense.ok("update", {"id": "a", "vector": [2, 3]}) == {"updated": 1}

    asked = {"ids": ["a"], "includeVectors": True, "includeMetadata": True, "includeData": True}
    assert dense.ok("fetch", asked) == [
        {"id": "a", "vector": [2, 3], "metadata": {"n": 1}, "data": "new"}
    ]


@pytest.mark.parametrize("path", ["update", "update/nowhere"])
def test_update_of_what_is_not_there_is_told_by_zero(dense: Wire, path: str) -> None:
    assert dense.ok(path, {"id": "a", "vector": [1, 2]}) == {"updated": 0}
    assert dense.ok("list-namespaces") == [""]


MERGES: list[tuple[Any, Any, Any]] = [
    ({"a": 1, "b": 2}, {"b": None, "c": 3}, {"a": 1, "c": 3}),
    ({"a": {"b": 1, "c": 2}}, {"a": {"b": None}}, {"a": {"c": 2}}),
    ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
    ({"a": 1}, {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}),
    (None, {"a": 1, "b": None}, {"a": 1}),
    ({"a": 1}, {}, {"a": 1}),
]


@pytest.mark.parametrize(("old", "patch", "new"), MERGES)
def test_patch_merges_as_rfc_7396_says(dense: Wire, old: Any, patch: Any, new: Any) -> None:
    dense.ok("upsert", {"id": "a", "vector": [1, 2], "metadata": old})
    dense.ok("update", {"id": "a", "metadata": patch, "metadataUpdateMode": "PATCH"})

    (found,) = dense.ok("fetch", {"ids": ["a"], "includeMetadata": True})
    assert found["metadata"] == new


@pytest.mark.parametrize("mode", [None, "OVERWRITE"])
def test_update_overwrites_metadata_otherwise(dense: Wire, mode: str | None) -> None:
    dense.ok("upsert", {"id": "a", "vector": [1, 2], "metadata": {"a": 1}})
    dense.ok("update", {"id": "a", "metadata": {"b": 2}, "metadataUpdateMode": mode})

    assert dense.ok("fetch", {"ids": ["a"], "includeMetadata": True})[0]["metadata"] == {"b": 2}


def test_hybrid_updates_both_vectors_or_neither(wire: Open) -> None:
    index = wire("hybrid")
    index.ok("upsert", {"id": "a", "vector": [1, 2], "sparseVector": SPARSE})

    assert index.refused("update", {"id": "a", "vector": [2, 3]})[0] == 422
    assert index.refused("update", {"id": "a", "sparseVector": SPARSE})[0] == 422
    both = {"id": "a", "vector": [2, 3], "sparseVector": SPARSE}
    assert index.ok("update", both) == {"updated": 1}


def test_a_query_shows_fields_that_are_asked_for_and_there(dense: Wire) -> None:
    dense.ok("upsert", {"id": "a", "vector": [1, 2], "metadata": {"n": 1}})

    assert dense.ok("query", {"vector": [1, 2]}) == [{"id": "a", "score": 1.0}]
    everything = {"includeVectors": True, "includeMetadata": True, "includeData": True}
    assert dense.ok("query", {"vector": [1, 2]} | everything) == [
        {"id": "a", "score": 1.0, "vector": [1, 2], "metadata": {"n": 1}}
    ]


def test_a_query_gives_ten_unless_told_otherwise(dense: Wire) -> None:
    filled(dense, 12)

    assert len(dense.ok("query", {"vector": [1, 2]})) == 10
    assert len(dense.ok("query", {"vector": [1, 2], "topK": 11})) == 11


def test_an_array_of_one_query_gives_a_plain_list(dense: Wire) -> None:
    filled(dense)
    one = {"vector": [1, 2], "topK": 1}

    assert dense.ok("query", [one]) == dense.ok("query", one)
    assert dense.ok("query", [one, one]) == [dense.ok("query", one)] * 2
    assert dense.ok("query", []) == []


def test_queries_of_an_unknown_namespace_find_nothing_and_make_none(dense: Wire) -> None:
    assert dense.ok("query/ns", {"vector": [1, 2]}) == []
    assert dense.ok("query/ns", [{"vector": [1, 2]}, {"vector": [1, 2]}]) == [[], []]
    assert dense.ok("fetch/ns", {"ids": ["a"]}) == [None]
    assert dense.ok("fetch/ns", {"prefix": "a"}) == []
    assert dense.ok("range/ns", {"cursor": "", "limit": 1}) == {"nextCursor": "", "vectors": []}
    assert dense.ok("delete/ns", {"ids": ["a"]}) == {"deleted": 0}
    assert dense.ok("random/ns") is None
    assert dense.ok("reset/ns") == "Success"
    assert dense.ok("list-namespaces") == [""]


def test_fetch_by_prefix_keeps_the_order_of_insertion(dense: Wire) -> None:
    dense.ok("upsert", [{"id": key, "vector": [1, 1]} for key in ("x-b", "y", "x-a")])

    assert dense.ids("fetch", {"prefix": "x-"}) == ["x-b", "x-a"]


def test_delete_takes_ids_a_prefix_or_a_filter(dense: Wire) -> None:
    ids = ["x-1", "x-2", "y", "z", "w"]
    records = [{"id": key, "vector": [1, 1], "metadata": {"key": key}} for key in ids]
    dense.ok("upsert", records)

    assert dense.ok("delete", {"ids": ["y", "y", "no"]}) == {"deleted": 1}
    assert dense.ok("delete", {"ids": "w"}) == {"deleted": 1}
    assert dense.ok("delete", {"prefix": "x-"}) == {"deleted": 2}
    assert dense.ok("delete", {"filter": "key = 'z'"}) == {"deleted": 1}
    assert dense.ok("info")["vectorCount"] == 0


@pytest.mark.parametrize("body", ["7", 7, ["7"], {"ids": ["7"]}, {"ids": 7}])
def test_ids_may_be_the_whole_body(dense: Wire, body: Any) -> None:
    dense.ok("upsert", {"id": 7, "vector": [1, 1]})

    assert dense.ids("fetch", body) == ["7"]
    assert dense.ok("delete", body, "DELETE") == {"deleted": 1}


def test_stats_are_the_counts_alone(dense: Wire) -> None:
    dense.ok("upsert/ns", [{"id": "a", "vector": [1, 1]}, {"id": "b", "vector": [1, 1]}])
    info = dense.ok("info")

    told = dense.ok("stats", method="GET")

    assert told == {"vectorCount": 2, "pendingVectorCount": 0, "indexSize": info["indexSize"]}


def test_random_gives_a_vector_or_null(dense: Wire) -> None:
    assert dense.ok("random") is None
    dense.ok("upsert", {"id": "a", "vector": [1, 2], "metadata": {"n": 1}, "data": "text"})
    assert dense.ok("random", method="GET") == {"id": "a", "vector": [1, 2]}


def test_reset_empties_a_namespace_or_all_and_keeps_them(dense: Wire) -> None:
    filled(filled(filled(dense), namespace="a"), namespace="b")

    assert dense.ok("reset/a") == "Success"
    assert counts(dense) == {"": 3, "a": 0, "b": 3}
    assert dense.ok("reset?all", []) == "Success"
    assert counts(dense) == {"": 0, "a": 0, "b": 0}


def counts(index: Wire) -> dict[str, int]:
    spaces = index.ok("info")["namespaces"]
    return {name: space["vectorCount"] for name, space in spaces.items()}


def test_namespaces_are_deleted_but_for_the_default(dense: Wire) -> None:
    filled(dense, namespace="ns")
    assert dense.ok("list-namespaces") == ["", "ns"]

    assert dense.ok("delete-namespace/ns") == "Success"

    assert dense.ok("list-namespaces") == [""]
    name = dense.name.partition("~")[2]
    text = f"Namespace ns for the index {name} does not exist"
    assert dense.refused("delete-namespace/ns") == (404, text)
    assert dense.refused("delete-namespace")[0] == 422


def test_namespaces_are_renamed(dense: Wire) -> None:
    filled(filled(dense, namespace="a"), 1, namespace="b")
    wanted = {"namespace": "a", "newNamespace": "b"}

    assert dense.ok("rename-namespace", wanted) == {"renamed": False}
    assert dense.ok("rename-namespace", wanted | {"deleteExisting": True}) == {"renamed": True}
    assert counts(dense) == {"": 0, "b": 3}
    assert dense.ok("rename-namespace", wanted) == {"renamed": False}
    assert dense.refused("rename-namespace", {"namespace": "", "newNamespace": "x"})[0] == 422


def test_namespaces_in_paths_are_percent_decoded(dense: Wire) -> None:
    filled(dense, 1, namespace="a%2Fb%20%C3%A9")

    assert dense.ok("list-namespaces") == ["", "a/b é"]
    assert dense.send("upsert/a/b", {"id": "a", "vector": [1, 2]}).status_code == 404


KINDS: list[tuple[str, dict[str, Any]]] = [
    ("dense", {"indexType": "DENSE", "dimension": 3, "similarityFunction": "EUCLIDEAN"}),
    ("sparse", {"indexType": "SPARSE", "dimension": 0, "similarityFunction": ""}),
    ("hybrid", {"indexType": "HYBRID", "dimension": 3, "similarityFunction": "EUCLIDEAN"}),
    ("embedding", {"indexType": "DENSE", "dimension": 3, "similarityFunction": "EUCLIDEAN"}),
    ("hybrid-embedding", {"indexType": "HYBRID", "dimension": 3}),
    ("sparse-embedding", {"indexType": "SPARSE", "dimension": 0}),
]


@pytest.mark.parametrize(("kind", "told"), KINDS)
def test_info_tells_what_the_index_is(wire: Open, kind: str, told: dict[str, Any]) -> None:
    info = wire(kind, dimension=3, metric="EUCLIDEAN").ok("info")

    assert info | told == info
    assert info["vectorCount"] == info["pendingVectorCount"] == info["indexSize"] == 0
    assert info["namespaces"] == {"": {"vectorCount": 0, "pendingVectorCount": 0}}
    assert ("denseIndex" in info) is ("sparse" not in kind)
    assert ("sparseIndex" in info) is ("sparse" in kind or "hybrid" in kind)
    for part in {"denseIndex", "sparseIndex"} & info.keys():
        assert bool(info[part]["embeddingModel"]) is ("embedding" in kind)
    if "denseIndex" in info:
        assert info["denseIndex"]["dimension"] == 3
        assert info["denseIndex"]["similarityFunction"] == "EUCLIDEAN"


@pytest.mark.parametrize(("op", "verb"), VERBS.items())
def test_rest_verbs_are_served_with_bodies(dense: Wire, op: str, verb: str) -> None:
    filled(dense, namespace="ns")
    bodies = {"range": {"cursor": 0, "limit": 2}, "fetch": {"ids": ["id-0"]}}
    body = bodies.get(op) or ({"ids": ["id-0"]} if op == "delete" else None)

    assert dense.send(f"{op}/ns", body, verb).status_code == 200
    other = "DELETE" if verb == "GET" else "GET"
    assert dense.refused(f"{op}/ns", body, other) == (405, "Method Not Allowed")


@pytest.mark.parametrize("op", ["upsert", "query", "update", "resumable-query-next"])
def test_other_methods_are_refused(dense: Wire, op: str) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        assert dense.refused(op, {}, method) == (405, "Method Not Allowed")


@pytest.mark.parametrize("op", ["info", "reset", "list-namespaces"])
@pytest.mark.parametrize("body", [b"", b"[]", b"{}"])
def test_bodies_that_say_nothing_are_taken(dense: Wire, op: str, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    response = dense.http.post(f"{dense.url}/{dense.name}/{op}", content=body, headers=headers)

    assert response.status_code == 200


@pytest.mark.parametrize("given", [None, "", "Bearer", "Bearer wrong", TOKEN, f"Basic {TOKEN}"])
def test_a_wrong_token_is_refused(dense: Wire, given: str | None) -> None:
    headers = {} if given is None else {"Authorization": given}
    response = dense.http.post(f"{dense.url}/{dense.name}/info", headers=headers)

    text = "Unauthorized: Invalid auth token"
    assert (response.status_code, response.json()) == (401, {"error": text, "status": 401})


def test_a_read_only_token_reads_only(dense: Wire) -> None:
    filled(dense)
    headers = {"Authorization": f"Bearer {READ_ONLY}"}

    assert dense.send("query", {"vector": [1, 2]}, headers=headers).status_code == 200
    for op in ("upsert", "upsert-data", "update", "delete", "reset", "delete-namespace"):
        response = dense.send(f"{op}/ns", {}, headers=headers)
        error = {"error": f"Forbidden: /{op} is not allowed", "status": 403}
        assert (response.status_code, response.json()) == (403, error)
    assert counts(dense) == {"": 3}


@pytest.mark.parametrize("path", ["", "/", "/nokind/info", "/dense/none", "/dense", "/dense//info"])
def test_unknown_paths_are_not_found(dense: Wire, path: str) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    response = dense.http.post(f"{dense.url}{path}", headers=headers)

    assert (response.status_code, response.json()["status"]) == (404, 404)


def test_readiness_needs_no_token(dense: Wire) -> None:
    assert dense.http.get(f"{dense.url}/_ready").status_code == 200


def test_indexes_of_one_kind_are_independent(wire: Open) -> None:
    first, second = filled(wire("dense")), wire("dense")

    assert second.ok("info")["vectorCount"] == 0
    assert first.ok("info")["vectorCount"] == 3
