"""What is sent: the SDK's payloads and nothing else, and nothing is left when it is cancelled."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from upstash_vector import AsyncIndex

from lamina import Stack
from lamina.backends.upstash import UpstashVectors
from lamina.domains.vectors import Nearest, Upsert
from lamina.filters import F
from lamina.testing import sweep
from lamina.testing.faults import Answer, FaultServer, Request, Step
from lamina.testing.servers import Upstash
from lamina.values import Json, SparseVector, Vector

pytestmark = pytest.mark.server

ONE: Final = Vector.of([0.1, -1e-7, 16777216.0, 3.4e38, 0.0])
INDEX: Final = {"dimension": 5, "similarityFunction": "COSINE", "embeddingModel": "BGE_M3"}
INFO: Final = {
    "vectorCount": 0,
    "pendingVectorCount": 0,
    "indexSize": 0,
    "dimension": 5,
    "similarityFunction": "COSINE",
    "denseIndex": INDEX,
    "sparseIndex": INDEX,
    "namespaces": {},
}


def recorded(asked: list[Request]) -> Step:
    """Answer as an index that finds nothing, and keep what was asked."""

    def step(request: Request) -> Step:
        asked.append(request)
        told: Any = [] if "query" in request.path else "Success"
        return Answer(200, {"result": INFO if request.path.endswith("/info") else told})

    return step


async def test_sends_no_more_than_is_needed() -> None:
    asked: list[Request] = []
    async with (
        FaultServer(default=recorded(asked)) as server,
        Stack().over(UpstashVectors(f"{server.url}/dense//", "t0ken")) as store,
    ):
        await store.search((ONE, SparseVector((1,), (2.0,))), namespace="docs")
    opening, search = asked
    assert (opening.method, opening.path, opening.body) == ("POST", "/dense/info", b"")
    assert (search.method, search.path, search.query) == ("POST", "/dense/query/docs", "")
    assert search.headers["authorization"] == "Bearer t0ken"
    assert search.headers["content-type"] == "application/json"
    assert not [name for request in asked for name in request.headers if "telemetry" in name]


async def test_sends_what_the_sdk_sends() -> None:
    sparse = SparseVector((5, 1), (0.5, -2.0))
    metadata = {"tag": "ключ", "deep": {"list": [1, 2.5, None, True, '"\\']}}
    items = [
        Upsert("a", ONE, sparse, None, Json.of(metadata)),
        Upsert("é", ONE, sparse, "words"),
    ]
    texts = [Upsert("t", text="a \u2028 text\n", metadata=Json.of(metadata))]
    asked: list[Request] = []
    async with FaultServer(default=recorded(asked)) as server:
        async with Stack().over(UpstashVectors(server.url, "t")) as store:
            for batch in (items, texts):
                await store.set_many(batch)
            await store.bound.send(Nearest(ONE, sparse, top_k=3))
            await store.bound.send(Nearest(text="words", top_k=3))
        del asked[0]
        ours = [(request.path, _floats(json.loads(request.body))) for request in asked]
        asked.clear()
        bare = AsyncIndex(server.url, "t", retries=0)
        numbers, pair = [*ONE.numbers()], ([5, 1], [0.5, -2.0])
        more: dict[str, Any] = {"top_k": 3, "include_metadata": True, "include_data": True}
        try:
            await bare.upsert([("a", numbers, pair, metadata), ("é", numbers, pair, None, "words")])
            await bare.upsert([("t", "a \u2028 text\n", metadata)])
            await bare.query(numbers, sparse_vector=pair, **more)
            await bare.query(data="words", **more)
        finally:
            await bare._client.aclose()
    assert ours == [(request.path, _floats(json.loads(request.body))) for request in asked]


def _floats(value: Any) -> Any:
    """Return decoded JSON with the numbers of dense vectors as float32, which the service keeps."""
    if isinstance(value, list):
        return [_floats(each) for each in value]
    if isinstance(value, dict) and "vector" in value:
        return value | {"vector": Vector.of(value["vector"])}
    return value


def test_searches_and_batches_may_be_cancelled_anywhere(upstash: Upstash) -> None:
    url, token = upstash.index("dense")
    items = [
        Upsert(f"v{place}", Vector.of([1.0, place]), metadata=Json.of({"n": place}))
        for place in range(12)
    ]

    async def scenario() -> None:
        async with Stack().over(UpstashVectors(url, token, connections=2)) as store:
            await store.set_many(items)
            await store.search(Vector.of([1.0, 0.0]), filter=~(F.n == 1))
            async for _ in store.matches(Vector.of([1.0, 0.0]), limit=8):
                pass
            await anext(store.matches(Vector.of([1.0, 0.0]), limit=2))
            await store.delete_where(~(F.n == 1))
            await store.namespaces()

    assert sweep(scenario, most=25, allow_finish=True).cancelled > 20
