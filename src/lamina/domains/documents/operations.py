"""The operations on documents, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Self, cast, final

from lamina.domains.store import Deletion
from lamina.errors import Conflict
from lamina.filters import Filter
from lamina.operation import BatchOperation, Operation, Send, operation
from lamina.values import EMPTY, Count, Json, Key, Page, Text


@final
@dataclass(frozen=True, slots=True)
class Document:
    """A stored document; *metadata* is frozen, times are Unix seconds, versions count from 1."""

    id: str
    content: str
    metadata: Mapping[str, Any]
    version: int
    path: str | None
    created_at: float
    updated_at: float

    def __repr__(self) -> str:
        size = len(self.content)
        return f"Document(id={self.id!r}, version={self.version}, content=<{size} characters>)"


@final
@dataclass(frozen=True, slots=True)
class Found:
    """A document that a search found; *score* is higher for better, 0 without a text query."""

    document: Document
    score: float


_PATHS: Final = "paths\0"  # no id has a NUL, and none is meant by what names ids


@operation("documents")
class Read(Operation[Document | None]):
    """Read one document by id."""

    id: Key
    fresh: bool = False

    def tags(self) -> tuple[str, ...]:
        return (self.tag(self.id), self.tag(_PATHS))  # a write at a path may be to any id


@operation("documents")
class ReadAt(Operation[Document | None]):
    """Read one document by its path."""

    path: Key
    fresh: bool = False

    def tags(self) -> tuple[str, ...]:
        return (self.tag(),)


@operation("documents", writes=True, idempotent=True)
class Write(Operation[None]):
    """Write a whole document, new or not; its version is one more than before.

    A path belongs to one document: another that has it is a ``Conflict``.
    """

    id: Key
    content: Text
    metadata: Json = EMPTY
    path: Key | None = None

    def tags(self) -> tuple[str, ...]:
        return (self.tag(self.id), self.tag())


@operation("documents", writes=True, idempotent=True)
class WriteAt(Operation[str]):
    """Write a whole document at *path*: the one that is there, or a new one; gives its id.

    A new one gets *id*, which no document may have at another path: that is a ``Conflict``.
    """

    path: Key
    id: Key
    content: Text
    metadata: Json = EMPTY

    def tags(self) -> tuple[str, ...]:
        return (self.tag(_PATHS), self.tag())


@operation("documents", writes=True, idempotent=False)
class Update(Operation[int | None]):
    """Change an existing document; gives its new version, None if it is absent.

    What is None stays. With *expected_version* any other version is a ``Conflict``.
    """

    id: Key
    content: Text | None = None
    metadata: Json | None = None
    expected_version: Count | None = None

    def tags(self) -> tuple[str, ...]:
        return (self.tag(self.id), self.tag())

    def repeatable(self) -> bool:
        return self.expected_version is not None

    def portable(self) -> bool:
        return self.expected_version is None

    async def settle(self, outcome: int | Conflict | None, send: Send) -> int | None:
        if not isinstance(outcome, Conflict):
            return outcome
        found = await send(Read(self.id, fresh=True, scope=self.scope))
        if self.expected_version is None or not self._is_ours(found):
            raise outcome
        return self.expected_version + 1

    def _is_ours(self, found: Document | None) -> bool:
        return (
            found is not None
            and found.version == (self.expected_version or 0) + 1
            and self.content in (None, found.content)
            and self.metadata in (None, Json.of(found.metadata))
        )


@operation("documents", writes=True, idempotent=True)
class Remove(Deletion):
    """Delete one document; tells whether there was one."""

    id: Key

    def tags(self) -> tuple[str, ...]:
        return (self.tag(self.id), self.tag())


@operation("documents")
class Find(Operation[Page[Found]]):
    """Find documents by words, by filter, or all; one page.

    Each word of *text* must occur. Results come by score, or by *order*: ``created_at``,
    ``updated_at``, ``id`` or ``path``.
    """

    text: Text | None = None
    filter: Filter | None = None
    order: Literal["created_at", "updated_at", "id", "path"] | None = None
    descending: bool = False
    cursor: str | None = None
    limit: Count = 10
    fresh: bool = False

    def tags(self) -> tuple[str, ...]:
        return (self.tag(),)

    def portable(self) -> bool:
        return self.cursor is None


@operation("documents")
class ReadMany(BatchOperation[Document | None]):
    """Read several documents by id."""

    ids: tuple[Key, ...]
    fresh: bool = False

    single = Read

    def tags(self) -> tuple[str, ...]:
        return (*(self.tag(id_) for id_ in self.ids), self.tag(_PATHS))

    def singles(self) -> tuple[Read, ...]:
        return tuple(Read(id_, self.fresh, scope=self.scope) for id_ in self.ids)

    @classmethod
    def gather(cls, singles: tuple[Operation[Any], ...]) -> Self:
        reads = cast("tuple[Read, ...]", singles)
        return cls(tuple(one.id for one in reads), reads[0].fresh, scope=reads[0].scope)


@operation("documents", writes=True, idempotent=True)
class WriteMany(BatchOperation[None]):
    """Write several documents; the scope of each item is this one's."""

    items: tuple[Write, ...]

    single = Write

    def tags(self) -> tuple[str, ...]:
        return (*(self.tag(item.id) for item in self.items), self.tag())

    def singles(self) -> tuple[Write, ...]:
        return tuple(
            Write(item.id, item.content, item.metadata, item.path, scope=self.scope)
            for item in self.items
        )

    @classmethod
    def gather(cls, singles: tuple[Operation[Any], ...]) -> Self:
        return cls(cast("tuple[Write, ...]", singles), scope=singles[0].scope)
