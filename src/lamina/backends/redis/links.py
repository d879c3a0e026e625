"""Connections to one server, made by the client library, one for each that asks at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from redis.asyncio.connection import (
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from lamina.backends.redis.values import Values

if TYPE_CHECKING:
    import asyncio

    from lamina.backends.redis.address import Address, Host
    from lamina.backends.redis.wire import Packed

_PROTOCOL: Final = 2
"""RESP2: all that is asked here has the same answers in RESP3, which costs a HELLO to begin with
and which old proxies do not speak."""


_PIECE: Final = 262_144
"""Bytes read at once."""


class Link(Protocol):
    """What is used of the client library's connection: its public methods, and `is_lost`."""

    async def connect(self) -> None:
        """Connect and log in, unless it is connected."""

    async def disconnect(self, nowait: bool = False) -> None:  # noqa: FBT001, FBT002  # the library's
        """Close it; without waiting it does not suspend."""

    async def send_packed_command(self, command: Packed, check_health: bool = True) -> None:  # noqa: FBT001, FBT002  # the library's
        """Write, and wait until the buffer has room."""

    async def read_response(self, disable_decoding: bool = False) -> Any:  # noqa: FBT001, FBT002  # the library's
        """Read one answer; raise it if it is an error."""

    async def read_values(self, count: int, *heads: bytes) -> list[bytes | None]:
        """Read the answer that holds so many values; raise it if it is an error."""
        ...

    async def can_read(self) -> bool:
        """Tell whether something came that nobody asked for, or the end; does not suspend."""
        ...

    def is_lost(self) -> bool:
        """Tell whether it was reset, which `can_read` does not."""
        ...

    def mark_for_reconnect(self) -> None:
        """Note that it must not be used for another exchange."""

    def should_reconnect(self) -> bool:
        """Tell whether that was noted."""
        ...


def link(address: Address, host: Host | None, connect_timeout: float) -> Link:
    """Return a connection, not yet connected, to *host* or to the address's socket.

    It has no limit of time of its own for answers: who asks sets one for the whole exchange.
    """
    options: dict[str, Any] = {
        "db": address.database,
        "protocol": _PROTOCOL,
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": None,
        "socket_connect_timeout": connect_timeout,
        "driver_info": None,  # else two commands more for each connection
        **address.login,
    }
    if host is None:
        return _Local(path=address.path, **options)
    options |= {"host": host[0], "port": host[1]}
    if address.tls:
        options |= address.files
        return _Encrypted(**options)
    return _Plain(**options)


class _Watched:
    """What the library's connections do not tell, and what they do slowly."""

    _reader: asyncio.StreamReader | None
    _writer: asyncio.StreamWriter | None
    _parser: Any

    async def read_values(self, count: int, *heads: bytes) -> list[bytes | None]:
        values, reader = Values(count, *heads), self._reader
        while values.needs:
            if reader is None or reader.at_eof():
                msg = "the connection was lost"
                raise ConnectionError(msg)
            if values.needs > _PIECE:
                values.feed(await reader.readexactly(values.needs))
            else:
                values.feed(await reader.read(_PIECE))
        if values.refusal is not None:
            raise self._parser.parse_error(values.refusal)
        return values.found

    def is_lost(self) -> bool:
        return self._writer is None or self._writer.is_closing()


class _Plain(_Watched, Connection):
    pass


class _Encrypted(_Watched, SSLConnection):
    pass


class _Local(_Watched, UnixDomainSocketConnection):
    pass
