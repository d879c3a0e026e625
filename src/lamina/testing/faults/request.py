"""An HTTP/1.1 request, read from a connection."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from lamina.testing.faults.connection import Connection

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


@final
@dataclass(frozen=True)
class Request:
    """What a client asked.

    *path* is as it was sent, without the query; names of *headers* are in small letters;
    *connection* is the number of the connection it came by, from 1.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    connection: int
    version: str = "HTTP/1.1"

    @property
    def parameters(self) -> dict[str, str]:
        """The query, decoded; of a name given twice, the last."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    def json(self) -> Any:
        """Return the body, decoded from JSON."""
        return json.loads(self.body)


@final
class Requests:
    """Reads one request after the other."""

    def __init__(self, client: Connection, number: int) -> None:
        self._client = client
        self._number = number
        self._kept = b""

    async def next(self) -> Request | None:
        """Return the next whole request, or ``None`` if the client left before its end."""
        try:
            return await self._read()
        except EOFError:
            return None

    async def _read(self) -> Request:
        first, *lines = (await self._until(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, version = first.split(" ")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        if headers.get("expect", "").lower() == "100-continue":
            await self._client.send(_CONTINUE)
        path, _, query = target.partition("?")
        body = await self._body(headers)
        return Request(method, path, query, headers, body, self._number, version)

    async def _body(self, headers: dict[str, str]) -> bytes:
        if "chunked" not in headers.get("transfer-encoding", "").lower():
            return await self._exactly(int(headers.get("content-length", "0")))
        chunks: list[bytes] = []
        while size := int((await self._until(b"\r\n")).split(b";")[0], 16):
            chunks.append(await self._exactly(size))
            await self._until(b"\r\n")
        while await self._until(b"\r\n"):  # trailers
            pass
        return b"".join(chunks)

    async def _until(self, end: bytes) -> bytes:
        while end not in self._kept:
            await self._more()
        found, _, self._kept = self._kept.partition(end)
        return found

    async def _exactly(self, length: int) -> bytes:
        parts = [self._kept]
        have = len(self._kept)
        while have < length:
            self._kept = b""
            await self._more()
            parts.append(self._kept)
            have += len(self._kept)
        whole = b"".join(parts)
        self._kept = whole[length:]
        return whole[:length]

    async def _more(self) -> None:
        data = await self._client.read()
        if not data:
            raise EOFError
        self._kept += data
