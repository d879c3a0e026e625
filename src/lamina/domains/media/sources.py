"""Where bytes to upload come from."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Protocol, final, runtime_checkable


@runtime_checkable
class Source(Protocol):
    """Bytes to upload, which can be read again from any offset."""

    def read(self, start: int, length: int) -> Coroutine[Any, Any, bytes]:
        """Return at most *length* bytes from *start*; none at the end."""
        ...


@final
class FileSource:
    """A file on disk as a source; read in a thread."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    async def read(self, start: int, length: int) -> bytes:
        """Return at most *length* bytes from *start*; none at the end."""
        return await asyncio.to_thread(self._read, start, length)

    def _read(self, start: int, length: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read(length)


@final
class BytesSource:
    def __init__(self, data: bytes) -> None:
        self._data = data

    async def read(self, start: int, length: int) -> bytes:
        return self._data[start : start + length]
