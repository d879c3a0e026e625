"""Typed methods for files of any size."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, final, overload

from lamina.backend import Backend
from lamina.domains.media.operations import (
    PART,
    Begin,
    Erase,
    Head,
    HeadMany,
    Info,
    ListObjects,
    Put,
    ReadRange,
    Sign,
)
from lamina.domains.media.sources import Source, read_part, source_of
from lamina.domains.media.upload import Upload
from lamina.domains.store import Facade, every, values_of
from lamina.errors import Conflict, Invalid
from lamina.values import EMPTY, Json, Outcome, check_type, each_of

if TYPE_CHECKING:
    from types import TracebackType

    from lamina.bound import Bound

Given: TypeAlias = bytes | Source


@final
class Reader:
    """An open object: gives the bytes of one version, or refuses once there is another.

    Not for several tasks at once: each takes the bytes that follow.
    """

    def __init__(self, media: Media, info: Info) -> None:
        self.info = info
        self._media = media
        self._at = 0

    async def read(self, length: int = -1, /) -> bytes:
        """Return the next *length* bytes, all that is left without; none at the end.

        Raises:
            Conflict: The object was changed or deleted since it was opened.
            Invalid: *length* is no whole number.
        """
        check_type(length, int, what="length")
        left = self.info.size - self._at
        wanted = left if length < 0 else min(length, left)
        parts: list[bytes] = []
        at, end = self._at, self._at + wanted
        while at < end:
            data = await self._media.range(
                self.info.key, at, min(end - at, PART), etag=self.info.etag
            )
            if not data:
                msg = "the object was changed or deleted while it was read"
                raise Conflict(msg)
            parts.append(data)
            at += len(data)
        self._at = end  # only now: after a failure the same bytes are read again
        return b"".join(parts)

    def seek(self, offset: int, /) -> None:
        """Read from *offset* next.

        Raises:
            Invalid: It is no whole number, or not within the object.
        """
        check_type(offset, int, what="offset")
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
        """Return all bytes of the object, from one version of it; None if it is absent.

        Raises:
            Conflict: It has more than 8 MiB, and was changed or deleted while it was read.
        """
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
        """Return at most *length* bytes from *start*, none past the end; None if it is absent.

        Raises:
            Conflict: The object no longer has that *etag*.
            Invalid: *start* is negative, or *length* not above 0.
        """
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
        if_absent: bool = False,
        if_etag: str | None = None,
    ) -> None:
        """Store bytes, or what a ``Source`` gives, in parts of 8 MiB; visible all at once.

        *if_absent*: only if there is no object yet. *if_etag*: only in place of that version. If
        it fails or is cancelled, what was uploaded is thrown away in the background.

        Raises:
            Conflict: What is there is not as asked.
            Unsupported: The backend knows no such conditions.
            Invalid: *value* is neither, *metadata* is no JSON, or the source misbehaves.
        """
        data = Json.of(metadata) if metadata else EMPTY
        if isinstance(value, bytes) and len(value) <= PART:
            await self._put(Put(key, value, type, data, if_absent, if_etag, scope=self._scope))
            return
        begin = Begin(key, type, data, scope=self._scope)
        source = source_of(value)
        first = await read_part(source, 0, PART)
        if len(first) < PART:
            await self._put(Put(key, first, type, data, if_absent, if_etag, scope=self._scope))
            return
        await Upload(self.bound, begin, if_absent=if_absent, if_etag=if_etag).run(source, first)

    def head(self, key: str, /, *, fresh: bool = False) -> Coroutine[Any, Any, Info | None]:
        """Return size, etag, type and metadata."""
        return self._head(Head(key, fresh, scope=self._scope))

    @overload
    async def head_many(
        self, keys: Sequence[str], /, *, fresh: bool = False, outcomes: Literal[False] = False
    ) -> tuple[Info | None, ...]: ...
    @overload
    async def head_many(
        self, keys: Sequence[str], /, *, fresh: bool = False, outcomes: Literal[True]
    ) -> tuple[Outcome[Info | None], ...]: ...
    async def head_many(
        self, keys: Sequence[str], /, *, fresh: bool = False, outcomes: bool = False
    ) -> tuple[Info | None, ...] | tuple[Outcome[Info | None], ...]:
        """Return what is known of several objects, in the order asked.

        Raises:
            BatchFailed: Some failed; with *outcomes* each is told instead.
        """
        op = HeadMany(each_of(keys, what="keys"), fresh, scope=self._scope)
        told = await self.bound.send(op)
        return told if outcomes else values_of(told)

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

    def scan(self, prefix: str = "", *, limit: int = 100) -> AsyncIterator[Info]:
        """Iterate over all objects whose key begins with *prefix*."""
        return every(lambda at: self._list(ListObjects(prefix, at, limit, scope=self._scope)))

    def url(self, key: str, /, *, expires: float = 3600) -> Coroutine[Any, Any, str]:
        """Return a URL that gives the bytes for *expires* seconds; a ``file:`` URL never expires.

        Raises:
            Unsupported: The backend has no URLs.
            Invalid: There is no such object.
        """
        return self.bound.send(Sign(key, expires, scope=self._scope))


class MediaBackend(Backend[Media]):
    """A backend of the media domain."""

    batches = (HeadMany,)

    def facade(self, bound: Bound) -> Media:
        return Media(bound)
