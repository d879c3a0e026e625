"""The proxy passes everything on, and fails exactly where it was told to."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from lamina.testing.faults import FaultProxy, Hang, RawServer, line, resp_command

pytestmark = pytest.mark.server


@asynccontextmanager
async def echo() -> AsyncGenerator[RawServer]:
    async with RawServer(split=line, default=lambda asked: b"re: " + asked) as server:
        yield server


@asynccontextmanager
async def proxied() -> AsyncGenerator[tuple[RawServer, FaultProxy]]:
    async with echo() as server, FaultProxy(server.host, server.port) as proxy:
        yield server, proxy


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def asks(self, text: bytes) -> bytes:
        self.writer.write(text)
        await self.writer.drain()
        return await self.reader.readline()


@asynccontextmanager
async def client(proxy: FaultProxy) -> AsyncGenerator[Client]:
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)


async def test_passes_everything_on_and_counts() -> None:
    async with proxied() as (server, proxy), client(proxy) as one:
        assert await one.asks(b"a\n") == b"re: a\n"
        assert await one.asks(b"bb\n") == b"re: bb\n"
        assert (proxy.connections, proxy.requests, proxy.struck) == (1, 2, 0)
        assert (proxy.bytes_up, proxy.bytes_down) == (5, 13)
        assert server.requests == [b"a\n", b"bb\n"]


async def test_passes_megabytes_on_unchanged() -> None:
    data = bytes(range(10)) * 300_000
    async with (
        RawServer(split=len, default=lambda asked: asked) as server,
        FaultProxy(server.host, server.port) as proxy,
        client(proxy) as one,
    ):
        one.writer.write(data)
        assert await one.reader.readexactly(len(data)) == data
        assert proxy.bytes_up == proxy.bytes_down == len(data)


async def test_tells_the_server_that_the_client_ended() -> None:
    async with proxied() as (_, proxy), client(proxy) as one:
        one.writer.write(b"last\n")
        one.writer.write_eof()
        assert await one.reader.read() == b"re: last\n"


async def test_resets_after_the_request_was_sent() -> None:
    async with proxied() as (server, proxy), client(proxy) as one:
        proxy.after_request("reset")
        with pytest.raises(ConnectionResetError):
            await one.asks(b"a\n")
        assert server.requests == [b"a\n"]
        assert proxy.bytes_down > 0
        async with client(proxy) as other:  # once was asked for
            assert await other.asks(b"b\n") == b"re: b\n"
        assert proxy.struck == 1


async def test_resets_before_the_request_reaches_the_server() -> None:
    async with proxied() as (server, proxy), client(proxy) as one:
        proxy.before_request("reset")
        with pytest.raises(ConnectionResetError):
            await one.asks(b"a\n")
        assert server.requests == []


async def test_closes_a_request_after_some_bytes() -> None:
    async with (
        RawServer(split=len, default=b"never\n") as server,
        FaultProxy(server.host, server.port) as proxy,
        client(proxy) as one,
    ):
        server.default = Hang()
        proxy.in_request("close", after=3)
        assert await one.asks(b"abcdef\n") == b""
        assert server.requests == [b"abc"]


async def test_truncates_an_answer() -> None:
    async with proxied() as (_, proxy), client(proxy) as one:
        proxy.in_answer("close", after=5)
        assert await one.asks(b"abc\n") == b"re: a"


async def test_corrupts_one_byte_and_goes_on() -> None:
    async with proxied() as (server, proxy), client(proxy) as one:
        proxy.in_answer("corrupt", after=4)
        assert await one.asks(b"abc\n") == b"re: \x9ebc\n"
        proxy.in_request("corrupt", after=0)
        assert await one.asks(b"abc\n") == b"re: \x9ebc\n"
        assert server.requests == [b"abc\n", b"\x9ebc\n"]


@pytest.mark.parametrize("place", ["before", "after"])
async def test_hangs_until_the_client_leaves(place: str) -> None:
    async with proxied() as (server, proxy), client(proxy) as one:
        (proxy.before_request if place == "before" else proxy.after_request)("hang")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(one.asks(b"a\n"), 0.1)
        proxy.heal()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(one.asks(b"b\n"), 0.1)
        assert server.requests == ([] if place == "before" else [b"a\n"])
        async with client(proxy) as other:
            assert await other.asks(b"c\n") == b"re: c\n"


async def test_fails_connections_as_they_are_made() -> None:
    async with proxied() as (server, proxy):
        proxy.at_connect("reset")
        async with client(proxy) as one:
            with pytest.raises(ConnectionResetError):
                await one.asks(b"a\n")
        proxy.at_connect("close")
        async with client(proxy) as one:
            assert await one.reader.read() == b""
        proxy.at_connect("hang")
        async with client(proxy) as one:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(one.asks(b"a\n"), 0.1)
        assert server.connections == 0
        async with client(proxy) as one:
            assert await one.asks(b"a\n") == b"re: a\n"


async def test_refuses_connections_and_listens_again_at_the_same_port() -> None:
    async with proxied() as (_, proxy), client(proxy) as one:
        assert await one.asks(b"a\n") == b"re: a\n"
        port = proxy.port
        for _round in range(3):
            proxy.refuse()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(proxy.host, port)
            proxy.heal()
            assert proxy.port == port
            async with client(proxy) as other:
                assert await other.asks(b"b\n") == b"re: b\n"
        assert await one.asks(b"c\n") == b"re: c\n"


async def test_a_blackhole_swallows_old_and_new_connections() -> None:
    async with proxied() as (server, proxy), client(proxy) as one:
        assert await one.asks(b"a\n") == b"re: a\n"
        proxy.blackhole()
        async with client(proxy) as other:
            for each in (one, other):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(each.asks(b"b\n"), 0.1)
        proxy.heal()
        async with client(proxy) as other:
            assert await other.asks(b"c\n") == b"re: c\n"
        assert server.requests == [b"a\n", b"c\n"]


async def test_faults_may_skip_repeat_and_choose_a_connection() -> None:
    async with proxied() as (_, proxy):
        proxy.in_answer("corrupt", after=0, skip=1, times=2, connection=2)
        async with client(proxy) as one, client(proxy) as two:
            told = [await one.asks(b"a\n") for _ in range(4)]
            assert told == [b"re: a\n"] * 4
            told = [await two.asks(b"a\n") for _ in range(4)]
            assert [answer[:1] for answer in told] == [b"r", b"\x8d", b"\x8d", b"r"]


async def test_a_fault_without_end_ends_when_healed() -> None:
    async with proxied() as (_, proxy):
        proxy.after_request("close", times=None)
        for _ in range(3):
            async with client(proxy) as one:
                assert await one.asks(b"a\n") == b""
        proxy.heal()
        async with client(proxy) as one:
            assert await one.asks(b"a\n") == b"re: a\n"


async def test_delays_each_request_and_answer() -> None:
    drawn: list[float] = []

    def draw() -> float:
        drawn.append(0.05)
        return drawn[-1]

    async with proxied() as (_, proxy), client(proxy) as one:
        proxy.delay(up=0.1, down=draw)
        start = time.monotonic()
        assert await one.asks(b"a\n") == b"re: a\n"
        assert time.monotonic() - start >= 0.15
        assert len(drawn) == 1


async def test_throttles_to_a_rate() -> None:
    async with proxied() as (_, proxy), client(proxy) as one:
        proxy.throttle(down=10_000)
        start = time.monotonic()
        assert len(await one.asks(b"x" * 2_000 + b"\n")) == 2_005
        assert time.monotonic() - start >= 0.18


async def test_a_splitter_counts_what_is_pipelined() -> None:
    ping, get = b"*1\r\n$4\r\nPING\r\n", b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n"
    async with (
        RawServer(split=resp_command, default=b"+OK\r\n") as server,
        FaultProxy(server.host, server.port, requests=resp_command) as proxy,
        client(proxy) as one,
    ):
        one.writer.write((ping + get) * 5 + ping[:7])
        assert await one.reader.readexactly(50) == b"+OK\r\n" * 10
        one.writer.write(ping[7:])
        assert await one.reader.readline() == b"+OK\r\n"
        assert proxy.requests == server.count == 11


async def test_a_splitter_takes_an_interim_answer_for_none() -> None:
    async with (
        RawServer(split=len, default=b"x") as server,
        FaultProxy(server.host, server.port, requests=line) as proxy,
        client(proxy) as one,
    ):
        proxy.after_request("close")
        one.writer.write(b"half")
        assert await one.reader.readexactly(1) == b"x"
        one.writer.write(b" whole\n")
        assert await one.reader.read() == b""
        assert server.requests == [b"half", b" whole\n"]


async def test_raises_at_the_end_what_a_splitter_raised() -> None:
    def split(data: bytes) -> int:
        msg = "no such protocol"
        raise ValueError(msg)

    async def scenario() -> None:
        async with (
            RawServer(split=line) as server,
            FaultProxy(server.host, server.port, requests=split) as proxy,
            client(proxy) as one,
        ):
            assert await one.asks(b"a\n") == b""

    with pytest.raises(ValueError, match="no such protocol"):
        await scenario()


async def test_resets_every_connection_on_demand() -> None:
    async with proxied() as (_, proxy), client(proxy) as one, client(proxy) as two:
        assert await one.asks(b"a\n") == await two.asks(b"a\n")
        proxy.reset_connections()
        for each in (one, two):
            with pytest.raises(ConnectionResetError):
                await each.reader.readline()


async def test_resets_who_comes_while_the_server_is_gone() -> None:
    async with echo() as server:
        gone = server.port
    async with FaultProxy("127.0.0.1", gone) as proxy, client(proxy) as one:
        with pytest.raises(ConnectionResetError):
            await one.asks(b"a\n")


@pytest.mark.parametrize(
    "wrong", [{"how": "explode"}, {"how": "reset", "after": -1}, {"how": "reset", "times": 0}]
)
def test_refuses_a_fault_that_makes_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        FaultProxy("127.0.0.1", 1).in_answer(**{"after": 0, **wrong})  # type: ignore[arg-type]


def test_serves_clients_that_block_from_a_thread_of_its_own() -> None:
    with (
        RawServer(split=line, default=lambda asked: asked) as server,
        FaultProxy(server.host, server.port) as proxy,
    ):
        with socket.create_connection((proxy.host, proxy.port), timeout=5) as one:
            one.sendall(b"a\n")
            assert one.recv(10) == b"a\n"
            proxy.after_request("reset")
            one.sendall(b"b\n")
            with pytest.raises(ConnectionResetError):
                one.recv(10)
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((proxy.host, proxy.port), timeout=5)
        proxy.heal()
        with socket.create_connection((proxy.host, proxy.port), timeout=5) as one:
            one.sendall(b"c\n")
            assert one.recv(10) == b"c\n"
        assert proxy.struck == 1
