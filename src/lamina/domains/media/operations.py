"""The operations on files, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from lamina.domains.store import Deletion
from lamina.errors import Conflict, Corrupt, Invalid
from lamina.fields import shown
from lamina.operation import Operation, operation
from lamina.values import EMPTY, Count, FrozenDict, Json, Key, Page, Seconds

PART: Final = 8 * 1024 * 1024
"""Bytes in one range or part: above S3's least part of 5 MiB."""


@final
@dataclass(frozen=True, slots=True)
class Info:
    """What is known of an object; *etag* changes with its bytes, *modified* is Unix seconds."""

    key: str
    size: int
    etag: str
    type: str
    metadata: Mapping[str, Any]
    modified: float

    def __repr__(self) -> str:
        return f"Info({shown(self.key)}, {self.size} bytes, {shown(self.type)})"


@final
@dataclass(frozen=True, slots=True)
class Chunk:
    """A range of an object, with what is known of the whole."""

    data: bytes
    info: Info

    def __repr__(self) -> str:
        return f"Chunk(<{len(self.data)} bytes>, {self.info!r})"


@operation("media")
class Head(Operation[Info | None]):
    """Tell what is known of an object without its bytes."""

    key: Key
    fresh: bool = False

    def tags(self) -> tuple[str, ...]:
        return (self.tag(self.key),)


@operation("media")
class ReadRange(Operation[Chunk | None]):
    """Read at most *length* bytes from *start*; past the end there are none.

    With *etag* an object that has changed since is a ``Conflict``; an absent one is None.
    """

    key: Key
    start: int = 0
    length: Count = PART
    etag: str | None = None
    fresh: bool = False

    def tags(self) -> tuple[str, ...]:
        return (self.tag(self.key),)


def check_range(op: ReadRange, etag: str) -> None:
    """Refuse a range that no backend may serve of the version with that *etag*.

    Raises:
        Invalid: It starts before the beginning.
        Conflict: Another version is asked for.
    """
    if op.start < 0:
        msg = f"start must be at least 0, got {op.start!r}"
        raise Invalid(msg)
    if op.etag is not None and op.etag != etag:
        msg = "the object was changed since it was opened"
        raise Conflict(msg)


def metadata_of(data: Json) -> Mapping[str, Any]:
    """Return the metadata that an operation carries, frozen.

    Raises:
        Invalid: It is no JSON object.
    """
    try:
        found = data.value()
    except Corrupt as error:
        msg = "metadata must be JSON"
        raise Invalid(msg) from error
    if not isinstance(found, FrozenDict):
        msg = "metadata must be a JSON object"
        raise Invalid(msg)
    return found


@operation("media", writes=True, idempotent=True)
class Put(Operation[Info]):
    """Write a whole object in one go."""

    key: Key
    data: bytes
    type: str = "application/octet-stream"
    metadata: Json = EMPTY

    def tags(self) -> tuple[str, ...]:
        return (self.tag(self.key), self.tag())


@operation("media", writes=True, idempotent=False)
class Begin(Operation[str]):
    """Begin an upload in parts; gives its id, which the backend draws.

    Nothing is visible until it is finished.
    """

    key: Key
    type: str = "application/octet-stream"
    metadata: Json = EMPTY


@operation("media", writes=True, idempotent=True)
class PutPart(Operation[str]):
    """Write one part, numbered from 1; gives its etag. A part may be written again."""

    key: Key
    upload: Key
    number: Count
    data: bytes


@operation("media", writes=True, idempotent=True)
class Finish(Operation[Info]):
    """Make the object of an upload's parts, all at once; *parts* are their etags in order.

    Finishing again what was finished gives the same answer, unless the key was written since.
    """

    key: Key
    upload: Key
    parts: tuple[str, ...]

    def tags(self) -> tuple[str, ...]:
        return (self.tag(self.key), self.tag())


@operation("media", writes=True, idempotent=True)
class Abort(Operation[bool]):
    """Throw an upload's parts away; tells whether there was one."""

    key: Key
    upload: Key


@operation("media", writes=True, idempotent=True)
class Erase(Deletion):
    """Delete an object; tells whether there was one."""

    key: Key

    def tags(self) -> tuple[str, ...]:
        return (self.tag(self.key), self.tag())


@operation("media")
class ListObjects(Operation[Page[Info]]):
    """List one page of the objects whose key begins with *prefix*; *limit* is a hint."""

    prefix: str = ""
    cursor: str | None = None
    limit: Count = 100
    fresh: bool = False

    def tags(self) -> tuple[str, ...]:
        return (self.tag(),)


@operation("media")
class Sign(Operation[str]):
    """Make a URL that gives the object's bytes to whoever has it, for *expires* seconds."""

    key: Key
    expires: Seconds = 3600

    def tags(self) -> tuple[str, ...]:
        return (self.tag(self.key),)
