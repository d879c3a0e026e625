"""The operations on files, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self, cast, final

from lamina.domains.store import Deletion
from lamina.errors import Conflict
from lamina.fields import shown
from lamina.operation import BatchOperation, Operation, Send, operation
from lamina.values import EMPTY, Count, Json, Key, Page, Seconds

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


@operation("media", writes=True, idempotent=True)
class Put(Operation[Info]):
    """Write a whole object in one go; ``Conflict`` if what is there is not as asked.

    *if_absent*: only if there is none. *if_etag*: only in place of the version with that etag.
    """

    key: Key
    data: bytes
    type: str = "application/octet-stream"
    metadata: Json = EMPTY
    if_absent: bool = False
    if_etag: str | None = None

    def tags(self) -> tuple[str, ...]:
        return (self.tag(self.key), self.tag())

    async def settle(self, outcome: Info | Conflict, send: Send) -> Info:
        if not isinstance(outcome, Conflict):
            return outcome
        size = len(self.data)
        found: Chunk | None = await send(
            ReadRange(self.key, length=size + 1, fresh=True, scope=self.scope)
        )
        if found is None or found.data != self.data or not self._describes(found.info):
            raise outcome
        return found.info

    def _describes(self, info: Info) -> bool:
        return info.type == self.type and Json.of(info.metadata) == self.metadata


@operation("media", writes=True, idempotent=False)
class Begin(Operation[str]):
    """Begin an upload in parts; gives its id, which the backend draws.

    Nothing is visible until it is finished.
    """

    key: Key
    type: str = "application/octet-stream"
    metadata: Json = EMPTY

    def portable(self) -> bool:
        return False


@operation("media", writes=True, idempotent=True)
class PutPart(Operation[str]):
    """Write one part, numbered from 1; gives its etag. A part may be written again."""

    key: Key
    upload: Key
    number: Count
    data: bytes

    def portable(self) -> bool:
        return False


@operation("media", writes=True, idempotent=True)
class Finish(Operation[Info]):
    """Make the object of an upload's parts, all at once; *parts* are their etags in order.

    Finishing again what was finished gives the same answer, unless the key was written since.
    *if_absent* and *if_etag* are those of ``Put``.
    """

    key: Key
    upload: Key
    parts: tuple[str, ...]
    if_absent: bool = False
    if_etag: str | None = None

    def tags(self) -> tuple[str, ...]:
        return (self.tag(self.key), self.tag())

    def portable(self) -> bool:
        return False


@operation("media", writes=True, idempotent=True)
class Abort(Operation[bool]):
    """Throw an upload's parts away; tells whether there was one."""

    key: Key
    upload: Key

    def portable(self) -> bool:
        return False


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

    def portable(self) -> bool:
        return self.cursor is None


@operation("media")
class Sign(Operation[str]):
    """Make a URL that gives the object's bytes to whoever has it, for *expires* seconds."""

    key: Key
    expires: Seconds = 3600

    def tags(self) -> tuple[str, ...]:
        return (self.tag(self.key),)


@operation("media")
class HeadMany(BatchOperation[Info | None]):
    """Tell what is known of several objects without their bytes."""

    keys: tuple[Key, ...]
    fresh: bool = False

    single = Head

    def tags(self) -> tuple[str, ...]:
        return tuple(self.tag(key) for key in self.keys)

    def singles(self) -> tuple[Head, ...]:
        return tuple(Head(key, self.fresh, scope=self.scope) for key in self.keys)

    @classmethod
    def gather(cls, singles: tuple[Operation[Any], ...]) -> Self:
        heads = cast("tuple[Head, ...]", singles)
        return cls(tuple(one.key for one in heads), heads[0].fresh, scope=heads[0].scope)
