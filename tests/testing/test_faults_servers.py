"""The scripted servers do what they were told, and know exactly what they were asked."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator

import aiohttp
import httpx
import pytest

from lamina.testing.faults import (
    Answer,
    Close,
    Delay,
    FaultProxy,
    FaultServer,
    Garbage,
    Hang,
    RawServer,
    Request,
    Reset,
    Truncate,
    http_request,
    line,
    resp_command,
)

pytestmark = pytest.mark.server


async def test_answers_by_script_then_by_default() -> None:
    script = [Answer(503, "busy", {"Retry-After": "2"}), Answer(404)]
    server = FaultServer(*script, default=Answer(200, {"ok": True}))
    async with server, httpx.AsyncClient() as client:
        told = [await client.get(server.url) for _ in range(4)]
    assert [one.status_code for one in told] == [503, 404, 200, 200]
    assert (told[0].text, told[0].headers["retry-after"]) == ("busy", "2")
    assert told[3].json() == {"ok": True}
    assert server.count == 4
    assert server.connections == 1, "connections are kept alive"


async def test_records_what_was_asked() -> None:
    async with FaultServer() as server, httpx.AsyncClient() as client:
        await client.put(
            f"{server.url}/a%2Fb?x=1&y=%20", json={"a": [1]}, headers={"X-Name": "Value"}
        )
    asked = server.requests[0]
    assert (asked.method, asked.path, asked.query) == ("PUT", "/a%2Fb", "x=1&y=%20")
    assert asked.parameters == {"x": "1", "y": " "}
    assert asked.headers["x-name"] == "Value"
    assert asked.json() == {"a": [1]}


async def test_reads_bodies_sent_in_chunks_and_after_a_continue() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for place in range(50):
            yield bytes([place]) * 5_000

    wanted = b"".join([chunk async for chunk in chunks()])
    async with FaultServer() as server:
        async with aiohttp.ClientSession() as session:
            for awaits in (False, True):
                async with session.post(server.url, data=chunks(), expect100=awaits) as told:
                    assert told.status == 200
        async with httpx.AsyncClient() as client:
            await client.post(server.url, content=chunks())
    assert [asked.body for asked in server.requests] == [wanted] * 3


async def test_keeps_bodies_from_answers_that_have_none() -> None:
    server = FaultServer(default=Answer(200, b"body"))
    async with server, httpx.AsyncClient() as client:
        head = await client.head(server.url)
        assert (head.content, head.headers["content-length"]) == (b"", "4")
        server.then(Answer(204, b"ignored"))
        assert (await client.get(server.url)).content == b""
        assert (await client.get(server.url)).content == b"body"
    assert server.connections == 1


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (Hang(), httpx.ReadTimeout),
        (Reset(), httpx.ReadError),
        (Close(), httpx.RemoteProtocolError),
        (Garbage(), httpx.RemoteProtocolError),
        (Truncate(5), httpx.RemoteProtocolError),
        (Truncate(5, ends="reset"), httpx.ReadError),
        (Truncate(5, ends="hang"), httpx.ReadTimeout),
        (Delay(1.0), httpx.ReadTimeout),
        (b"HTTP/1.1 200 O", httpx.ReadTimeout),
    ],
    ids=repr,
)
async def test_fails_as_told_and_answers_the_next(step: object, error: type[Exception]) -> None:
    server = FaultServer(step, default=Answer(200, b"0123456789"))  # type: ignore[arg-type]
    async with server, httpx.AsyncClient(timeout=0.2) as client:
        with pytest.raises(error):
            await client.get(server.url)
        assert (await client.get(server.url)).content == b"0123456789"
    assert server.count == 2


async def test_delays_an_answer() -> None:
    async with FaultServer(Delay(0.1, Answer(201))) as server, httpx.AsyncClient() as client:
        start = time.monotonic()
        assert (await client.get(server.url)).status_code == 201
        assert time.monotonic() - start >= 0.1


async def test_a_callable_chooses_by_the_request() -> None:
    def choose(asked: Request) -> Answer:
        return Answer(200 if asked.path == "/there" else 404, asked.path)

    async with FaultServer(default=choose) as server, httpx.AsyncClient() as client:
        assert (await client.get(f"{server.url}/there")).text == "/there"
        assert (await client.get(f"{server.url}/none")).status_code == 404


async def test_raises_at_the_end_what_went_wrong_in_the_script() -> None:
    server = FaultServer(Truncate(1, Hang()))

    async def scenario() -> None:
        async with server, httpx.AsyncClient() as client:
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get(server.url)

    with pytest.raises(TypeError, match="only an answer can be truncated"):
        await scenario()


async def test_forgets_and_goes_on() -> None:
    async with FaultServer(Answer(500), Answer(501)) as server, httpx.AsyncClient() as client:
        assert (await client.get(server.url)).status_code == 500
        server.forget()
        assert (server.count, (await client.get(server.url)).status_code) == (0, 200)


async def test_answers_many_at_once() -> None:
    async with FaultServer(default=Delay(0.05)) as server, httpx.AsyncClient() as client:
        told = await asyncio.gather(*(client.get(server.url) for _ in range(50)))
    assert {one.status_code for one in told} == {200}
    assert server.count == 50


def test_serves_clients_that_block_from_a_thread_of_its_own() -> None:
    with FaultServer(Answer(500)) as server, httpx.Client() as client:
        assert client.get(server.url).status_code == 500
        server.then(Reset())
        with pytest.raises(httpx.ReadError):
            client.get(server.url)
        assert client.get(server.url).status_code == 200
    assert server.count == 3
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)


def test_ends_with_requests_still_open() -> None:
    with socket.socket() as client:
        with FaultServer(default=Hang()) as server:
            client.connect((server.host, server.port))
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            while not server.count:
                time.sleep(0.001)
        assert client.recv(10) == b""


async def test_a_proxy_in_front_counts_the_same_requests() -> None:
    async with (
        FaultServer(default=Answer(200, b"x" * 100)) as server,
        FaultProxy(server.host, server.port, requests=http_request) as proxy,
        httpx.AsyncClient() as client,
    ):
        url = f"http://{proxy.address}"
        for size in (0, 10, 200_000):
            assert (await client.post(url, content=b"y" * size)).status_code == 200
        proxy.in_answer("close", after=150)
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(url)
        assert proxy.requests == server.count == 4


async def test_answers_raw_commands() -> None:
    async with RawServer(b"+PONG\r\n", Reset(), split=resp_command) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(b"*1\r\n$4\r\nPI")
        await asyncio.sleep(0.01)
        writer.write(b"NG\r\nPING\r\n")
        assert await reader.readline() == b"+PONG\r\n"
        with pytest.raises(ConnectionResetError):
            await reader.readline()
        writer.close()
        assert server.requests == [b"*1\r\n$4\r\nPING\r\n", b"PING\r\n"]


@pytest.mark.parametrize(
    ("split", "whole"),
    [
        (resp_command, b"*2\r\n$3\r\nGET\r\n$4\r\n\r\n\r\n\r\n"),
        (resp_command, b"PING\r\n"),
        (http_request, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (http_request, b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"),
        (
            http_request,
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        ),
        (line, b"a\n"),
    ],
)
def test_splitters_find_the_end_wherever_the_bytes_are_cut(split: type[int], whole: bytes) -> None:
    assert [split(whole[:cut]) for cut in range(len(whole))] == [0] * len(whole)
    assert split(whole) == split(whole + whole) == len(whole)
