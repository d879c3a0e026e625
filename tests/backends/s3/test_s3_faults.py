"""A server that dies, hangs, is cut off or refuses: a clear error in time, then it works again."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import Any

import httpx
import pytest

from lamina.backends.s3 import S3Media
from lamina.domains.media import PART, Begin, Info, ListObjects, Media, Put
from lamina.errors import (
    AuthError,
    Conflict,
    Corrupt,
    Invalid,
    StackError,
    StorageError,
    TimedOut,
    Unavailable,
    Unsupported,
)
from lamina.stack import Stack
from lamina.testing.faults import FaultProxy
from lamina.testing.servers import S3
from lamina.values import Json

pytestmark = pytest.mark.server

Ask = Callable[[Media], Awaitable[object]]
EACH: dict[str, Ask] = {
    "check": lambda store: store.check(),
    "head": lambda store: store.head("a"),
    "get": lambda store: store.get("a"),
    "set": lambda store: store.set("a", b"1"),
    "a write of more than a socket holds": lambda store: store.set("b", bytes(PART)),
    "begin": lambda store: store.bound.send(Begin("a")),
    "delete": lambda store: store.delete("a"),
    "search": lambda store: store.search(""),
    "url": lambda store: store.url("a"),
}


def backend(server: S3, *, bucket: str = "lamina", **options: Any) -> S3Media:
    """Make an empty store: each bucket takes a volume of the server's, a prefix nothing."""
    given: dict[str, Any] = {
        "prefix": f"{token_hex(8)}/" if bucket == "lamina" else "",
        "endpoint": server.url,
        "region": server.region,
        "access_key": server.access_key,
        "secret_key": server.secret_key,
        **options,
    }
    return S3Media(bucket, **given)


@asynccontextmanager
async def opened(server: S3, **options: Any) -> AsyncGenerator[Media, None]:
    async with Stack().over(backend(server, **options)) as store:
        yield store


async def recovered(store: Media, within: float = 20) -> None:
    """Ask until it works."""
    async with asyncio.timeout(within):
        while True:
            try:
                await store.set("again", b"1")
            except (Unavailable, TimedOut):
                await asyncio.sleep(0.02)
            else:
                return


@pytest.fixture(scope="module")
def own() -> Iterator[S3]:
    """A server to kill and pause."""
    with S3() as server:
        yield server


@pytest.mark.parametrize("how", EACH)
async def test_a_server_that_hangs_is_timed_out(how: str, own: S3) -> None:
    async with opened(own, timeout=0.3) as store:
        await recovered(store)
        own.pause()
        try:
            began = time.monotonic()
            with pytest.raises((TimedOut, Unavailable)) as caught:
                await EACH[how](store)
            assert time.monotonic() - began < 3
            assert "s3 " in str(caught.value)
        finally:
            own.resume()
        await recovered(store)


async def test_a_killed_server_is_unavailable_and_works_after_its_restart(own: S3) -> None:
    async with opened(own, timeout=2.0) as store:
        await store.set("a", b"1", metadata={"n": 1})
        own.kill()
        for ask in EACH.values():
            with pytest.raises(Unavailable):
                await ask(store)
        own.restart()
        await recovered(store)
        assert await store.get("a") == b"1"


async def test_calls_wait_for_a_free_connection_and_say_so_if_none_comes(s3: S3) -> None:
    async with FaultProxy("127.0.0.1", s3.port) as proxy:
        url = f"http://{proxy.address}"
        async with opened(s3, endpoint=url, timeout=0.5, connections=1) as store:
            await store.set("a", bytes(2_000_000))
            answers = await asyncio.gather(*(store.range("a", 0, 3) for _ in range(20)))
            assert answers == [bytes(3)] * 20
            proxy.throttle(down=200_000)
            reading = asyncio.ensure_future(store.get("a"))
            begun = proxy.bytes_down
            while proxy.bytes_down == begun:
                await asyncio.sleep(0)
            with pytest.raises(Unavailable, match="no connection in time") as caught:
                await store.set("b", b"1")
            assert caught.value.sent == "no"
            reading.cancel()
            await asyncio.wait({reading})
            proxy.throttle()
            assert await store.head("b") is None


@pytest.mark.parametrize("what", ["bucket", "key", "secret"])
async def test_what_is_wrong_is_told_when_it_opens(what: str, s3: S3) -> None:
    wrong, becomes, told = {
        "bucket": ({"bucket": "no-such-bucket"}, Invalid, "no such bucket"),
        "key": ({"access_key": "another-key"}, AuthError, "access key is refused"),
        "secret": ({"secret_key": "another-secret"}, AuthError, "secret key is refused"),
    }[what]
    store = Stack().over(backend(s3, **wrong))
    with pytest.raises(becomes, match=told) as caught:
        await store.open()
    await store.close()
    text = "".join(traceback.format_exception(caught.value))
    assert "another-secret" not in text
    assert s3.secret_key not in text


@pytest.mark.parametrize("times", [0, 1, 2, 5, 20])
async def test_opening_may_be_cancelled_anywhere(times: int, s3: S3) -> None:
    store = Stack().over(backend(s3))
    opening = asyncio.ensure_future(store.open())
    for _ in range(times):
        await asyncio.sleep(0.002)
    opening.cancel()
    await asyncio.wait({opening})
    await store.close()
    assert {task for task in asyncio.all_tasks() if not task.done()} == {asyncio.current_task()}


@pytest.mark.parametrize(
    "options",
    [
        {"bucket": "a/b"},
        {"endpoint": "localhost:9000"},
        {"endpoint": "http://user:pass@host"},
        {"endpoint": "http://host:99999999"},
        {"endpoint": "http://[::"},
        {"region": "not a region"},
        {"access_key": "AK", "secret_key": None},
        {"access_key": "A\nK"},
        {"secret_key": "geheim\u00e9"},
        {"session_token": "T", "access_key": None, "secret_key": None},
        {"prefix": "/a"},
        {"prefix": "a//b"},
        {"prefix": "a/../b"},
        {"prefix": "%s/x"},
        {"prefix": "a" * 257},
        {"timeout": 0},
        {"connections": 0},
    ],
)
def test_wrong_options_are_refused_without_telling_secrets(options: dict[str, Any]) -> None:
    given: dict[str, Any] = {"bucket": "media", "access_key": "AK", "secret_key": "SK", **options}
    with pytest.raises(StackError) as caught:
        S3Media(**given)
    assert "geheim" not in str(caught.value)
    assert "pass" not in str(caught.value)


async def test_bytes_that_are_changed_on_their_way_are_never_kept_or_given(s3: S3) -> None:
    bucket = s3.bucket()
    data = bytes(range(256)) * 256
    async with (
        FaultProxy("127.0.0.1", s3.port) as proxy,
        opened(s3, bucket=bucket, endpoint=f"http://{proxy.address}") as store,
    ):
        await store.set("a", b"old")
        proxy.in_request("corrupt", after=20_000, skip=1)  # what follows "100 Continue"
        with pytest.raises(StorageError):
            await store.set("a", data)
        assert await store.get("a") == b"old"

        await store.set("a", data)
        proxy.in_answer("corrupt", after=20_000)
        with pytest.raises(Corrupt):
            await store.get("a")
        assert await store.get("a") == data


@pytest.mark.parametrize("how", ["reset", "close"])
async def test_an_answer_that_is_lost_is_in_doubt_and_the_condition_settles(
    how: Any, s3: S3
) -> None:
    async with (
        FaultProxy("127.0.0.1", s3.port) as proxy,
        opened(s3, endpoint=f"http://{proxy.address}") as store,
    ):
        await store.check()
        put = Put("a", b"mine", if_absent=True)
        proxy.after_request(how, skip=1)  # its first answer is "100 Continue"
        with pytest.raises(Unavailable) as lost:
            await store.bound.send(put)
        assert lost.value.sent == "maybe"
        with pytest.raises(Conflict) as refused:
            await store.bound.send(put)
        assert isinstance(await put.settle(refused.value, store.bound.send), Info)


async def test_an_upload_cancelled_half_way_leaves_nothing(s3: S3) -> None:
    reached = asyncio.Event()

    class Slow:
        async def read(self, start: int, length: int) -> bytes:
            if start >= 2 * PART:
                reached.set()
                await asyncio.Event().wait()
            return bytes(length)

    bucket = s3.bucket()
    own = backend(s3, bucket=bucket)
    async with Stack().over(own) as store:
        sending = asyncio.ensure_future(store.set("a", Slow()))
        await reached.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert await store.head("a") is None
    async with Stack().over(backend(s3, bucket=bucket)) as store:
        assert await store.head("a") is None
        assert await store.search("") == ()


async def test_a_read_cancelled_half_way_leaves_the_reader_where_it_was(s3: S3) -> None:
    async with (
        FaultProxy("127.0.0.1", s3.port) as proxy,
        opened(s3, endpoint=f"http://{proxy.address}") as store,
    ):
        data = bytes(range(256)) * 8192
        await store.set("a", data)
        reader = await store.open_reader("a")
        assert reader is not None
        assert await reader.read(1000) == data[:1000]
        proxy.throttle(down=100_000)
        reading = asyncio.ensure_future(reader.read())
        begun = proxy.bytes_down
        while proxy.bytes_down == begun:
            await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        proxy.throttle()
        assert await reader.read() == data[1000:]


async def test_a_signed_url_gives_the_bytes_until_it_expires(s3: S3) -> None:
    async with opened(s3) as store, httpx.AsyncClient(trust_env=False) as web:
        await store.set("a b/\u00fc", b"bytes", type="text/plain")
        url = await store.url("a b/\u00fc", expires=3)
        assert s3.secret_key not in url
        found = await web.get(url)
        assert (found.content, found.headers["content-type"]) == (b"bytes", "text/plain")
        async with asyncio.timeout(10):
            while (await web.get(url)).status_code != 403:
                await asyncio.sleep(0.1)
        longer = await store.url("a b/\u00fc", expires=604_800)
        assert (
            await web.get(longer.replace("Expires=604800", "Expires=604799"))
        ).status_code == 403
        for expires in (604_801, 1e9):
            with pytest.raises(Invalid):
                await store.url("a b/\u00fc", expires=expires)


async def test_prefixes_and_scopes_see_nothing_of_each_other(s3: S3) -> None:
    bucket = s3.bucket()
    first = opened(s3, bucket=bucket, prefix="one/")
    async with first as one, opened(s3, bucket=bucket, prefix="two/") as two:
        await one.set("a", b"1")
        assert await two.get("a") is None
        assert await two.search("") == ()
        scoped = one.scoped("s")
        await scoped.set("a", b"2")
        assert await one.get("a") == b"1"
        assert [info.key for info in await one.search("")] == ["a"]
        for guess in ("%s/s/a", "%25s/s/a", "../one/%s/s/a"):
            assert await one.get(guess) is None
    async with opened(s3, bucket=bucket) as whole:
        assert await whole.get("one/a") == b"1"  # where other tools look for it, too


async def test_conditions_switched_off_are_refused_before_anything_is_sent(s3: S3) -> None:
    own = backend(s3, conditional=False)
    async with Stack().over(own) as store:
        assert not own.capabilities().offers(Put, "conditional")
        with pytest.raises(Unsupported):
            await store.set("a", b"1", if_absent=True)
        await store.set("a", b"1")
        assert await store.delete("a") is True
        assert await store.delete("a") is False


@pytest.mark.parametrize("metadata", [{"x": "a" * 2100}, {"x": "\u00e9" * 400}, {"k" * 2100: None}])
async def test_more_metadata_than_s3_keeps_is_refused(metadata: dict[str, Any], s3: S3) -> None:
    async with opened(s3) as store:
        with pytest.raises(Invalid, match="more than"):
            await store.set("a", b"1", metadata=metadata)
        assert await store.head("a") is None


async def test_any_metadata_and_type_comes_back(s3: S3) -> None:
    async with opened(s3) as store:
        each: list[dict[str, Any]] = [
            {"x": "\x7f  two \\u007f \\\x7f \u00e9 \U0001f600\n"},
            {"": [1, 2.5, None, True, {}]},
            {"=?UTF-8?Q?x?=": '"quoted", =?'},
        ]
        for metadata in each:
            await store.set("a", b"1", metadata=metadata, type="text/\u00fc;  x=\x7f")
            info = await store.head("a")
            assert info is not None
            assert info.type == "text/\u00fc;  x=\x7f"
            assert Json.of(info.metadata) == Json.of(metadata)
            assert await store.get("a") == b"1"


async def test_what_other_tools_wrote_is_read_too(s3: S3) -> None:
    own = backend(s3, bucket=s3.bucket())
    async with Stack().over(own) as store:
        client = own._client  # pyright: ignore[reportPrivateUsage]  # to write as others do
        await client.s3.put_object(
            Bucket=client.bucket, Key="theirs", Body=b"bytes", ContentType="text/css"
        )
        info = await store.head("theirs")
        assert info is not None
        assert (info.size, info.type, dict(info.metadata)) == (5, "text/css", {})
        assert await store.get("theirs") == b"bytes"
        assert [each.key for each in await store.search("th")] == ["theirs"]


async def test_what_no_key_can_name_is_not_listed(s3: S3) -> None:
    """Each object that a listing tells can be read, and none is told twice."""
    own = backend(s3, bucket=s3.bucket())
    async with Stack().over(own) as store:
        client = own._client  # pyright: ignore[reportPrivateUsage]  # to write as others do
        for name in ("%41", "50%.txt", "%-", "%.", "%s/acme/%42", "plain"):
            await client.s3.put_object(Bucket=client.bucket, Key=name, Body=b"theirs")
        await store.set("A", b"ours")
        found = [info.key async for info in store.scan()]
        assert sorted(found) == ["A", "plain"]
        assert [info.key async for info in store.scoped("acme").scan()] == []
        for key in found:
            assert await store.get(key) is not None


@pytest.mark.parametrize(
    "disguise", ["{}\n", 'x", "{}', "W/{}", " {}", "\u00e9{}", "{}" + "x" * 9000]
)
async def test_an_etag_that_can_be_none_matches_nothing(disguise: str, s3: S3) -> None:
    async with opened(s3) as store:
        await store.set("a", b"1")
        info = await store.head("a")
        assert info is not None
        etag = disguise.format(info.etag)
        with pytest.raises(Conflict):
            await store.range("a", 0, 1, etag=etag)
        with pytest.raises(Conflict):
            await store.set("a", b"2", if_etag=etag)
        assert await store.range("absent", 0, 1, etag=etag) is None
        assert await store.get("a") == b"1"


async def test_a_cursor_that_is_none_of_ours_is_refused_or_harmless(s3: S3) -> None:
    async with opened(s3) as store:
        await store.set("a", b"1")
        for cursor in ("", "x", "\u00fc\x00", "z" * 3000):
            try:
                page = await store.bound.send(ListObjects("", cursor, 10))
            except Invalid:
                continue
            assert {info.key for info in page.items} <= {"a"}
