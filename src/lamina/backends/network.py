"""Connections for httpx on asyncio's own streams.

Its usual way, through anyio, turns a cancellation that comes while it connects into another one,
and costs more. And its pool loses the place of a call that is cancelled at some of its awaits.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any, Final, final

import httpcore
import httpx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterable
    from typing import SupportsIndex

_FAREWELL: Final = 0.25
"""Seconds that a peer may take to answer to the end of a connection."""

_NEXT_ADDRESS: Final = 0.25
"""Seconds after which the next address of a host is tried beside one that is silent."""


@final
class Transport(httpx.AsyncHTTPTransport):
    """httpx's transport over these connections; it reads no proxies from the environment.

    ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` tell whom to trust, if they are set.
    """

    def __init__(self, limits: httpx.Limits, *, http2: bool) -> None:
        trusted = _trusted(
            os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"), http2=http2
        )
        super().__init__(verify=trusted, limits=limits, trust_env=False, http2=http2)
        self._pool = Pool(
            ssl_context=trusted,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            http2=http2,
            network_backend=Network(),
        )


@final
class Pool(httpcore.AsyncConnectionPool):
    """httpcore's pool, which here gets back the place of every call that is cancelled.

    It knows a connection as busy from before it is used until its answer is closed; a call that
    is cancelled in between, on the way to a lock, would leave it so for ever.
    """

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        try:
            answer = await super().handle_async_request(request)
        except asyncio.CancelledError:
            self._free()
            raise
        answer.stream = _Body(answer.stream, self.forget)
        return answer

    async def _close_connections(self, closing: list[httpcore.AsyncConnectionInterface]) -> None:
        try:
            await super()._close_connections(closing)
        finally:
            for one in closing:  # those that a cancellation left open
                _abort(one)

    def forget(self, request: Any) -> None:
        """Let go of a request whose answer was closed, or whose closing was cancelled."""
        if request in self._requests:
            self._requests.remove(request)
            self._free()

    def _free(self) -> None:
        used = [request.connection for request in self._requests]
        for one in [*self._connections]:
            if one not in used and not one.is_idle() and not one.is_closed():
                self._connections.remove(one)
                _abort(one)
        for one in self._assign_requests_to_connections():
            _abort(one)


@final
class _Body:
    """An answer's body, whose place in the pool is free once it is closed, however that ends."""

    def __init__(self, stream: Any, forget: Callable[[Any], None]) -> None:
        self._stream = stream
        self._forget = forget

    def __aiter__(self) -> AsyncIterator[bytes]:
        parts: AsyncIterator[bytes] = self._stream.__aiter__()
        return parts

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._forget(self._stream._pool_request)  # noqa: SLF001  # told nowhere else


@final
class Network(httpcore.AsyncNetworkBackend):
    """Opens connections."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore's interface
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        del local_address, socket_options  # nobody here asks for them
        with _mapped(httpcore.ConnectTimeout, httpcore.ConnectError):
            async with asyncio.timeout(timeout):
                return await _connected(host, port)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@cache
def _trusted(file: str | None, folder: str | None, *, http2: bool) -> ssl.SSLContext:
    """Return whom to trust; it takes long to read, and says what is spoken, so one for each."""
    del file, folder, http2
    return httpx.create_ssl_context()


async def _connected(host: str, port: int) -> _Stream:
    loop = asyncio.get_running_loop()
    reader = _Reader()
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    is_name = any(char.isalpha() for char in host) and ":" not in host
    transport, _ = await loop.create_connection(
        lambda: protocol, host, port, happy_eyeballs_delay=_NEXT_ADDRESS if is_name else None
    )
    return _Stream(reader, asyncio.StreamWriter(transport, protocol, reader, loop))


@final
class _Reader(asyncio.StreamReader):
    """Knows whether something came that nobody has read."""

    def __init__(self) -> None:
        super().__init__()
        self.unread = 0

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        self.unread += len(bytes(data))
        super().feed_data(data)

    async def read(self, n: int = -1) -> bytes:
        data = await super().read(n)
        self.unread -= len(data)
        return data


@final
class _Stream(httpcore.AsyncNetworkStream):
    def __init__(self, reader: _Reader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore's interface
    ) -> bytes:
        with _mapped(httpcore.ReadTimeout, httpcore.ReadError):
            async with asyncio.timeout(timeout):
                return await self._reader.read(max_bytes)

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore's interface
    ) -> None:
        with _mapped(httpcore.WriteTimeout, httpcore.WriteError):
            self._writer.write(buffer)
            async with asyncio.timeout(timeout):
                await self._writer.drain()

    async def aclose(self) -> None:
        self._writer.close()
        try:
            with suppress(OSError):  # also that of the time limit
                async with asyncio.timeout(_FAREWELL):
                    await self._writer.wait_closed()
        finally:
            self.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore's interface
    ) -> httpcore.AsyncNetworkStream:
        with _mapped(httpcore.ConnectTimeout, httpcore.ConnectError):
            async with asyncio.timeout(timeout):
                await self._writer.start_tls(ssl_context, server_hostname=server_hostname)
        return self

    def abort(self) -> None:
        """Close it at once, without a word."""
        with suppress(AttributeError):  # of early 3.11, if its TLS has ended already
            self._writer.transport.abort()

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":  # the pool asks whether an idle connection can be used no more
            return bool(self._reader.unread) or self._reader.at_eof() or self._writer.is_closing()
        names = {
            "client_addr": "sockname",
            "server_addr": "peername",
            "ssl_object": "ssl_object",
            "socket": "socket",
        }
        return self._writer.get_extra_info(names[info]) if info in names else None


def _abort(connection: Any) -> None:
    """Close what a connection of the pool holds open, if anything."""
    stream = getattr(getattr(connection, "_connection", None), "_network_stream", None)
    if isinstance(stream, _Stream):
        stream.abort()


@contextmanager
def _mapped(late: type[Exception], lost: type[Exception]) -> Generator[None, None, None]:
    try:
        yield
    except TimeoutError as error:
        raise late(str(error)) from error
    except (OSError, UnicodeError) as error:  # of TLS, and of a host that can have no address
        raise lost(str(error) or type(error).__name__) from error
