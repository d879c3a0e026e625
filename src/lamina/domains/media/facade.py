"""Typed methods for files of any size."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, final

from lamina.backend import Backend
from lamina.domains.store import Facade
from lamina.errors import Conflict, Invalid
from lamina.values import EMPTY, Json

if TYPE_CHECKING:
    from types import TracebackType

    from lamina.bound import Bound
from lamina.domains.media.operations import (
    PART,
    Abort,
    Begin,
    Erase,
    Finish,
    Head,
    Info,
    ListObjects,
    Put,
    PutPart,
    ReadRange,
    Sign,
)
from lamina.domains.media.sources import BytesSource, Source

Given: TypeAlias = bytes | Source


@final
class Reader:
    """An open object: reads ranges of one version, whatever is written meanwhile."""

    def __init__(self, media: Media, info: Info) -> None:
        self.info = info
        self._media = media
        self._at = 0

    async def read(self, length: int = -1, /) -> bytes:
        """Return the next *length* bytes, all that is left without; none at the end.

        Raises:
            Conflict: The object was changed or deleted since it was opened.
        """
        left = self.info.size - self._at
        wanted = left if length < 0 else min(length, left)
        parts: list[bytes] = []
        while wanted > 0:
            data = await self._media.range(
                self.info.key, self._at, min(wanted, PART), etag=self.info.etag
            )
            if not data:
                msg = "the object was changed or deleted while it was read"
                raise Conflict(msg)
            parts.append(data)
            self._at += len(data)
            wanted -= len(data)
        return b"".join(parts)

    def seek(self, offset: int, /) -> None:
        """Read from *offset* next."""
        if not 0 <= offset <= self.info.size:
            msg = f"offset must be within 0 and {self.info.size}, got {offset!r}"
            raise Invalid(msg)
        self._at = offset

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while chunk := await self.read(PART):
            yield chunk

    async def __aenter__(self) -> Reader:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is held open between ranges."""


@final
class Media(Facade):
    """Files of any size; absent is ``None``, failure raises."""

    def __init__(self, bound: Bound) -> None:
        super().__init__(bound)
        self._head = bound.handler(Head)
        self._range = bound.handler(ReadRange)
        self._put = bound.handler(Put)
        self._erase = bound.handler(Erase)
        self._list = bound.handler(ListObjects)

    async def get(self, key: str, /, *, fresh: bool = False) -> bytes | None:
        """Return all bytes of the object, from one version of it."""
        first = await self._range(ReadRange(key, fresh=fresh, scope=self._scope))
        if first is None:
            return None
        if first.info.size <= len(first.data):
            return first.data
        reader = Reader(self, first.info)
        reader.seek(len(first.data))
        return first.data + await reader.read()

    async def range(
        self, key: str, start: int, length: int, /, *, etag: str | None = None
    ) -> bytes | None:
        """Return at most *length* bytes from *start*.

        Raises:
            Conflict: The object no longer has that *etag*.
            Invalid: *start* is negative.
        """
        if start < 0:
            msg = f"start must be at least 0, got {start!r}"
            raise Invalid(msg)
        chunk = await self._range(ReadRange(key, start, length, etag, scope=self._scope))
        return None if chunk is None else chunk.data

    async def set(
        self,
        key: str,
        value: Given,
        /,
        *,
        type: str = "application/octet-stream",  # noqa: A002  # the domain's word
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Store bytes, or what a ``Source`` gives, in parts of 8 MiB; visible all at once."""
        data = Json.of(metadata) if metadata else EMPTY
        if isinstance(value, bytes) and len(value) <= PART:
            await self._put(Put(key, value, type, data, scope=self._scope))
            return
        source = BytesSource(value) if isinstance(value, bytes) else value
        if not isinstance(source, Source):
            msg = f"media is bytes or a Source, got {value.__class__.__name__}"
            raise Invalid(msg)
        first = await source.read(0, PART)
        if len(first) < PART:
            await self._put(Put(key, first, type, data, scope=self._scope))
            return
        await self._upload(key, source, first, type, data)

    def head(self, key: str, /, *, fresh: bool = False) -> Coroutine[Any, Any, Info | None]:
        """Return size, etag, type and metadata."""
        return self._head(Head(key, fresh, scope=self._scope))

    async def open_reader(self, key: str, /) -> Reader | None:
        """Return a reader of the object as it is now, None if it is absent."""
        info = await self._head(Head(key, fresh=True, scope=self._scope))
        return None if info is None else Reader(self, info)

    def delete(self, key: str, /) -> Coroutine[Any, Any, bool]:
        """Delete the object; tell whether it was there."""
        return self._erase(Erase(key, scope=self._scope))

    async def search(self, query: str, /, *, limit: int = 100) -> tuple[Info, ...]:
        """Return one page of the objects whose key begins with *query*."""
        page = await self._list(ListObjects(query, None, limit, scope=self._scope))
        return page.items

    async def scan(self, prefix: str = "", *, limit: int = 100) -> AsyncIterator[Info]:
        """Iterate over all objects whose key begins with *prefix*."""
        cursor: str | None = None
        while True:
            page = await self._list(ListObjects(prefix, cursor, limit, scope=self._scope))
            for info in page.items:
                yield info
            cursor = page.next
            if cursor is None:
                return

    def url(self, key: str, /, *, expires: float = 3600) -> Coroutine[Any, Any, str]:
        """Return a URL that gives the bytes for *expires* seconds.

        Raises:
            Unsupported: The backend has no URLs.
            Invalid: There is no such object.
        """
        return self.bound.send(Sign(key, expires, scope=self._scope))

    async def _upload(self, key: str, source: Source, first: bytes, kind: str, data: Json) -> None:
        upload = await self.bound.send(Begin(key, kind, data, scope=self._scope))
        try:
            etags: list[str] = []
            offset, part = 0, first
            while part:
                op = PutPart(key, upload, len(etags) + 1, part, scope=self._scope)
                etags.append(await self.bound.send(op))
                offset += len(part)
                part = await source.read(offset, PART)
            await self.bound.send(Finish(key, upload, tuple(etags), scope=self._scope))
        except BaseException:
            self.bound.runtime.spawn(
                self.bound.send(Abort(key, upload, scope=self._scope)), f"abort upload {upload}"
            )
            raise


class MediaBackend(Backend[Media]):
    """A backend of the media domain."""

    def facade(self, bound: Bound) -> Media:
        return Media(bound)
