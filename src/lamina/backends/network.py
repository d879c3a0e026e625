"""Connections for httpx on asyncio's own streams.

Its usual way, through anyio, turns a cancellation that comes while it connects into another one,
and costs more.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, final

import httpcore
import httpx

if TYPE_CHECKING:
    import ssl
    from collections.abc import Generator, Iterable

_FAREWELL: Final = 1.0
"""Seconds that a peer may take to answer to the end of a connection."""


@final
class Transport(httpx.AsyncHTTPTransport):
    """httpx's transport over these connections; it reads no proxies from the environment."""

    def __init__(self, limits: httpx.Limits, *, http2: bool) -> None:
        super().__init__(limits=limits, trust_env=False, http2=http2)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            http2=http2,
            network_backend=Network(),
        )


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
                return _Stream(*await asyncio.open_connection(host, port))

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@final
class _Stream(httpcore.AsyncNetworkStream):
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
            async with asyncio.timeout(_FAREWELL):
                with suppress(OSError):
                    await self._writer.wait_closed()
        except TimeoutError:
            self._writer.transport.abort()

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

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":  # the pool asks whether an idle connection has ended
            return self._reader.at_eof() or self._writer.is_closing()
        names = {
            "client_addr": "sockname",
            "server_addr": "peername",
            "ssl_object": "ssl_object",
            "socket": "socket",
        }
        return self._writer.get_extra_info(names[info]) if info in names else None


@contextmanager
def _mapped(late: type[Exception], lost: type[Exception]) -> Generator[None, None, None]:
    try:
        yield
    except TimeoutError as error:
        raise late(str(error)) from error
    except OSError as error:  # of TLS, too
        raise lost(str(error) or type(error).__name__) from error
