"""Where bytes to upload come from."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Awaitable, Coroutine
from inspect import isawaitable
from pathlib import Path
from typing import Any, Protocol, final, runtime_checkable

from lamina.errors import Conflict, Invalid
from lamina.values import check_type


@runtime_checkable
class Source(Protocol):
    """Bytes to upload, which can be read again from any offset."""

    def read(self, start: int, length: int) -> Coroutine[Any, Any, bytes]:
        """Return at most *length* bytes from *start*; none at the end, and only there."""
        ...


@final
class FileSource:
    """A file on disk as a source; read in a thread.

    Raises:
        Invalid: Reading finds no file that may be read.
        Conflict: It was changed since its first byte was read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._version: tuple[int, ...] = ()

    async def read(self, start: int, length: int) -> bytes:
        """Return at most *length* bytes from *start*; none at the end."""
        return await asyncio.to_thread(self._read, start, length)

    def _read(self, start: int, length: int) -> bytes:
        try:
            with self.path.open("rb") as file:
                file.seek(start)
                data = file.read(length)
                told = os.fstat(file.fileno())
        except (OSError, ValueError) as error:  # a name with NUL is a ValueError
            msg = f"the file to upload cannot be read ({type(error).__name__})"
            raise Invalid(msg) from error
        version = (told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns)
        if start == 0:
            self._version = version
        elif self._version not in {(), version}:
            msg = "the file to upload was changed while it was read"
            raise Conflict(msg, sent="no")
        return data


@final
class BytesSource:
    """Bytes in memory as a source."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def read(self, start: int, length: int) -> bytes:
        """Return at most *length* bytes from *start*; none at the end."""
        return self._data[start : start + length]


def source_of(value: object) -> Source:
    """Return what gives the bytes of *value*.

    Raises:
        Invalid: It is neither bytes nor a ``Source``.
    """
    if isinstance(value, bytes):
        return BytesSource(value)
    if isinstance(value, io.IOBase):
        msg = "an open file cannot be read again from any offset: give FileSource(path)"
        raise Invalid(msg)
    if not isinstance(value, Source):
        msg = f"media is bytes or a Source, got {type(value).__name__}"
        raise Invalid(msg)
    return value


async def read_part(source: Source, start: int, length: int) -> bytes:
    """Return *length* bytes from *start*, fewer only at the end, however little each read gives.

    Raises:
        Invalid: The source is not async, or gives no bytes or more than it was asked for.
    """
    parts: list[bytes] = []
    got = 0
    while got < length:
        data = await _awaitable(source.read(start + got, length - got))
        check_type(data, bytes, what="what a Source gives")
        if len(data) > length - got:
            msg = f"a Source was asked for at most {length - got} bytes and gave {len(data)}"
            raise Invalid(msg)
        if not data:
            break
        parts.append(data)
        got += len(data)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _awaitable(given: object) -> Awaitable[Any]:
    if not isawaitable(given):
        msg = "read of a Source must be async"
        raise Invalid(msg)
    return given
