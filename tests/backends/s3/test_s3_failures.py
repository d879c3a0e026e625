"""Each failure of S3 becomes the error of its row, from one request."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import pytest

from lamina.backends.s3 import S3Media
from lamina.backends.s3.failures import FAILURES, NoObject, NoUpload, PastEnd
from lamina.domains.media import Abort, Begin, Finish, Media, Put, PutPart
from lamina.errors import AuthError, Conflict, Corrupt, Invalid, StorageError, TimedOut, Unavailable
from lamina.stack import Stack
from lamina.testing.faults import Answer, FaultServer, Garbage, Hang, Reset, Step, Truncate

pytestmark = pytest.mark.server

SECRET: Final = "a-secret-key-that-is-never-told"
OK: Final = Answer(200, "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
PART: Final = f"{'0' * 64}-etag"
HEAD: Final = {
    "etag": '"e"',
    "last-modified": "Wed, 21 Oct 2015 07:28:00 GMT",
    "content-type": "text/plain",
}


@asynccontextmanager
async def media(*steps: Step, **options: Any) -> AsyncGenerator[tuple[Media, FaultServer], None]:
    """Give a store over a server that lets it open, and then does *steps*."""
    async with FaultServer(OK, *steps) as server:
        given: dict[str, Any] = {
            "endpoint": server.url,
            "access_key": "AK",
            "secret_key": SECRET,
            "timeout": 1.0,
            **options,
        }
        async with Stack().over(S3Media("media", **given)) as store:
            yield store, server


def told(status: int, code: str, headers: dict[str, str] | None = None) -> Answer:
    """Answer as S3 does."""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f"<Error><Code>{code}</Code><Message>secret content</Message>"
        "<Resource>/media/a</Resource><RequestId>1</RequestId></Error>"
    )
    return Answer(status, body, {"content-type": "application/xml", **(headers or {})})


CODES: Final[dict[str, tuple[int, str]]] = {
    "bad key": (403, "InvalidAccessKeyId"),
    "bad signature": (403, "SignatureDoesNotMatch"),
    "denied": (403, "AccessDenied"),
    "expired": (400, "ExpiredToken"),
    "clock": (403, "RequestTimeTooSkewed"),
    "no bucket": (404, "NoSuchBucket"),
    "elsewhere": (301, "PermanentRedirect"),
    "bad part": (400, "InvalidPart"),
    "small part": (400, "EntityTooSmall"),
    "too large": (400, "EntityTooLarge"),
    "damaged on the way": (400, "BadDigest"),
    "other version": (412, "PreconditionFailed"),
    "raced": (409, "ConditionalRequestConflict"),
    "throttled": (503, "SlowDown"),
    "slow client": (400, "RequestTimeout"),
    "failed": (500, "InternalError"),
    "full": (507, "XMinioStorageFull"),
    "not served": (501, "NotImplemented"),
    "refused": (400, "InvalidArgument"),
    "no upload": (404, "NoSuchUpload"),
}
TRANSPORT: Final[dict[str, Step]] = {
    "no answer": Hang(),
    "cut off": Reset(),
    "not understood": Answer(200, "<html>hello</html>", {"content-type": "text/html"}),
}


@contextmanager
def environment(**variables: str) -> Generator[None, None, None]:
    """Let the SDK find nothing of this machine's, but *variables*."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            patch.setenv(name, os.devnull)
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


async def refused() -> StorageError:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    return await opening(f"http://127.0.0.1:{port}")


async def unaccepted() -> StorageError:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        others = [socket.socket() for _ in range(4)]
        for other in others:
            other.setblocking(False)
            other.connect_ex(address)
        try:
            url = f"http://127.0.0.1:{address[1]}"
            return await opening(url, connect_timeout=3.0, open_within=0.3)
        finally:
            for other in others:
                other.close()


async def without_credentials() -> StorageError:
    async with FaultServer(default=OK) as server:
        with environment():
            return await opening(server.url, access_key=None, secret_key=None)


async def with_wrong_settings() -> StorageError:
    with environment(AWS_PROFILE="none"):
        return await opening("http://127.0.0.1:9")


async def opening(url: str, *, open_within: float | None = None, **options: Any) -> StorageError:
    given: dict[str, Any] = {"endpoint": url, "access_key": "AK", "secret_key": SECRET, **options}
    backend = S3Media("media", **given)
    if open_within is not None:
        client: Any = backend._client  # pyright: ignore[reportPrivateUsage]  # no option
        client._connect_timeout = open_within  # the SDK's own is not to strike first
    store = Stack().over(backend)
    with pytest.raises(StorageError) as caught:
        await store.open()
    await store.close()
    return caught.value


async def changed() -> StorageError:
    label = '{"d":"' + "0" * 64 + '"}'
    headers = {**HEAD, "content-range": "bytes 0-2/3", "x-amz-meta-lamina": label}
    async with media(Answer(206, b"abc", headers)) as (store, _):
        with pytest.raises(Corrupt) as caught:
            await store.get("a")
    return caught.value


async def absent() -> StorageError:
    async with media(Answer(404), OK) as (store, server):
        with pytest.raises(Invalid) as caught:
            await store.url("a")
        assert server.count == 3
    return FAILURES["no object"].error() if "no such object" in str(caught.value) else caught.value


async def past_the_end() -> StorageError:
    end = told(416, "InvalidRange")
    async with media(end, Answer(200, b"", {**HEAD, "content-length": "0"})) as (store, _):
        assert await store.range("a", 5, 5) == b""
    assert issubclass(PastEnd, Invalid)
    return FAILURES["past the end"].error()


SCENARIOS: Final[dict[str, Callable[[], Awaitable[StorageError]]]] = {
    "not connected": refused,
    "connect timeout": unaccepted,
    "no credentials": without_credentials,
    "bad settings": with_wrong_settings,
    "bad checksum": changed,
    "no object": absent,
    "past the end": past_the_end,
}


def is_of(error: StorageError, name: str) -> bool:
    row = FAILURES[name]
    sent = row.sent or row.becomes.default_sent
    passing = row.becomes.default_transient if row.transient is None else row.transient
    return (type(error), error.sent, error.transient) == (row.becomes, sent, passing)


@pytest.mark.parametrize("name", CODES)
async def test_each_code_becomes_the_error_of_its_row(name: str) -> None:
    status, code = CODES[name]
    async with media(told(status, code, {"retry-after": "3"})) as (store, server):
        with pytest.raises(StorageError) as caught:
            await store.set("a", b"1")

        assert is_of(caught.value, name), repr(caught.value)
        assert FAILURES[name].message in str(caught.value)
        assert code in str(caught.value)
        assert caught.value.retry_after == 3
        assert "s3 media.Put('a')" in str(caught.value)
        assert "secret" not in str(caught.value).replace("the secret key is", "")
        assert server.count == 2


@pytest.mark.parametrize("name", TRANSPORT)
async def test_each_failure_of_the_transport_becomes_the_error_of_its_row(name: str) -> None:
    async with media(TRANSPORT[name]) as (store, server):
        with pytest.raises(StorageError) as caught:
            await store.search("a")
        assert is_of(caught.value, name), repr(caught.value)
        assert server.count == 2


@pytest.mark.parametrize("name", SCENARIOS)
async def test_each_other_failure_becomes_the_error_of_its_row(name: str) -> None:
    error = await SCENARIOS[name]()

    assert is_of(error, name), repr(error)
    assert SECRET not in str(error)


def test_every_row_is_produced() -> None:
    assert {*CODES, *TRANSPORT, *SCENARIOS} == {*FAILURES}


ONCE: Final[dict[str, Callable[[Media], Awaitable[object]]]] = {
    "set": lambda store: store.set("a", b"1"),
    "set if absent": lambda store: store.set("a", b"1", if_absent=True),
    "head": lambda store: store.head("a"),
    "get": lambda store: store.get("a"),
    "search": lambda store: store.search("a"),
    "begin": lambda store: store.bound.send(Begin("a")),
    "put part": lambda store: store.bound.send(PutPart("a", "0123456789abcdef-x", 1, b"1")),
    "finish": lambda store: store.bound.send(Finish("a", "0123456789abcdef-x", (PART,))),
    "abort": lambda store: store.bound.send(Abort("a", "0123456789abcdef-x")),
    "delete": lambda store: store.delete("a"),
    "url": lambda store: store.url("a"),
    "check": lambda store: store.check(),
}


async def test_a_call_that_is_not_answered_is_one_request() -> None:
    async with media(*[Hang()] * len(ONCE), timeout=1.0) as (store, server):
        calls = (ask(store) for ask in ONCE.values())
        answers = await asyncio.gather(*calls, return_exceptions=True)

        assert all(isinstance(one, StorageError) for one in answers), answers
        assert server.count == 1 + len(ONCE)


@pytest.mark.parametrize("step", [Reset(), Answer(500), Answer(503), told(503, "SlowDown")])
async def test_rt9_one_call_is_one_request(step: Step) -> None:
    """Neither the client nor aiohttp beneath it sends again, on a connection that was used."""
    async with media(*[OK, step] * len(ONCE), timeout=5.0) as (store, server):
        for name, ask in ONCE.items():
            await store.check()
            before = server.count
            with pytest.raises(StorageError) as caught:
                await ask(store)
            assert server.count == before + 1, (name, caught.value)


@pytest.mark.parametrize("step", [Reset(), Answer(500), Hang()])
async def test_what_takes_two_requests_sends_its_last_once(step: Step) -> None:
    there, parts = Answer(200, b"", {**HEAD, "content-length": "1"}), Answer(200, "<ListParts/>")
    async with media(there, step, parts, step, timeout=0.4) as (store, server):
        for name in ("delete", "abort"):
            before = server.count
            with pytest.raises(StorageError) as caught:
                await ONCE[name](store)
            assert (server.count, caught.value.sent) == (before + 2, "maybe")


async def test_a_lost_connection_that_was_kept_alive_is_not_used_to_send_twice() -> None:
    async with media(Answer(200, b"", {"etag": '"e"'}), Reset(), Reset()) as (store, server):
        await store.set("a", b"1")  # on a connection that has been used before
        for count in (3, 4):
            with pytest.raises(Unavailable) as caught:
                await store.set("a", b"1", if_absent=True)
            assert (caught.value.sent, server.count) == ("maybe", count)


async def test_a_conflict_with_its_own_first_try_is_settled() -> None:
    """The first try was carried out, its answer was lost; the second finds its own object."""
    put = Put("a", b"mine", "text/plain", if_absent=True)
    found = Answer(206, b"mine", {**HEAD, "content-range": "bytes 0-3/4"})
    other = Answer(206, b"else", {**HEAD, "content-range": "bytes 0-3/4"})
    async with media(
        Reset(), told(412, "PreconditionFailed"), found, told(412, "PreconditionFailed"), other
    ) as (store, _):
        with pytest.raises(Unavailable):
            await store.bound.send(put)
        with pytest.raises(Conflict) as caught:
            await store.bound.send(put)
        assert (await put.settle(caught.value, store.bound.send)).etag == "e"
        with pytest.raises(Conflict) as caught:
            await store.bound.send(put)
        with pytest.raises(Conflict):
            await put.settle(caught.value, store.bound.send)


@pytest.mark.parametrize("first", [told(404, "NoSuchUpload"), told(412, "PreconditionFailed")])
async def test_finishing_again_tells_what_the_first_time_made(first: Answer) -> None:
    upload = "0123456789abcdef-id"
    mine = {**HEAD, "content-length": "5", "x-amz-meta-lamina": '{"u":"0123456789abcdef"}'}
    others = {**mine, "x-amz-meta-lamina": '{"u":"fedcba9876543210"}'}
    finish = Finish("a", upload, (PART,), if_absent=True)
    head = Answer(200, b"", mine)
    async with media(first, head, first, Answer(200, b"", others)) as (store, _):
        assert (await store.bound.send(finish)).size == 5
        with pytest.raises((NoUpload, Conflict)):
            await store.bound.send(finish)


@pytest.mark.parametrize(
    "upload", ["x", "0123456789abcdef", "0123456789ABCDEF-x", "../x", "0123456789abcdef-x y"]
)
async def test_what_is_no_upload_is_refused_unasked(upload: str) -> None:
    async with media() as (store, server):
        with pytest.raises(Invalid):
            await store.bound.send(PutPart("a", upload, 1, b"1"))
        with pytest.raises(Invalid):
            await store.bound.send(Finish("a", upload, ("x",)))
        assert await store.bound.send(Abort("a", upload)) is False
        assert server.count == 1


ANSWERS: Final[dict[str, tuple[Step, type[StorageError]]]] = {
    "is no HTTP": (Garbage(), Unavailable),
    "is cut off": (
        Truncate(2, Answer(206, b"12345", {**HEAD, "content-range": "bytes 0-4/5"})),
        Unavailable,
    ),
    "is a gateway's page": (Answer(502, "<html><h1>502 Bad Gateway</h1>"), Unavailable),
    "has no etag": (Answer(206, b"12345", {"content-range": "bytes 0-4/5"}), Corrupt),
    "hangs": (Hang(), TimedOut),
}


@pytest.mark.parametrize("how", ANSWERS)
async def test_an_answer_that(how: str) -> None:
    step, becomes = ANSWERS[how]
    async with media(step) as (store, server):
        with pytest.raises(becomes):
            await store.get("a")
        assert server.count == 2


@pytest.mark.parametrize(
    "label",
    [
        "{",
        "[]",
        "1",
        "[" * 2000,
        '{"w":"now"}',
        '{"m":[]}',
        '{"m":"x"}',
        '{"m":"[1]"}',
        '{"m":"\\ud800"}',
        '{"k":"?"}',
        '{"m":"' + "[" * 1900 + '"}',
    ],
)
async def test_a_damaged_label_is_corrupt(label: str) -> None:
    found = {**HEAD, "content-length": "1", "x-amz-meta-lamina": label}
    async with media(Answer(200, b"", found), Answer(200, b"1", found)) as (store, _):
        with pytest.raises(Corrupt):
            await store.head("a")
        with pytest.raises(Corrupt):
            await store.get("a")


PAGE: Final = "<html><h1>Welcome</h1></html>"


@pytest.mark.parametrize("page", [Answer(200), Answer(200, PAGE, {"content-type": "text/html"})])
async def test_a_200_that_tells_nothing_is_no_success(page: Answer) -> None:
    async with media(*[page] * 6) as (store, server):
        for call in (
            store.set("a", b"1"),
            store.bound.send(Begin("a")),
            store.bound.send(PutPart("a", "0123456789abcdef-x", 1, b"1")),
            store.bound.send(Finish("a", "0123456789abcdef-x", (PART,))),
            store.search("a"),
            store.get("a"),
        ):
            with pytest.raises(Corrupt):
                await call
        assert server.count == 7


async def test_a_page_is_no_deletion() -> None:
    page = Answer(200, PAGE, {"content-type": "text/html"})
    async with media(Answer(200, b"", {**HEAD, "content-length": "1"}), page) as (store, _):
        with pytest.raises(Corrupt):
            await store.delete("a")


async def test_a_failure_within_a_200_is_no_success() -> None:
    async with media(told(200, "InternalError")) as (store, server):
        with pytest.raises(Unavailable) as caught:
            await store.bound.send(Finish("a", "0123456789abcdef-x", (PART,)))
        assert (caught.value.sent, server.count) == ("maybe", 2)


@pytest.mark.parametrize("body", [b"", PAGE, "<Error><Message>gone</Message></Error>"])
async def test_a_404_that_is_not_of_s3_is_no_absence(body: Any) -> None:
    """Of a gateway, or of a wrong path in the endpoint: S3 says that the key is missing."""
    async with media(Answer(404, body), Answer(404, body), told(404, "NoSuchKey")) as (store, _):
        for call in (store.get("a"), store.search("a")):
            with pytest.raises(Corrupt):
                await call
        assert await store.get("a") is None


async def test_a_server_that_overlooks_ranges_is_not_read_to_its_end() -> None:
    whole = Answer(200, b"0123456789", HEAD)
    endless = Answer(200, b"0" * 1000, {**HEAD, "content-length": str(10**12)})
    async with media(whole, endless, whole) as (store, _):
        with pytest.raises(Corrupt):
            await store.range("a", 2, 3)
        with pytest.raises(Corrupt):
            await store.get("a")
        assert await store.range("a", 0, 10) == b"0123456789"


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidAccessKeyId"])
async def test_a_refused_head_is_told_in_the_words_of_a_listing(code: str) -> None:
    """An answer to HEAD has no body: an expired token reads like a malformed request."""
    async with media(Answer(400), told(400, code)) as (store, server):
        with pytest.raises(AuthError, match=code):
            await store.head("a")
        assert server.count == 3


async def test_a_head_that_alone_is_refused_is_denied() -> None:
    async with media(Answer(403), OK) as (store, _):
        with pytest.raises(AuthError, match="do not allow"):
            await store.head("a")


async def test_roles_that_do_not_answer_are_not_waited_for_longer_than_to_connect() -> None:
    async with FaultServer(default=Hang()) as roles, FaultServer(default=OK) as server:
        given = {"AWS_EC2_METADATA_DISABLED": "false", "AWS_METADATA_SERVICE_TIMEOUT": "30"}
        with environment(AWS_EC2_METADATA_SERVICE_ENDPOINT=roles.url, **given):
            began = time.monotonic()
            error = await opening(server.url, access_key=None, secret_key=None, connect_timeout=0.3)
        assert isinstance(error, Unavailable)
        assert time.monotonic() - began < 5
        assert (roles.count, server.count) == (1, 0)


async def test_a_missing_bucket_is_no_missing_object() -> None:
    async with media(Answer(404), Answer(404), Answer(404), OK) as (store, _):
        with pytest.raises(Invalid, match="no such bucket"):
            await store.head("a")
        assert await store.head("a") is None


async def test_no_secret_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with media(told(403, "SignatureDoesNotMatch")) as (store, _):
        with pytest.raises(StorageError) as caught:
            await store.set("a", b"private bytes")
        for text in (str(caught.value), repr(caught.value), caplog.text, repr(store.bound)):
            assert SECRET not in text
            assert "private bytes" not in text


def test_an_absent_object_is_an_answer() -> None:
    assert issubclass(NoObject, Invalid)
