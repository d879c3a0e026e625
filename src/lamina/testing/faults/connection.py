"""One accepted or made connection, that can also end as connections do when things break."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import Final, Self, final

CHUNK: Final = 65_536
_LINGER_NOT: Final = struct.pack("ii", 1, 0)


@final
class Connection:
    """Reads, writes and ends; a peer that went away reads as an end, never as an error."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, accepted: socket.socket) -> Self:
        """Take over a connected socket."""
        return cls(*await asyncio.open_connection(sock=accepted))

    @classmethod
    async def to(cls, host: str, port: int) -> Self:
        """Connect.

        Raises:
            OSError: Nobody listens there.
        """
        return cls(*await asyncio.open_connection(host, port))

    async def read(self, most: int = CHUNK) -> bytes:
        """Return what has come, at most *most* bytes; nothing when no more will come."""
        with suppress(OSError):
            return await self._reader.read(most)
        return b""

    async def send(self, data: bytes) -> None:
        """Send *data*, waiting while the peer is slow; drop it if the peer is gone."""
        with suppress(OSError):
            self._writer.write(data)
            await self._writer.drain()

    async def drained(self) -> None:
        """Read and forget until the peer ends."""
        while await self.read():
            pass

    def end(self) -> None:
        """Say that nothing more will be sent; the peer may go on."""
        with suppress(OSError):
            if self._writer.can_write_eof() and not self._writer.is_closing():
                self._writer.write_eof()

    def reset(self) -> None:
        """End at once with a reset (RST), so that the peer sees an error, not an end."""
        with suppress(OSError):
            bare: socket.socket = self._writer.get_extra_info("socket")
            bare.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self.abort()

    def abort(self) -> None:
        """End without sending what is still kept to be sent."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """End after what was sent has left."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()
