"""Each failure of Upstash Vector becomes the error of its row, from one request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from lamina import Stack
from lamina.backends.http import HTTP
from lamina.backends.upstash import UpstashVectors
from lamina.backends.upstash.failures import FAILURES
from lamina.domains.vectors import NearestPage, Vectors
from lamina.errors import (
    AuthError,
    Corrupt,
    Invalid,
    StorageError,
    Throttled,
    TimedOut,
    Unavailable,
)
from lamina.testing.faults import Answer, FaultServer, Garbage, Hang, Reset, Step, Truncate
from lamina.testing.servers import Upstash
from lamina.values import Vector

pytestmark = pytest.mark.server

TOKEN: Final = "secret-token-of-an-index"
ONE: Final = Vector.of([1.0, 0.0])
NO_MODEL: Final = "Embedding data for this index is not allowed. The index must be created with"
MISSING: Final = "Missing or wrong input at [Source: (ByteArrayInputStream); line: 1, column: 9]"
ENDED: Final = "Resumable query does not exist"


def info(model: str = "") -> Answer:
    """Answer as a dense index of two dimensions does."""
    dense = {"dimension": 2, "similarityFunction": "COSINE", "embeddingModel": model}
    told = {
        "vectorCount": 0,
        "pendingVectorCount": 0,
        "indexSize": 0,
        "dimension": 2,
        "similarityFunction": "COSINE",
        "indexType": "DENSE",
        "denseIndex": dense,
        "namespaces": {"": {"vectorCount": 0, "pendingVectorCount": 0}},
    }
    return Answer(200, {"result": told})


def told(status: int, text: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, {"error": text, "status": status}, headers or {})


@asynccontextmanager
async def store_over(*steps: Step) -> AsyncGenerator[tuple[Vectors, FaultServer], None]:
    """Give a store over a server that lets it open, and then does *steps*."""
    async with FaultServer(info("BGE_M3"), *steps) as server:
        backend = UpstashVectors(server.url + "/", TOKEN, timeout=0.5, connect_timeout=0.5)
        async with Stack().over(backend) as store:
            yield store, server


async def opened(backend: UpstashVectors) -> None:
    async with Stack().over(backend):
        pass


def is_of(error: StorageError, name: str) -> bool:
    row = FAILURES[name]
    sent = row.sent or row.becomes.default_sent
    passing = row.becomes.default_transient if row.transient is None else row.transient
    same = (type(error), error.sent, error.transient) == (row.becomes, sent, passing)
    return same and row.message in str(error)


TEXTS: Final[dict[str, Answer]] = {
    "bad token": told(401, "Unauthorized: Invalid auth token"),
    "bad dimension": told(422, "Invalid vector dimension: 2, expected: 256"),
    "wrong kind": told(422, "This index requires sparse vectors"),
    "no model": told(422, NO_MODEL),
    "bad filter": told(400, "Invalid filter. At line 1:24 token recognition error at: '['"),
    "forbidden": told(403, "Forbidden"),
    "refused": told(400, MISSING),
    "throttled": told(429, "Exceeded daily query limit", {"retry-after": "7"}),
    "failed": told(500, "Internal error"),
    "unavailable": Answer(504, "<html><h1>504 Gateway Time-out</h1></html>"),
}
ELSEWHERE: Final = {"no index", "no query"}


@pytest.mark.parametrize("name", TEXTS)
async def test_each_answer_becomes_the_error_of_its_row(name: str) -> None:
    async with store_over(TEXTS[name]) as (store, server):
        with pytest.raises(StorageError) as caught:
            await store.set("a", ONE, metadata={"k": "secret content"})

        assert is_of(caught.value, name), repr(caught.value)
        assert (caught.value.backend, server.count) == ("upstash", 2)
        assert "secret" not in f"{caught.value}{caught.value!r}"
        assert "Upsert" in str(caught.value)
        assert caught.value.retry_after == (7.0 if name == "throttled" else None)


async def test_an_url_without_an_index_is_told_when_it_opens() -> None:
    async with FaultServer(told(404, "Not found")) as server:
        with pytest.raises(StorageError) as caught:
            await opened(UpstashVectors(server.url, TOKEN))
        assert is_of(caught.value, "no index"), repr(caught.value)


async def test_a_search_that_has_ended_is_told_so_page_by_page() -> None:
    page = {"uuid": "u", "scores": [{"id": "a", "score": 1.0}] * 2}
    steps = [Answer(200, {"result": page}), told(404, ENDED), Answer(200, {"result": "Success"})]
    async with store_over(*steps) as (store, _):
        first = await store.bound.send(NearestPage(ONE, limit=2))
        assert first.next is not None
        with pytest.raises(StorageError) as caught:
            await store.bound.send(NearestPage(ONE, limit=2, cursor=first.next))
        assert is_of(caught.value, "no query"), repr(caught.value)


def test_every_row_of_our_own_is_produced() -> None:
    assert {*TEXTS, *ELSEWHERE, *HTTP} == {*FAILURES}


ANSWERS: Final[dict[str, tuple[Step, type[StorageError]]]] = {
    "hangs": (Hang(), TimedOut),
    "resets": (Reset(), Unavailable),
    "is no HTTP": (Garbage(), Unavailable),
    "is cut off": (Truncate(4, Answer(200, {"result": []})), Unavailable),
    "is a gateway's page": (Answer(502, "<html><h1>502 Bad Gateway</h1></html>"), Unavailable),
    "is a page with status 200": (Answer(200, "<html>hello</html>"), Corrupt),
    "is empty": (Answer(200), Corrupt),
    "has neither result nor error": (Answer(200, {"a": 1}), Corrupt),
    "is an array": (Answer(200, [1]), Corrupt),
    "is null": (Answer(200, b"null"), Corrupt),
    "is nested without end": (Answer(200, b"[" * 100_000), Corrupt),
    "is no list": (Answer(200, {"result": {"a": 1}}), Corrupt),
    "is a null": (Answer(200, {"result": None}), Corrupt),
    "has a record without id": (Answer(200, {"result": [{"vector": [1, 2]}]}), Corrupt),
    "is another record": (Answer(200, {"result": [{"id": "b"}]}), Corrupt),
    "has too few records": (Answer(200, {"result": []}), Corrupt),
    "has words for numbers": (Answer(200, {"result": [{"id": "a", "vector": "no"}]}), Corrupt),
    "has metadata of a list": (Answer(200, {"result": [{"id": "a", "metadata": [1]}]}), Corrupt),
    "is an error with status 200": (Answer(200, {"error": "told", "status": 422}), Invalid),
    "is an error without status": (Answer(200, {"error": "told"}), Unavailable),
    "leads elsewhere": (Answer(302, "", {"location": "http://127.0.0.1:1/"}), Corrupt),
    "is 401 in HTML": (Answer(401, "<html>"), AuthError),
    "is 429 in HTML": (Answer(429, "<html>", {"retry-after": "3"}), Throttled),
}


@pytest.mark.parametrize("how", ANSWERS)
async def test_an_answer_that(how: str) -> None:
    step, becomes = ANSWERS[how]
    async with store_over(step) as (store, server):
        with pytest.raises(becomes) as caught:
            await store.get("a")
        assert (type(caught.value), server.count) == (becomes, 2)
        assert caught.value.backend == "upstash"


CALLS: Final[dict[str, Callable[[Vectors], Awaitable[Any]]]] = {
    "get": lambda store: store.get("a"),
    "get_many": lambda store: store.get_many(["a", "b"]),
    "set": lambda store: store.set("a", ONE),
    "set a text": lambda store: store.set("a", "text"),
    "delete": lambda store: store.delete("a"),
    "delete_where": lambda store: store.delete_where(None),
    "search": lambda store: store.search(ONE),
    "matches": lambda store: store.bound.send(NearestPage(ONE)),
    "scan": lambda store: store.scan().__anext__(),
    "namespaces": lambda store: store.namespaces(),
    "info": lambda store: store.info(),
    "check": lambda store: store.check(),
}
STEPS: Final[dict[str, Step]] = {
    "500": told(500, "no"),
    "503": told(503, "no", {"retry-after": "1"}),
    "429": told(429, "no"),
    "reset": Reset(),
    "garbage": Answer(200, "{"),
    "wrong": Answer(200, {"result": 7}),
}


@pytest.mark.parametrize("call", CALLS)
async def test_rt9_one_call_is_one_request(call: str) -> None:
    async with store_over(*STEPS.values()) as (store, server):
        for sent, step in enumerate(STEPS, start=2):
            if step == "wrong" and call.startswith("set"):
                continue  # nobody reads what a write answers
            with pytest.raises(StorageError) as caught:
                await CALLS[call](store)
            assert server.count == sent, step
            assert caught.value.backend == "upstash"


async def test_a_call_that_runs_out_of_time_is_one_request() -> None:
    async with store_over(Hang(), Hang()) as (store, server):
        with pytest.raises(TimedOut) as caught:
            await store.set("a", ONE)
        assert (caught.value.sent, server.count) == ("maybe", 2)


async def test_a_wait_for_a_connection_ends_in_time() -> None:
    async with FaultServer(info(), Hang(), default=info()) as server:
        backend = UpstashVectors(server.url, TOKEN, timeout=0.4, connections=1)
        async with Stack().over(backend) as store:
            told = await asyncio.gather(
                store.get("a"), store.info(), store.info(), return_exceptions=True
            )
            assert isinstance(told[0], TimedOut)
            assert [one for one in told[1:] if isinstance(one, BaseException)] == [
                one for one in told[1:] if isinstance(one, Unavailable) and one.sent == "no"
            ]
            assert (await store.info()).dimension == 2


async def test_a_wrong_token_is_told_when_it_opens(upstash: Upstash) -> None:
    url, _ = upstash.index("dense")
    with pytest.raises(AuthError, match="must be that of this index") as caught:
        await opened(UpstashVectors(url, "secret-other"))
    assert caught.value.sent == "no"
    assert "secret" not in str(caught.value)


async def test_a_server_that_is_not_there_is_told_when_it_opens() -> None:
    async with FaultServer() as server:
        url = server.url
    with pytest.raises(Unavailable, match="cannot connect") as caught:
        await opened(UpstashVectors(url, TOKEN))
    assert caught.value.sent == "no"


@pytest.mark.parametrize(
    "step", [Hang(), Answer(200, "<html>"), Answer(200, {"result": {}}), Answer(200, {"result": 1})]
)
async def test_a_server_that_is_no_index_is_told_when_it_opens(step: Step) -> None:
    async with FaultServer(step) as server:
        with pytest.raises(StorageError) as caught:
            await opened(UpstashVectors(server.url, TOKEN, connect_timeout=0.3))
        assert is_of(caught.value, "no answer" if isinstance(step, Hang) else "no index")
