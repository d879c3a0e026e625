"""Limits, and errors with their texts."""

from __future__ import annotations

from typing import Any

import pytest
from upstash_wire import TOKEN, Control, Open, Wire

SPARSE = {"indices": [1], "values": [1.0]}
DENSE_NEEDED = (422, "This index requires dense vectors")
SPARSE_NEEDED = (422, "This index requires sparse vectors")
NO_MODEL = (
    422,
    (
        "Embedding data for this index is not allowed. "
        "The index must be created with an embedding model to use it."
    ),
)


@pytest.mark.parametrize(
    ("body", "column"),
    [
        ('{"id": "a", "vector": [0.1, 0.2]', 33),
        ("not json", 1),
        ('{"id": "a" "vector": [1]}', 12),
        ('{"id": "a", "vector": [NaN]}', None),
        ('{"id": "a", "vector": [Infinity]}', None),
        ("[" * 100_000, None),
        ('{"id": "\xff"}', None),
    ],
)
def test_malformed_json_is_told_by_its_place(dense: Wire, body: str, column: int | None) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    url = f"{dense.url}/{dense.name}/upsert"
    response = dense.http.post(url, content=body.encode("latin-1"), headers=headers)

    error = response.json()["error"]
    assert response.status_code == 400
    start = "Missing or wrong input at [Source: (ByteArrayInputStream); line: 1, column: "
    assert error.startswith(start)
    assert error.endswith("]")
    if column is not None:
        assert error == f"{start}{column}]"


@pytest.mark.parametrize(
    "body",
    [
        None,
        "text",
        7,
        ["a"],
        {},
        {"id": "a", "vector": "text"},
        {"id": "a", "vector": ["1"]},
        {"id": "a", "vector": [True]},
        {"id": "a", "vector": [1e39]},
        {"id": "a", "vector": [1, None]},
        {"id": ["a"], "vector": [1, 2]},
        {"id": True, "vector": [1, 2]},
        {"vector": [1, 2]},
        {"id": "a", "vector": [1, 2], "metadata": "text"},
        {"id": "a", "vector": [1, 2], "metadata": [1]},
        {"id": "a", "vector": [1, 2], "data": 5},
        {"vectors": [{"id": "a", "vector": [1, 2]}]},
    ],
)
def test_an_upsert_of_another_shape_is_refused(dense: Wire, body: Any) -> None:
    status, text = dense.refused("upsert", body)

    assert status == 400
    assert text.startswith("Missing or wrong input at [Source: (ByteArrayInputStream); line: 1")
    assert dense.ok("info")["vectorCount"] == 0


@pytest.mark.parametrize(
    "sparse",
    [
        {"indices": [1, 2], "values": [1.0]},
        {"indices": [1.5], "values": [1.0]},
        {"indices": [2**31], "values": [1.0]},
        {"indices": [1], "values": ["1"]},
        {"indices": [1]},
        {"values": [1.0]},
        [1, 2],
    ],
)
def test_a_malformed_sparse_vector_is_refused(wire: Open, sparse: Any) -> None:
    index = wire("sparse")

    assert index.refused("upsert", {"id": "a", "sparseVector": sparse})[0] in {400, 422}
    assert index.refused("query", {"sparseVector": sparse})[0] in {400, 422}


@pytest.mark.parametrize(
    "body",
    [
        {"vector": [1, 2], "topK": 0},
        {"vector": [1, 2], "topK": "5"},
        {"vector": [1, 2], "includeVectors": "yes"},
        {"vector": [1, 2], "filter": 7},
        {"vector": [1, 2], "fusionAlgorithm": "SUM"},
        {"vector": [1, 2], "weightingStrategy": "BM25"},
    ],
)
def test_a_query_of_another_shape_is_refused(dense: Wire, body: Any) -> None:
    assert dense.refused("query", body)[0] == 400
    assert dense.refused("resumable-query", body)[0] == 400


@pytest.mark.parametrize(
    ("op", "body"),
    [
        ("upsert", b'{"id": "a", "vector": [1, 2], "metadata": {"n": 1e999}}'),
        ("upsert", b'{"id": "a", "vector": [1, 1e999]}'),
        ("upsert", b'{"id": 1e999, "vector": [1, 2]}'),
        ("delete", b'{"ids": ["a", -1e999]}'),
        ("resumable-query", b'{"vector": [1, 2], "maxIdle": 1e999}'),
        ("resumable-query", b'{"vector": [1, 2], "maxIdle": 1' + b"0" * 400 + b"}"),
    ],
)
def test_a_number_that_became_infinite_is_refused(dense: Wire, op: str, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    url = f"{dense.url}/{dense.name}/{op}"

    assert dense.http.post(url, content=body, headers=headers).status_code == 400
    assert dense.ok("range", {"limit": 9}) == {"nextCursor": "", "vectors": []}


def test_an_empty_id_is_refused(dense: Wire) -> None:
    assert dense.refused("upsert", {"id": "", "vector": [1, 2]})[0] == 422


def test_another_dimension_is_refused(wire: Open) -> None:
    for index in (wire("dense", dimension=256), wire("embedding")):
        text = "Invalid vector dimension: 2, expected: 256"
        for op in ("upsert", "update"):
            assert index.refused(op, {"id": "a", "vector": [0.1, 0.2]}) == (422, text)
        for op in ("query", "resumable-query", "query/nowhere"):
            assert index.refused(op, {"vector": [0.1, 0.2]}) == (422, text)


def test_the_first_vector_decides_an_open_dimension_until_a_reset(dense: Wire) -> None:
    assert dense.ok("info")["dimension"] == 2
    dense.ok("query", {"vector": [1, 2, 3]})
    dense.ok("upsert/ns", {"id": "a", "vector": [1, 2, 3]})
    assert dense.ok("info")["dimension"] == 3

    dense.ok("delete-namespace/ns")
    text = "Invalid vector dimension: 2, expected: 3"
    assert dense.refused("upsert", {"id": "a", "vector": [1, 2]}) == (422, text)

    dense.ok("reset")
    assert dense.ok("upsert", {"id": "a", "vector": [1, 2]}) == "Success"
    assert dense.ids("query", {"vector": [1, 2]}) == ["a"]


def test_a_longer_first_vector_makes_room_in_an_index_that_embeds(wire: Open) -> None:
    index = wire("embedding")
    index.ok("upsert", {"id": "a", "vector": [1.0] * 384})

    index.ok("upsert-data", {"id": "b", "data": "hello"})

    assert index.ok("info")["dimension"] == 384
    found = index.ok("query-data", {"data": "hello", "topK": 1, "includeVectors": True})
    assert (found[0]["id"], found[0]["score"], len(found[0]["vector"])) == ("b", 1.0, 384)
    text = "Invalid vector dimension: 256, expected: 384"
    assert index.refused("query", {"vector": [1.0] * 256}) == (422, text)


def test_vectors_of_the_wrong_kind_are_refused(wire: Open) -> None:
    dense, sparse, hybrid = wire("dense"), wire("sparse"), wire("hybrid")

    for index in (dense, hybrid):
        assert index.refused("upsert", {"id": "a", "sparseVector": SPARSE}) == DENSE_NEEDED
    for index in (sparse, hybrid):
        assert index.refused("upsert", {"id": "a", "vector": [1, 2]}) == SPARSE_NEEDED
    assert dense.refused("query", {"sparseVector": SPARSE}) == DENSE_NEEDED
    assert sparse.refused("query", {"vector": [1, 2]}) == SPARSE_NEEDED
    assert hybrid.refused("query", {}) == DENSE_NEEDED
    assert dense.refused("upsert", {"id": "a"}) == DENSE_NEEDED
    assert sparse.refused("upsert", {"id": "a"}) == SPARSE_NEEDED


@pytest.mark.parametrize("kind", ["dense", "sparse", "hybrid"])
def test_texts_need_a_model(wire: Open, kind: str) -> None:
    index = wire(kind)

    assert index.refused("upsert-data", {"id": "a", "data": "text"}) == NO_MODEL
    assert index.refused("query-data", {"data": "text"}) == NO_MODEL
    assert index.refused("resumable-query-data", {"data": "text"}) == NO_MODEL


def test_a_text_must_be_there(wire: Open) -> None:
    index = wire("embedding")

    assert index.refused("upsert-data", [{"id": "a", "data": "x"}, {"id": "b"}])[0] == 400
    assert index.refused("query-data", {})[0] == 400
    assert index.ok("info")["vectorCount"] == 0


@pytest.mark.parametrize("body", [{}, {"ids": ["1"], "prefix": "x"}, {"ids": None}])
def test_fetch_wants_ids_or_a_prefix(dense: Wire, body: Any) -> None:
    assert dense.refused("fetch", body) == (400, "Only one of ids or prefix must be provided.")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ids": ["1"], "prefix": "x"},
        {"prefix": "x", "filter": "a = 1"},
        {"ids": ["1"], "filter": "a = 1"},
        {"prefix": ""},
        {"filter": ""},
    ],
)
def test_delete_wants_exactly_one_of_three(dense: Wire, body: Any) -> None:
    text = "Only and only one of the ids, prefix, or filter must be provided."

    assert dense.refused("delete", body) == (400, text)


def rows(count: int) -> list[dict[str, Any]]:
    return [{"id": str(n), "vector": [1, n]} for n in range(count)]


def test_limits_of_counts(dense: Wire) -> None:
    dense.ok("upsert", rows(1000))
    dense.ok("upsert", rows(1010)[1000:])

    assert dense.refused("upsert", rows(1001))[0] == 422
    assert dense.refused("query", {"vector": [1, 1], "topK": 1001})[0] == 422
    assert dense.refused("fetch", {"ids": ["a"] * 1001})[0] == 422
    assert dense.refused("range", {"limit": 1001})[0] == 422
    assert len(dense.ok("query", {"vector": [1, 1], "topK": 1000})) == 1000
    assert len(dense.ok("fetch", {"ids": ["a"] * 1000})) == 1000
    assert len(dense.ok("fetch", {"prefix": ""})) == 1000
    assert dense.ok("range", {"limit": 1000})["nextCursor"] == "1000"


def test_a_filter_takes_so_many_values_after_in(dense: Wire, control: Control) -> None:
    dense.ok("upsert", {"id": "a", "vector": [1, 2], "metadata": {"n": 7}})

    def asked(count: int) -> dict[str, Any]:
        values = ", ".join(map(str, range(count)))
        return {"vector": [1, 2], "filter": f"n IN ({values}) AND n = 7"}

    assert dense.ids("query", asked(999)) == ["a"]
    assert dense.refused("query", asked(1000))[0] == 422
    control(limits=None)
    assert dense.ids("query", asked(5000)) == ["a"]


def test_limits_of_sizes(wire: Open) -> None:
    dense, sparse = wire("dense"), wire("sparse")
    base = {"id": "a", "vector": [1, 2]}

    assert dense.refused("upsert", {"id": "a", "vector": [0.5] * 3073})[0] == 422
    small, large = "x" * (48 * 1024 - 8), "x" * (48 * 1024 - 7)
    assert dense.ok("upsert", base | {"metadata": {"k": small}}) == "Success"
    assert dense.refused("upsert", base | {"metadata": {"k": large}})[0] == 422
    assert dense.refused("update", {"id": "a", "metadata": {"k": large}})[0] == 422
    assert dense.ok("upsert", base | {"metadata": {"k": "é" * 20_000}}) == "Success"
    assert dense.ok("upsert", base | {"data": "x" * 1024 * 1024}) == "Success"
    assert dense.refused("upsert", base | {"data": "é" * 600_000})[0] == 422
    many = {"indices": list(range(1001)), "values": [1.0] * 1001}
    assert sparse.refused("upsert", {"id": "a", "sparseVector": many})[0] == 422
    many["values"][0] = 0.0
    assert sparse.ok("upsert", {"id": "a", "sparseVector": many}) == "Success"


def test_limits_may_be_set_and_lifted(dense: Wire, control: Control) -> None:
    assert control(limits={"max_upsert": 2})["limits"]["max_read"] == 1000
    assert dense.refused("upsert", rows(3))[0] == 422

    control(limits=None)

    assert dense.ok("upsert", rows(1500)) == "Success"
    assert len(dense.ok("query", {"vector": [1, 1], "topK": 1500})) == 1500


def test_quotas_of_requests_answer_429(dense: Wire, control: Control) -> None:
    control(limits={"max_updates_per_day": 0})

    response = dense.send("upsert", rows(1))

    assert response.status_code == 429
    assert 0 < int(response.headers["Retry-After"]) <= 86_400
    assert dense.ok("query", {"vector": [1, 1]}) == []
    control(limits={"max_queries_per_second": 0})
    assert dense.refused("query", {"vector": [1, 1]})[0] == 429


def test_lengths_of_texts_are_unlimited_unless_set(dense: Wire, control: Control) -> None:
    long = {"id": "x" * 5000, "vector": [1, 1]}
    asked = {"vector": [1, 1], "filter": " OR ".join(["n = 1"] * 500)}
    dense.ok(f"upsert/{'n' * 500}", long)
    dense.ok("query", asked)

    control(limits={"max_id": 100, "max_namespace": 100, "max_filter": 100})

    assert dense.refused("upsert", long)[0] == 422
    assert dense.refused(f"upsert/{'m' * 101}", {"id": "a", "vector": [1, 1]})[0] == 422
    assert dense.refused("query", asked)[0] == 422
    assert dense.refused("delete", {"filter": asked["filter"]})[0] == 422
