"""Connections that are kept: closed while idle, in use when the store is closed, cancelled."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest

from lamina.backends.s3 import S3Media
from lamina.domains.media import Media
from lamina.errors import StorageError
from lamina.stack import Stack
from lamina.testing.faults import Answer, FaultProxy, FaultServer, Hang
from lamina.testing.servers import S3

pytestmark = pytest.mark.server

LISTING: Final = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
OBJECT: Final = (
    b"HTTP/1.1 206 Partial Content\r\ncontent-length: 1\r\ncontent-range: bytes 0-0/1\r\n"
    b'etag: "e"\r\nlast-modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n\r\nx'
)


async def read(store: Media) -> None:
    assert await store.get("a") == b"x"


async def write(store: Media) -> None:
    await store.set("a", b"x", if_absent=True)


class Closing:
    """A server that keeps a connection open for one answer, and closes it only then."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.closed = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        length = next(
            (
                int(line.split(b":")[1])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length")
            ),
            0,
        )
        if b"100-continue" in head:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await reader.readexactly(length)
        if head.startswith(b"GET /media/a"):
            writer.write(OBJECT)
        elif head.startswith(b"PUT"):
            writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 0\r\netag: "e"\r\n\r\n')
        else:
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(LISTING), LISTING)
            )
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        self.closed.set()


@pytest.mark.parametrize("call", [read, write])
async def test_a_connection_closed_while_idle_is_noticed_and_another_one_made(call: Any) -> None:
    """Each call goes out once, and none fails for the one before it."""
    closing = Closing()
    listener = await asyncio.start_server(closing.serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    async with listener:
        media = S3Media("media", endpoint=url, access_key="AK", secret_key="SK")
        async with Stack().over(media) as store:
            for count in (2, 3, 4):
                await closing.closed.wait()
                closing.closed.clear()
                await asyncio.sleep(0.01)  # the news is under way: as long as an idle moment
                await call(store)
                assert len(closing.heads) == count


async def test_closing_ends_the_calls_that_outlast_the_grace_time() -> None:
    ok = Answer(200, LISTING)
    async with FaultServer(ok, default=Hang()) as server:
        store = Stack().over(
            S3Media("media", endpoint=server.url, access_key="AK", secret_key="SK", timeout=20)
        )
        store.bound.runtime.grace = 0.1
        await store.open()
        calls = [asyncio.ensure_future(one) for one in (store.get("a"), store.set("a", b"1"))]
        async with asyncio.timeout(5):
            while server.count < 3:
                await asyncio.sleep(0.001)
        async with asyncio.timeout(5):
            await store.close()
            told = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(one, StorageError) for one in told), told


async def test_a_cancelled_read_leaves_nothing_in_the_connection_of_the_next(s3: S3) -> None:
    async with FaultProxy("127.0.0.1", s3.port) as proxy:
        media = S3Media(
            s3.bucket(),
            endpoint=f"http://{proxy.address}",
            access_key=s3.access_key,
            secret_key=s3.secret_key,
            connections=1,
        )
        async with Stack().over(media) as store:
            large, small = b"L" * 3_000_000, b"s" * 1000
            await store.set("large", large)
            await store.set("small", small)
            for part in (0, 1, 100_000, 2_000_000):
                begun = proxy.bytes_down
                proxy.throttle(down=20_000_000)
                reading = asyncio.ensure_future(store.get("large"))
                async with asyncio.timeout(10):
                    while proxy.bytes_down <= begun + part:
                        await asyncio.sleep(0)
                reading.cancel()
                await asyncio.wait({reading})
                proxy.throttle()
                assert await store.get("small") == small
                assert await store.get("large") == large
