"""Files that a bot was sent: stored under keys of our own, found by a reference."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any, Final, Protocol, TypedDict, cast, runtime_checkable
from urllib.parse import quote, unquote
from uuid import uuid4

from lamina.bound import Bound
from lamina.context import Call, current
from lamina.errors import Invalid, Unsupported
from lamina.storage.domains import Domains
from lamina.storage.shapes import json_of
from lamina.values import check_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.domains.media import Given, Media, Reader

_TYPE: Final = re.compile(
    r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}(;[ -~]{1,200})?"
)
_ENDING: Final = re.compile(r"\.([A-Za-z0-9]{1,10})\Z")
_REFERENCE: Final = re.compile(r"media:([^:]+):(.+)", re.DOTALL)
_MOST_METADATA: Final = 2048
"""ASCII bytes of name and metadata together: what S3 takes, the narrowest of the services."""


class MediaInfo(TypedDict):
    """What is known of a stored file; *size* in bytes, *modified* in Unix seconds."""

    reference: str
    file_name: str
    content_type: str
    size: int
    metadata: dict[str, Any]
    modified: float


class MediaStore(Domains):
    """Files of any size under random keys; no name that somebody sent is part of a path."""

    async def store_media(
        self,
        file_data: Given,
        file_name: str,
        content_type: str,
        metadata: Mapping[str, Any] | None = None,
    ) -> str:
        """Store bytes, or what a ``Source`` gives, and return a reference: ``media:files:...``.

        The reference says which backend holds the file: that of a ``Fallback`` if it was stored
        there, where all that takes the reference finds it. Name and metadata are kept as ASCII, in
        2,048 bytes at most; of *file_name* only what follows the last slash, without control and
        direction marks.

        Raises:
            Invalid: The type is no media type, or name and metadata are too long or not JSON.
        """
        name = _clean(file_name)
        check_text(content_type, what="content_type")
        if not _TYPE.fullmatch(content_type):
            msg = "content_type must be a media type such as image/png"
            raise Invalid(msg)
        told = _ascii(name, metadata)
        ending = _ENDING.search(name)
        key = uuid4().hex + (f".{ending[1].lower()}" if ending else "")
        before = current.get()
        call = Call(deadline=None if before is None else before.deadline)
        current.set(call)
        try:
            await self.media.set(key, file_data, type=content_type, metadata=told)
        finally:
            current.set(before)
            if before is not None:
                call.tell(before)
        holder = next(iter(call.served_by.values()), self.media.bound.backend)
        return f"media:{holder}:{key}"

    async def media_url(self, reference: str, expires: float = 3600) -> str:
        """Return a URL that gives the file for *expires* seconds.

        Raises:
            Unsupported: The backend has no URLs, or another one holds the file.
            Invalid: There is no such file, or this is no reference.
        """
        media, key = self._held(reference)
        return await media.url(key, expires=expires)

    async def get_media(self, reference: str) -> bytes | None:
        """Return all bytes of the file, None if it is gone."""
        media, key = self._held(reference)
        return await media.get(key)

    async def open_media(self, reference: str) -> Reader | None:
        """Return a reader of the file, for parts of it, None if it is gone."""
        media, key = self._held(reference)
        return await media.open_reader(key)

    async def media_info(self, reference: str) -> MediaInfo | None:
        """Return name, type, size and metadata of the file, None if it is gone."""
        media, key = self._held(reference)
        info = await media.head(key)
        if info is None:
            return None
        return {
            "reference": reference,
            "file_name": unquote(str(info.metadata.get("file_name", ""))),
            "content_type": info.type,
            "size": info.size,
            "metadata": cast("dict[str, Any]", json.loads(info.metadata.get("metadata", "{}"))),
            "modified": info.modified,
        }

    async def delete_media(self, reference: str) -> bool:
        """Delete the file; tell whether it was there."""
        media, key = self._held(reference)
        return await media.delete(key)

    def _held(self, reference: str) -> tuple[Media, str]:
        """Return the store that holds the file, and its key there."""
        check_text(reference, what="reference")
        match = _REFERENCE.fullmatch(reference)
        if match is None:
            msg = "a reference looks like media:<backend>:<key>"
            raise Invalid(msg)
        found = _holder(self.media, match[1])
        if found is None:
            here = self.media.bound.backend
            msg = f"the file is held by backend {match[1][:40]!r}, this storage has {here!r}"
            raise Unsupported(msg)
        return found, match[2]


@runtime_checkable
class _Uses(Protocol):
    """A layer that may have stored a file in another store."""

    to: Any
    writes: bool


def _holder(media: Media, backend: str) -> Media | None:
    """Return *media*, or a store that it falls back to, whichever *backend* serves."""
    bound = media.bound
    if bound.backend == backend:
        return media
    layer: Any = bound.layer(cast("Any", _Uses))
    if layer is None or not isinstance(layer.to, Bound):
        return None
    other = type(media)(layer.to)
    return _holder(other.scoped(media.scope) if media.scope else other, backend)


def _clean(file_name: str) -> str:
    check_text(file_name, what="file_name")
    if len(file_name) > _MOST_METADATA:
        msg = f"file_name must have at most {_MOST_METADATA} characters, got {len(file_name)}"
        raise Invalid(msg)
    last = re.split(r"[/\\]", file_name)[-1]
    shown = "".join(c for c in last if unicodedata.category(c) not in ("Cc", "Cf")).strip()
    return shown if shown.strip(".") else "file"


def _ascii(name: str, metadata: Mapping[str, Any] | None) -> dict[str, str]:
    plain = json_of(metadata).thaw()
    told = {"file_name": quote(name), "metadata": json.dumps(plain, sort_keys=True)}
    size = sum(len(key) + len(value) for key, value in told.items())
    if size > _MOST_METADATA:
        msg = f"file_name and metadata take {size} ASCII bytes, at most {_MOST_METADATA} are kept"
        raise Invalid(msg)
    return told
