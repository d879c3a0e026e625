"""Connections of our own behave as httpx's do, and keep a cancellation what it is."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lamina.backends.http import pool
from lamina.testing import sweep
from lamina.testing.faults import Answer, FaultProxy, FaultServer

pytestmark = pytest.mark.server


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a certificate of 127.0.0.1 with its key, trusted by this process."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "loopback.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return path


@asynccontextmanager
async def secured(certificate: Path) -> AsyncGenerator[str, None]:
    """Serve one answer a connection over TLS; give the URL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline() not in {b"\r\n", b""}:
            pass
        body = b"x" * 100_000
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_speaks_tls(certificate: Path) -> None:
    async with (
        secured(certificate) as url,
        pool(timeout=5, connect_timeout=5, connections=2) as client,
    ):
        answers = await asyncio.gather(*(client.get(url) for _ in range(3)))

    assert [len(answer.content) for answer in answers] == [100_000] * 3


async def test_refuses_a_certificate_that_nobody_trusts(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    async with (
        secured(certificate) as url,
        pool(timeout=5, connect_timeout=5, connections=2) as client,
    ):
        with pytest.raises(httpx.ConnectError, match="certificate"):
            await client.get(url)


async def test_uses_a_connection_again_and_leaves_one_that_ended() -> None:
    async with (
        FaultServer(default=Answer(200, b"ok")) as server,
        FaultProxy(server.host, server.port) as proxy,
        pool(timeout=5, connect_timeout=5, connections=5) as client,
    ):
        url = f"http://{proxy.host}:{proxy.port}"
        for _ in range(3):
            assert (await client.get(url)).content == b"ok"
        assert proxy.connections == 1

    async with (
        FaultServer(default=Answer(200, b"ok", {"connection": "close"})) as server,
        pool(timeout=5, connect_timeout=5, connections=5) as client,
    ):
        for _ in range(3):
            assert (await client.get(server.url)).content == b"ok"


def test_a_cancellation_comes_out_as_it_went_in() -> None:
    with FaultServer(default=Answer(200, b"ok")) as server:

        async def scenario() -> None:
            async with pool(timeout=5, connect_timeout=5, connections=2) as client:
                await client.post(server.url, content=b"x" * 300_000)

        assert sweep(scenario).finished == 0


async def test_what_a_server_says_unasked_answers_nothing() -> None:
    asked: list[bytes] = []
    said = asyncio.Event()
    serving: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        while line := await reader.readline():
            while await reader.readline() not in {b"\r\n", b""}:
                pass
            asked.append(line)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            await asyncio.sleep(0.02)
            writer.write(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
            said.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, pool(timeout=5, connect_timeout=5, connections=1) as client:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert (await client.get(url)).status_code == 200
        await said.wait()
        await asyncio.sleep(0.05)
        assert (await client.get(url)).status_code == 200
    await asyncio.wait([task for task in serving if task is not None])

    assert len(asked) == 2


async def test_a_silent_address_of_a_host_does_not_hide_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first address is a listener whose queue is full: the kernel answers no more."""
    found = socket.getaddrinfo
    async with FaultServer(default=Answer(200, b"ok")) as server:
        silent = socket.socket()
        waiting = [socket.socket() for _ in range(4)]
        try:
            silent.bind(("127.0.0.2", server.port))
            silent.listen(0)
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(silent.getsockname())

            def both(_host: Any, *rest: Any, **more: Any) -> list[Any]:
                return [*found("127.0.0.2", *rest, **more), *found("127.0.0.1", *rest, **more)]

            monkeypatch.setattr(socket, "getaddrinfo", both)
            async with pool(timeout=5, connect_timeout=3, connections=1) as client:
                began = monotonic()
                answer = await client.get(f"http://two.example:{server.port}")
                assert answer.content == b"ok"
                assert monotonic() - began < 2
        finally:
            for one in (silent, *waiting):
                one.close()


@pytest.mark.parametrize("host", ["x" * 64 + ".example", "a..example"])
async def test_a_host_that_can_have_no_address_is_not_connected(host: str) -> None:
    async with pool(timeout=5, connect_timeout=5, connections=1) as client:
        with pytest.raises((httpx.ConnectError, httpx.InvalidURL)):
            await client.get(f"http://{host}")


async def test_a_peer_that_does_not_say_goodbye_is_left_soon(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener = socket.create_server(("127.0.0.1", 0))
    leaving = asyncio.Event()
    loop = asyncio.get_running_loop()

    def mute() -> None:
        with context.wrap_socket(listener.accept()[0], server_side=True) as one:
            one.recv(65_536)
            asyncio.run_coroutine_threadsafe(leaving.wait(), loop).result(10)

    thread = asyncio.ensure_future(asyncio.to_thread(mute))
    async with pool(timeout=5, connect_timeout=5, connections=1) as client:
        began = monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.get(f"https://127.0.0.1:{listener.getsockname()[1]}")
        assert monotonic() - began < 1
    leaving.set()
    await thread
    listener.close()


def test_a_cancellation_comes_out_of_tls_as_it_went_in(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(4) as threads:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"

        def answer(one: socket.socket) -> None:
            with one, suppress(OSError), context.wrap_socket(one, server_side=True) as secured:
                secured.settimeout(5)
                while secured.recv(65_536):
                    secured.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threads.submit(answer, listener.accept()[0])

        async def scenario() -> None:
            async with pool(timeout=5, connect_timeout=5, connections=2) as client:
                await client.get(url)
                await client.get(url)

        threads.submit(accept)
        try:
            assert sweep(scenario).finished == 0
        finally:
            listener.shutdown(socket.SHUT_RDWR)
