"""Many searches are few requests, and one that is refused hinders no other."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from lamina import Stack
from lamina.backends.upstash import UpstashVectors
from lamina.domains.vectors import Match, Nearest, NearestMany, Upsert, Vectors
from lamina.errors import Corrupt, Invalid, Unavailable, Unsupported
from lamina.filters import F
from lamina.testing import sweep
from lamina.testing.faults import Answer, FaultServer, Request, Step
from lamina.testing.servers import Upstash
from lamina.testing.servers.vector import Kind
from lamina.values import Done, Failed, Json, Outcome, Vector

pytestmark = pytest.mark.server

ONE: Final = Vector.of([1.0, 0.0])
TWO: Final = Vector.of([0.0, 1.0])
INDEX: Final = {"dimension": 2, "similarityFunction": "COSINE", "embeddingModel": "BGE_M3"}
INFO: Final = {
    "vectorCount": 0,
    "pendingVectorCount": 0,
    "indexSize": 0,
    "dimension": 2,
    "similarityFunction": "COSINE",
    "denseIndex": INDEX,
    "namespaces": {},
}
HIT: Final = {"id": "a", "score": 1.0}
ODD: Final[list[Any]] = [
    [HIT, HIT],
    [[HIT]],
    [[HIT], None],
    [[HIT], [{}]],
    {"a": 1, "b": 2},
    None,
    7,
    "ab",
]


@pytest.fixture(scope="module")
def own() -> Iterator[Upstash]:
    with Upstash() as server:
        yield server


@asynccontextmanager
async def opened(server: Upstash, kind: Kind = "dense") -> AsyncGenerator[Vectors, None]:
    url, token = server.index(kind)
    async with Stack().over(UpstashVectors(url, token, search_lag=0.0)) as store:
        yield store


def counts(server: Upstash) -> dict[str, int]:
    return dict(server.control()["counts"])


Told = tuple[Outcome[tuple[Match, ...]], ...]


async def asked(answer: Any, *queries: Nearest) -> tuple[Told, list[Request]]:
    """Return what becomes of *queries* when each request for them is answered so."""
    seen: list[Request] = []

    def step(request: Request) -> Step:
        if request.path.endswith("/info"):
            return Answer(200, {"result": INFO})
        seen.append(request)
        step: Step = answer(json.loads(request.body)) if callable(answer) else answer
        return step

    async with (
        FaultServer(default=step) as server,
        Stack().over(UpstashVectors(server.url, "t0ken")) as store,
    ):
        return await store.bound.send(NearestMany(queries, namespace="ns")), seen


async def test_many_searches_are_one_request(own: Upstash) -> None:
    async with opened(own) as store:
        await store.set_many([Upsert("a", ONE), Upsert("b", TWO)])
        own.control(counts={})
        found = await store.search_many([ONE, TWO] * 20, top_k=1)
        assert [hit.id for (hit,) in found] == ["a", "b"] * 20
        assert counts(own) == {"query": 1}
        assert [hit.id for (hit,) in await store.search_many([TWO], top_k=1)] == ["b"]
        assert counts(own) == {"query": 2}
        assert await store.search_many([]) == ()
        assert counts(own) == {"query": 2}


def test_searches_together_are_as_late_as_one() -> None:
    served = Stack().over(UpstashVectors("https://a", "t", search_lag=3.0)).bound.capabilities
    assert served[NearestMany].limits == served[Nearest].limits == {"search_lag": 3.0}


async def test_texts_and_vectors_are_a_request_each(own: Upstash) -> None:
    async with opened(own, "embedding") as store:
        await store.set("a", "purring cats")
        held = await store.get("a")
        assert held is not None
        assert held.vector is not None
        own.control(counts={})
        found = await store.search_many(["cats", held.vector, "cats", held.vector], top_k=1)
        assert [hit.id for (hit,) in found] == ["a"] * 4
        assert counts(own) == {"query": 1, "query-data": 1}


async def test_requests_stay_small_and_so_do_their_answers(own: Upstash) -> None:
    async with opened(own) as store:
        long = Vector.of([1.0] * 384)
        await store.set("a", long)
        own.control(counts={})
        found = await store.search_many([long] * 300, top_k=1)
        assert {hit.id for (hit,) in found} == {"a"}
        assert counts(own) == {"query": 4}
        own.control(counts={})
        await store.search_many([long] * 10, top_k=250)
        assert counts(own) == {"query": 3}


async def test_what_a_filter_may_have_cut_off_is_looked_for_alone(own: Upstash) -> None:
    async with opened(own) as store:
        await store.set_many(
            [Upsert(f"v{place}", ONE, metadata=Json.of({"n": place})) for place in range(30)]
        )
        own.control(filter_budget=5, counts={})
        try:
            queries = [
                Nearest(ONE, top_k=2),
                Nearest(ONE, top_k=30, filter=F.n >= 25),
                Nearest(ONE, top_k=30, filter=~(F.n < 25)),
                Nearest(ONE, top_k=1, filter=F.n.is_in([])),
                Nearest(ONE, top_k=1001),
            ]
            told = await store.bound.send(NearestMany(tuple(queries)))
            found = [len(one.value) for one in told if isinstance(one, Done)]
            assert found == [2, 5, 5, 0, 30]
            assert counts(own)["query"] == 1
        finally:
            own.control(filter_budget=None)


async def test_a_search_that_the_service_refuses_hinders_no_other() -> None:
    def answer(body: Any) -> Step:
        queries: list[Any] = [body] if "topK" in body else body
        if any(query["topK"] == 13 for query in queries):
            return Answer(422, {"error": "Invalid filter", "status": 422})
        result: Any = [[HIT]] * len(queries) if queries is body else [HIT]
        return Answer(200, {"result": result})

    queries = [Nearest(ONE, top_k=13 if place in {3, 20} else 1) for place in range(32)]
    told, seen = await asked(answer, *queries)
    assert [place for place, one in enumerate(told) if isinstance(one, Failed)] == [3, 20]
    errors = [one.error for one in told if isinstance(one, Failed)]
    assert [type(error) for error in errors] == [Unsupported, Unsupported]
    assert len(seen) <= 20
    assert {request.path for request in seen} == {"/query/ns"}


async def test_a_search_that_no_index_answers_is_not_sent() -> None:
    wrong = Nearest()
    told, seen = await asked(Answer(200, {"result": [HIT]}), wrong, Nearest(ONE), wrong)
    assert [type(one) for one in told] == [Failed, Done, Failed]
    assert all(isinstance(one.error, Invalid) for one in told if isinstance(one, Failed))
    assert [isinstance(json.loads(request.body), dict) for request in seen] == [True]


async def test_once_the_service_fails_the_rest_is_not_tried() -> None:
    long = Vector.of([1.0] * 384)
    queries = [Nearest(long)] * 250 + [Nearest(text="words"), Nearest(ONE, filter=~(F.n < 2))]
    told, seen = await asked(Answer(503, {"error": "down"}), *queries)
    errors = [one.error for one in told if isinstance(one, Failed)]
    assert len(errors) == len(queries)
    assert all(isinstance(error, Unavailable) and error.transient for error in errors)
    assert len(seen) == 1
    assert {error.sent for error in errors[-100:]} == {"no"}


@pytest.mark.parametrize("result", ODD, ids=repr)
async def test_an_answer_of_another_shape_is_corrupt(result: Any) -> None:
    told, _ = await asked(Answer(200, {"result": result}), Nearest(ONE), Nearest(TWO))
    errors = [one.error for one in told if isinstance(one, Failed)]
    assert [type(error) for error in errors] == [Corrupt, Corrupt]


def test_nothing_is_left_when_it_is_cancelled(own: Upstash) -> None:
    url, token = own.index("dense")
    queries = (Nearest(ONE), Nearest(TWO), Nearest(ONE, filter=~(F.n < 2)))

    async def scenario() -> None:
        async with Stack().over(UpstashVectors(url, token, search_lag=0.0)) as store:
            assert await store.bound.send(NearestMany(queries)) == (Done(()),) * 3

    assert sweep(scenario, allow_finish=True).cancelled > 5
