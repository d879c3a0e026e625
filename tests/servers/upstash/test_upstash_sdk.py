"""The official SDK against all kinds of index, as its own suite uses it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from upstash_vector import AsyncIndex, Index, Vector
from upstash_vector.core.index_operations import MetadataUpdateMode, QueryMode
from upstash_vector.errors import UpstashError
from upstash_vector.types import Data, FusionAlgorithm, SparseVector, WeightingStrategy
from upstash_wire import TOKEN, Control, Open

KINDS = ["dense", "sparse", "hybrid", "embedding", "hybrid-embedding", "sparse-embedding"]
NAMESPACES = ["", "ns"]
TEXTS = ["Tokyo is the capital of Japan", "Paris is the capital of France", "noodles with sauce"]


class Sdk:
    """What to write to an index of a kind, and what to ask it."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind = kind
        self.url = url
        self.embeds = "embedding" in kind

    def records(self) -> list[Any]:
        metadata = [{"n": n} for n in range(3)]
        if self.embeds:
            return [Data(f"id-{n}", TEXTS[n], metadata[n]) for n in range(3)]
        return [
            Vector(f"id-{n}", metadata=metadata[n], data=TEXTS[n], **self.vectors(n))
            for n in range(3)
        ]

    def vectors(self, n: int) -> dict[str, Any]:
        dense = {} if "sparse" in self.kind else {"vector": [0.5, 0.1 + n]}
        sparse = {} if self.kind == "dense" else {"sparse_vector": ([7, n], [1.5, 1.0])}
        return dense | sparse

    def asked(self, n: int) -> dict[str, Any]:
        return {"data": TEXTS[n]} if self.embeds else self.vectors(n)


@pytest.fixture(params=KINDS)
def sdk(request: pytest.FixtureRequest, wire: Open) -> Sdk:
    index = wire(request.param)
    return Sdk(request.param, f"{index.url}/{index.name}")


@pytest.fixture
def index(sdk: Sdk) -> Iterator[Index]:
    made = Index(sdk.url, TOKEN, retries=0)
    yield made
    made._client.close()


@pytest.mark.parametrize("ns", NAMESPACES)
def test_upsert_query_fetch_range_update_delete(sdk: Sdk, index: Index, ns: str) -> None:
    assert index.upsert(sdk.records(), namespace=ns) == "Success"

    everything: dict[str, bool] = {
        "include_vectors": True,
        "include_metadata": True,
        "include_data": True,
    }
    found = index.query(**sdk.asked(1), top_k=1, namespace=ns, **everything)
    fetched = index.fetch("id-1", namespace=ns, **everything)[0]
    assert [each.id for each in found] == ["id-1"]
    assert fetched is not None
    assert (found[0].vector, found[0].sparse_vector) == (fetched.vector, fetched.sparse_vector)
    assert (fetched.metadata, fetched.data) == ({"n": 1}, TEXTS[1])
    assert (fetched.vector is None) is ("sparse" in sdk.kind)
    assert (fetched.sparse_vector is None) is (sdk.kind in {"dense", "embedding"})
    if sdk.kind in {"dense", "embedding"}:
        assert found[0].score == 1

    page = index.range(cursor="", limit=2, namespace=ns)
    assert (len(page.vectors), page.next_cursor) == (2, "2")
    rest = index.range(cursor=page.next_cursor, limit=2, namespace=ns, prefix="id")
    assert ([each.id for each in rest.vectors], rest.next_cursor) == (["id-2"], "")

    mode = MetadataUpdateMode.PATCH
    new = {"n": None, "m": [1]}
    assert index.update("id-1", metadata=new, metadata_update_mode=mode, namespace=ns) is True
    assert index.update("none", data="x", namespace=ns) is False
    again = index.fetch(["id-1", "none"], include_metadata=True, namespace=ns)
    assert again[0] is not None
    assert (again[0].metadata, again[1]) == ({"m": [1]}, None)

    assert index.delete(filter="n >= 1", namespace=ns).deleted == 1
    assert index.delete(["id-0", "id-2"], namespace=ns).deleted == 1
    assert index.delete(prefix="id", namespace=ns).deleted == 1
    assert index.info().vector_count == 0


@pytest.mark.parametrize("ns", NAMESPACES)
def test_resumable_queries(sdk: Sdk, index: Index, ns: str) -> None:
    result, handle = index.resumable_query(**sdk.asked(0), top_k=1, namespace=ns)
    if ns:
        assert (result, handle._uid) == ([], "")

    index.upsert(sdk.records(), namespace=ns)
    result, handle = index.resumable_query(
        **sdk.asked(0), top_k=1, include_metadata=True, namespace=ns
    )
    assert [each.id for each in result] == ["id-0"]
    assert result[0].metadata == {"n": 0}
    more = handle.fetch_next(5)
    assert {each.id for each in more} <= {"id-1", "id-2"}
    assert more
    assert handle.fetch_next(1) == []
    handle.stop()
    for late in (lambda: handle.fetch_next(1), handle.stop):
        with pytest.raises(UpstashError):
            late()


def test_namespaces_and_info(sdk: Sdk, index: Index) -> None:
    for ns in NAMESPACES:
        index.upsert(sdk.records(), namespace=ns)
    assert index.list_namespaces() == NAMESPACES

    index.reset(namespace="ns")
    info = index.info()
    assert {name: each.vector_count for name, each in info.namespaces.items()} == {"": 3, "ns": 0}
    assert (info.dense_index is None) is ("sparse" in sdk.kind)
    assert (info.sparse_index is None) is (sdk.kind in {"dense", "embedding"})

    index.delete_namespace("ns")
    index.reset(all=True)
    assert index.list_namespaces() == [""]
    assert index.info().vector_count == 0
    with pytest.raises(UpstashError, match=r"Namespace ns for the index .* does not exist"):
        index.delete_namespace("ns")


def test_queries_by_the_many(sdk: Sdk, index: Index) -> None:
    index.upsert(sdk.records())
    queries = [sdk.asked(n) | {"top_k": 1} for n in range(3)]

    found = index.query_many(queries=queries)  # type: ignore[arg-type]  # plain dicts do

    assert [[each.id for each in one] for one in found] == [["id-0"], ["id-1"], ["id-2"]]


@pytest.mark.server
async def test_the_async_client(sdk: Sdk) -> None:
    index = AsyncIndex(sdk.url, TOKEN, retries=0)
    assert await index.upsert(sdk.records()) == "Success"

    found = await index.query(**sdk.asked(2), top_k=1, include_metadata=True)
    assert [(each.id, each.metadata) for each in found] == [("id-2", {"n": 2})]
    page = await index.range(limit=2)
    assert page.next_cursor == "2"
    result, handle = await index.resumable_query(**sdk.asked(0), top_k=1)
    assert [each.id for each in result] == ["id-0"]
    async with handle:
        assert await handle.fetch_next(1)
    with pytest.raises(UpstashError):
        await handle.fetch_next(1)
    assert await index.update("id-0", metadata={"n": 9}) is True
    fetched = await index.fetch("id-0", include_metadata=True)
    assert fetched[0] is not None
    assert fetched[0].metadata == {"n": 9}
    assert (await index.delete(prefix="id")).deleted == 3
    assert (await index.info()).vector_count == 0
    assert await index.reset(all=True) == "Success"

    await index._client.aclose()


def test_options_of_queries(wire: Open) -> None:
    made = wire("hybrid-embedding")
    index = Index(f"{made.url}/{made.name}", TOKEN, retries=0)
    index.upsert([Data(f"id-{n}", text) for n, text in enumerate(TEXTS)])

    for mode in QueryMode:
        found = index.query(data="capital of France", query_mode=mode, top_k=3)
        assert found[0].id == "id-1"
        assert len(found) == (2 if mode is QueryMode.SPARSE else 3)
    for fusion in FusionAlgorithm:
        assert index.query(data="France", fusion_algorithm=fusion)[0].id == "id-1"
    weighting = WeightingStrategy.IDF
    assert index.query(data="France", weighting_strategy=weighting)[0].id == "id-1"
    vector, sparse = [0.0] * 255 + [1.0], SparseVector([-5, 3], [1.0, 0.5])
    index.upsert([Vector("own", vector, sparse_vector=sparse)])
    (own,) = index.query(sparse_vector=([-5], [2.0]), include_vectors=True)
    assert (own.id, own.score, own.sparse_vector) == ("own", 2.0, sparse)
    index._client.close()


def test_errors_show_the_text_of_the_service(wire: Open, control: Control) -> None:
    made = wire("dense", dimension=256)
    index = Index(f"{made.url}/{made.name}", TOKEN, retries=0)

    with pytest.raises(UpstashError, match="Invalid vector dimension: 2, expected: 256"):
        index.upsert([("a", [0.1, 0.2])])
    with pytest.raises(UpstashError, match=r"Invalid filter. At line 1:2 token recognition"):
        index.query([0.1] * 256, filter="a ~ 1")
    index._client.close()


def test_a_hostile_namespace_does_here_what_it_does_there(wire: Open) -> None:
    made = wire("dense")
    index = Index(f"{made.url}/{made.name}", TOKEN, retries=0)
    for ns in NAMESPACES:
        index.upsert([("a", [0.1, 0.2])], namespace=ns)

    index.upsert([("b", [0.1, 0.2])], namespace="ns#b")
    assert index.fetch("b", namespace="ns")[0] is not None
    index.upsert([("c", [0.1, 0.2])], namespace="../reset?all")

    assert index.list_namespaces() == NAMESPACES
    assert index.info().vector_count == 0
    index._client.close()
