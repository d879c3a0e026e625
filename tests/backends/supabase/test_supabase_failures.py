"""Each failure of Supabase becomes the error of its row, from one request."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from lamina import Stack
from lamina.backends.http import HTTP
from lamina.backends.supabase import SupabaseDocuments, SupabaseMedia
from lamina.backends.supabase.failures import FAILURES, NoObject, PastEnd
from lamina.domains.documents import Documents, Write
from lamina.domains.media import Begin, Media, PutPart
from lamina.errors import (
    AuthError,
    Corrupt,
    Invalid,
    StorageError,
    TimedOut,
    Unavailable,
)
from lamina.testing.faults import Answer, FaultServer, Garbage, Hang, Request, Reset, Step, Truncate
from lamina.values import Failed, Json

pytestmark = pytest.mark.server

KEY: Final = "secret-service-key"
VERSIONS: Final = Answer(200, [{"version": 1}])
BUCKET: Final = Answer(
    200,
    {
        "id": "media",
        "name": "media",
        "owner": "",
        "public": False,
        "created_at": "2024-01-01T00:00:00.000Z",
        "updated_at": "2024-01-01T00:00:00.000Z",
        "file_size_limit": None,
        "allowed_mime_types": None,
        "type": "STANDARD",
    },
)
NOTHING: Final = Answer(200, [])


@asynccontextmanager
async def documents(*steps: Step) -> AsyncGenerator[tuple[Documents, FaultServer], None]:
    """Give a store over a server that lets it open, and then does *steps*."""
    async with FaultServer(VERSIONS, *steps) as server:
        backend = SupabaseDocuments(server.url, KEY, timeout=1.0, connect_timeout=2.0)
        async with Stack().over(backend) as store:
            yield store, server


@asynccontextmanager
async def media(*steps: Step) -> AsyncGenerator[tuple[Media, FaultServer], None]:
    async with FaultServer(BUCKET, NOTHING, *steps) as server:
        backend = SupabaseMedia(server.url, KEY, bucket="media", timeout=1.0, connect_timeout=2.0)
        async with Stack().over(backend) as store:
            yield store, server


def told(code: str | None, message: str = "told") -> dict[str, Any]:
    return {"code": code, "message": message, "details": "secret content", "hint": None}


def stored(status: int, error: str, message: str) -> Answer:
    """Answer as Storage does: HTTP 400, the status in the body."""
    return Answer(400, {"statusCode": str(status), "error": error, "message": message})


TABLES: Final[dict[str, tuple[int, str]]] = {
    "duplicate": (409, "23505"),
    "refused value": (400, "22P02"),
    "same key twice": (500, "21000"),
    "no table": (404, "42P01"),
    "no function": (404, "PGRST202"),
    "no column": (400, "42703"),
    "no schema": (406, "PGRST106"),
    "bad query": (400, "PGRST100"),
    "bad key": (401, "PGRST301"),
    "denied": (401, "42501"),
    "statement timeout": (500, "57014"),
    "terminated": (503, "57P01"),
    "no database": (503, "PGRST002"),
    "pool exhausted": (504, "PGRST003"),
    "rolled back": (500, "40001"),
    "full": (503, "53100"),
    "read only": (405, "25006"),
}
OBJECTS: Final[dict[str, Answer]] = {
    "no bucket": stored(404, "Bucket not found", "Bucket not found"),
    "bad name": stored(400, "InvalidKey", "Invalid key: x"),
    "too large": stored(413, "Payload too large", "The object exceeded the maximum allowed size"),
    "bad type": stored(415, "invalid_mime_type", "mime type text/plain is not supported"),
    "storage failed": stored(500, "Internal", "Internal Server Error"),
}
ELSEWHERE: Final = {"no object", "past the end"}
"""Answers rather than failures, tested below."""


def is_of(error: StorageError, name: str) -> bool:
    row = FAILURES[name]
    sent = row.sent or row.becomes.default_sent
    passing = row.becomes.default_transient if row.transient is None else row.transient
    same = (type(error), error.sent, error.transient) == (row.becomes, sent, passing)
    return same and row.message in str(error)


@pytest.mark.parametrize("name", TABLES)
async def test_each_code_of_the_database_becomes_the_error_of_its_row(name: str) -> None:
    status, code = TABLES[name]
    async with documents(Answer(status, told(code), {"retry-after": "0"})) as (store, server):
        with pytest.raises(StorageError) as caught:
            await store.get("a")

        assert is_of(caught.value, name), repr(caught.value)
        assert caught.value.retry_after == 0
        assert code in str(caught.value)
        assert "supabase documents.Read('a')" in str(caught.value)
        assert server.count == 2


@pytest.mark.parametrize("name", OBJECTS)
async def test_each_error_of_storage_becomes_the_error_of_its_row(name: str) -> None:
    async with media(OBJECTS[name]) as (store, server):
        with pytest.raises(StorageError) as caught:
            await store.set("a", b"1", type="text/plain")

        assert is_of(caught.value, name), repr(caught.value)
        assert server.count == 3


def test_every_row_of_our_own_is_produced() -> None:
    assert {*TABLES, *OBJECTS, *ELSEWHERE, *HTTP} == {*FAILURES}


@pytest.mark.parametrize(
    ("status", "code", "becomes", "sent", "passing"),
    [
        (503, "PGRST000", Unavailable, "no", True),
        (503, "PGRST001", Unavailable, "maybe", True),  # the connection ended in a statement
        (503, "57P02", Unavailable, "maybe", True),
        (500, "40003", Unavailable, "maybe", True),
        (500, "40P01", Unavailable, "no", True),
        (500, "54001", Invalid, "no", False),
        (400, "22003", Invalid, "no", False),
    ],
)
async def test_a_code_tells_whether_a_write_may_have_been_done(
    status: int, code: str, becomes: type[StorageError], sent: str, passing: bool
) -> None:
    async with documents(Answer(status, told(code))) as (store, _):
        with pytest.raises(becomes) as caught:
            await store.update("a", content="text")
    assert (caught.value.sent, caught.value.transient) == (sent, passing)


async def test_an_absent_object_is_none_and_the_end_is_empty() -> None:
    absent = stored(404, "not_found", "Object not found")
    async with media(absent, absent, absent) as (store, _):
        assert await store.head("a") is None
        assert await store.get("a") is None
    async with media(absent) as (store, _):
        with pytest.raises(NoObject):
            await store.url("a")
    info: dict[str, Any] = {
        "name": "a",
        "size": 3,
        "etag": '"e"',
        "content_type": "text/plain",
        "last_modified": "2024-01-01T00:00:00.000Z",
        "metadata": {},
    }
    past = stored(416, "InvalidRange", "The requested range is not satisfiable")
    async with media(past, Answer(200, info)) as (store, _):
        assert await store.range("a", 3, 5) == b""
    assert issubclass(PastEnd, Invalid)


ANSWERS: Final[dict[str, tuple[Step, type[StorageError]]]] = {
    "hangs": (Hang(), TimedOut),
    "resets": (Reset(), Unavailable),
    "is no HTTP": (Garbage(), Unavailable),
    "is cut off": (Truncate(4, Answer(200, [{"id": "a"}])), Unavailable),
    "is a gateway's page": (Answer(502, "<html><h1>502 Bad Gateway</h1></html>"), Unavailable),
    "is a page with status 200": (Answer(200, "<html>hello</html>"), Corrupt),
    "is JSON of another kind": (Answer(200, {"a": 1}), Corrupt),
    "is a row without columns": (Answer(200, [{}]), Corrupt),
    "is a row of other types": (Answer(200, [{"id": 1, "content": 2}]), Corrupt),
    "is a gateway's JSON": (Answer(500, {"message": "no"}), Unavailable),
    "is an empty 500": (Answer(500), Unavailable),
    "is empty with status 200": (Answer(200), Corrupt),
    "is nothing at all": (Answer(204), Corrupt),
    "is nested without end": (Answer(200, "[" * 100_000), Corrupt),
    "is 401 in HTML": (Answer(401, "<html>"), AuthError),
}


@pytest.mark.parametrize("how", ANSWERS)
async def test_an_answer_that(how: str) -> None:
    step, becomes = ANSWERS[how]
    async with documents(step) as (store, server):
        with pytest.raises(becomes):
            await store.get("a")
        assert server.count == 2


@pytest.mark.parametrize("how", [how for how in ANSWERS if "row" not in how])
async def test_an_answer_of_storage_that(how: str) -> None:
    step, becomes = ANSWERS[how]
    async with media(step) as (store, server):
        with pytest.raises(becomes):
            await store.head("a")
        assert server.count == 3


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 429])
async def test_rt9_one_call_is_one_request(status: int) -> None:
    error = Answer(status, told(None), {"retry-after": "3"})
    async with documents(*[error] * 9) as (store, server):
        for call in (
            store.get("a"),
            store.set("a", "text"),
            store.update("a", content="text"),
            store.delete("a"),
            store.search("text"),
            store.get_many(["a"]),
            store.set_at("/a", "text"),
            store.by_path("/a"),
        ):
            before = server.count
            with pytest.raises(StorageError) as caught:
                await call
            assert server.count == before + 1
            if status in {429, 503}:
                assert caught.value.retry_after == 3


async def test_a_connection_that_is_reset_is_not_tried_again() -> None:
    async with documents(Reset(), Reset()) as (store, server):
        with pytest.raises(Unavailable) as caught:
            await store.get("a")
        assert (caught.value.sent, server.count) == ("maybe", 2)
        with pytest.raises(Unavailable) as caught:
            await store.set("a", "text")
        assert (caught.value.sent, server.count) == ("maybe", 3)


def info(size: int = 3, etag: str = "e", **more: Any) -> Answer:
    told: dict[str, Any] = {
        "name": "a",
        "size": size,
        "etag": f'"{etag}"',
        "content_type": "text/plain",
        "last_modified": "2024-01-01T00:00:00.000Z",
        "metadata": {},
    }
    return Answer(200, {**told, **more})


KEPT: Final = Answer(200, {"Key": "media/a", "Id": "1"})
REFUSED: Final[dict[str, Answer]] = {
    "asked to slow down": Answer(429, {"message": "no"}),
    "the credentials are refused": Answer(401, {"message": "no"}),
    "no such bucket": OBJECTS["no bucket"],
}


@pytest.mark.parametrize("why", REFUSED)
async def test_what_fails_after_an_object_was_written_may_have_been_written(why: str) -> None:
    async with media(KEPT, REFUSED[why]) as (store, _):
        with pytest.raises(StorageError, match=why) as caught:
            await store.set("a", b"abc")
        assert caught.value.sent == "maybe"
    async with media(KEPT, KEPT, REFUSED[why]) as (store, _):
        name = await store.bound.send(Begin("a"))
        with pytest.raises(StorageError, match=why) as caught:
            await store.bound.send(PutPart("a", name, 1, b"abc"))
        assert caught.value.sent == "maybe"


PAGE: Final = "<html>sign in to this network</html>"


async def test_a_page_with_status_200_is_no_object() -> None:
    page = Answer(200, PAGE)
    async with media(page, info()) as (store, _):
        with pytest.raises(Corrupt):
            await store.get("a")


async def test_bytes_that_are_not_those_asked_for_are_no_object() -> None:
    other = Answer(206, b"xy", {"etag": '"e"', "content-range": "bytes 4-5/9"})
    async with media(other, info(9)) as (store, _):
        with pytest.raises(Corrupt):
            await store.range("a", 0, 3)


async def test_bytes_of_a_version_that_was_replaced_are_read_again() -> None:
    old = Answer(206, b"old", {"etag": 'W/"o"', "content-range": "bytes 0-2/3"})
    past = stored(416, "InvalidRange", "The requested range is not satisfiable")
    new = Answer(206, b"newest", {"etag": 'W/"e"', "content-range": "bytes 0-5/6"})
    rest = Answer(206, b"st", {"etag": '"e"', "content-range": "bytes 4-5/6"})
    async with media(old, info(6), new, info(6)) as (store, server):
        assert await store.get("a") == b"newest"
        assert server.count == 6
    async with media(past, info(6), rest, info(6)) as (store, _):
        assert await store.range("a", 4, 9) == b"st"


async def test_a_start_beyond_all_numbers_is_past_the_end() -> None:
    async with media(info()) as (store, server):
        assert await store.range("a", 1 << 70, 1 << 70) == b""
        assert server.count == 3


@pytest.mark.parametrize("answer", [{}, {"message": "no"}, "<html>", [1], None])
async def test_an_odd_answer_to_a_deletion_tells_nothing(answer: Any) -> None:
    async with media(Answer(200, answer)) as (store, _):
        with pytest.raises(Corrupt):
            await store.delete("a")


async def test_a_signed_url_lives_no_shorter_than_asked() -> None:
    async with media(Answer(200, {"signedURL": "/object/sign/media/a?token=t"})) as (store, server):
        url = await store.url("a", expires=10.2)
        assert url == f"{server.url}/storage/v1/object/sign/media/a?token=t"
        assert server.requests[-1].json() == {"expiresIn": "11"}


async def test_a_batch_that_is_refused_as_a_whole_is_sent_once() -> None:
    items = [Write(f"{place}", "text") for place in range(50)]
    for name in ("denied", "no function", "bad key", "no table"):
        status, code = TABLES[name]
        async with documents(*[Answer(status, told(code))] * 60) as (store, server):
            outcomes = await store.set_many(items, outcomes=True)
            assert all(isinstance(one, Failed) for one in outcomes)
            assert server.count == 2, name


async def test_what_one_document_holds_is_refused_to_it_alone() -> None:
    refused, done = Answer(400, told("22P05")), Answer(200, ["done"])
    async with documents(refused, done, refused, done) as (store, server):
        items = [Write(f"{place}", "text") for place in range(3)]
        outcomes = await store.set_many(items, outcomes=True)
        assert [isinstance(one, Failed) for one in outcomes] == [False, True, False]
        assert server.count == 5


async def test_a_batch_with_much_metadata_is_sent_in_portions() -> None:
    items = [Write(f"{place}", "", Json.of({"a": "x" * 100_000})) for place in range(10)]

    def each(request: Request) -> Answer:
        assert len(request.body) < 400_000
        return Answer(200, ["done"] * len(request.json()["_items"]))

    async with documents(*[each] * 10) as (store, server):
        await store.set_many(items)
        assert 2 < server.count < 12


async def test_the_rest_of_a_batch_is_not_sent_after_a_failure() -> None:
    items = [Write(f"{place}", "x" * 200_000) for place in range(4)]
    done = Answer(200, ["done"])
    async with documents(done, Answer(503, told("PGRST002")), done) as (store, server):
        outcomes = await store.set_many(items, outcomes=True)

        errors = [one.error if isinstance(one, Failed) else None for one in outcomes]
        assert [type(error).__name__ for error in errors] == ["NoneType", *["Unavailable"] * 3]
        assert [error and error.sent for error in errors] == [None, "no", "no", "no"]
        assert server.count == 3


async def test_no_secret_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    answer = Answer(409, told("23505", "duplicate key"))
    async with documents(answer) as (store, _):
        assert KEY not in repr(store.bound)
        with pytest.raises(StorageError) as caught:
            await store.set("a", "private text", path="/p")

    for text in (str(caught.value), repr(caught.value), caplog.text):
        assert KEY not in text
        assert "private text" not in text
        assert "secret content" not in text
