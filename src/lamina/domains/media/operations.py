"""The operations on files, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

from lamina.domains.store import Deletion
from lamina.errors import Conflict, Corrupt, Invalid
from lamina.fields import shown
from lamina.operation import Operation, Send, operation
from lamina.values import EMPTY, Count, FrozenDict, Json, Key, Page, Seconds

if TYPE_CHECKING:
    from lamina.domains.media.parts import Finish

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


def has_condition(op: Put | Finish) -> bool:
    """Tell whether it is to be carried out only where a condition holds.

    Raises:
        Invalid: It has two conditions.
    """
    if op.if_absent and op.if_etag is not None:
        msg = "if_absent and if_etag cannot both hold"
        raise Invalid(msg)
    return op.if_absent or op.if_etag is not None


def check_condition(op: Put | Finish, etag: str | None) -> None:
    """Refuse a write whose condition does not hold where *etag* is stored, None for nothing.

    Raises:
        Invalid: It has two conditions.
        Conflict: There is an object that must not be, or not the one that must.
    """
    has_condition(op)
    if op.if_absent and etag is not None:
        msg = "there is an object already"
        raise Conflict(msg)
    if op.if_etag not in {None, etag}:
        msg = "the object is not the version that was to be replaced"
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
