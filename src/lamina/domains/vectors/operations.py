"""The operations on records found by nearness, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from lamina.domains.store import Deletion
from lamina.filters import Filter
from lamina.operation import Operation, operation
from lamina.values import EMPTY, Count, Json, Key, Page, SparseVector, Text, Vector


@final
@dataclass(frozen=True, slots=True)
class Record:
    """A stored record; *text* is what it was embedded from, if it was given as text."""

    id: str
    vector: Vector | None
    sparse: SparseVector | None
    text: str | None
    metadata: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Record(id={self.id!r})"


@final
@dataclass(frozen=True, slots=True)
class Match:
    """A record near the query; *score* is higher for nearer, 0 to 1 for dense metrics."""

    id: str
    score: float
    text: str | None
    metadata: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Match(id={self.id!r}, score={self.score:.4f})"


@final
@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What an index holds; *embedder* names what turns text into vectors, None if nothing does."""

    count: int
    dimension: int | None
    metric: str
    embedder: str | None
    search_lag: float = 0.0


@operation("vectors")
class Fetch(Operation[Record | None]):
    """Read one record."""

    id: Key
    namespace: str = ""
    fresh: bool = False

    def tags(self) -> tuple[str, ...]:
        space = f"{self.namespace}\0"  # a delete by filter makes every id of it wrong
        return (self.tag(f"{space}{self.id}"), self.tag(space))


@operation("vectors", writes=True, idempotent=True)
class Upsert(Operation[None]):
    """Write one whole record: a dense or sparse vector, both, or a text to embed."""

    id: Key
    vector: Vector | None = None
    sparse: SparseVector | None = None
    text: Text | None = None
    metadata: Json = EMPTY
    namespace: str = ""

    def tags(self) -> tuple[str, ...]:
        return (self.tag(f"{self.namespace}\0{self.id}"), self.tag())


@operation("vectors", writes=True, idempotent=True)
class Drop(Deletion):
    """Delete one record; tells whether there was one."""

    id: Key
    namespace: str = ""

    def tags(self) -> tuple[str, ...]:
        return (self.tag(f"{self.namespace}\0{self.id}"), self.tag())


@operation("vectors", writes=True, idempotent=True)
class DropWhere(Operation[int]):
    """Delete every record that meets the filter (None: all); tells how many."""

    filter: Filter | None
    namespace: str = ""

    def tags(self) -> tuple[str, ...]:
        return (self.tag(), self.tag(f"{self.namespace}\0"))


@operation("vectors")
class Nearest(Operation[tuple[Match, ...]]):
    """Find the *top_k* records nearest to a vector, a sparse vector, or a text, best first."""

    vector: Vector | None = None
    sparse: SparseVector | None = None
    text: Text | None = None
    top_k: Count = 10
    filter: Filter | None = None
    namespace: str = ""
    fresh: bool = False

    def tags(self) -> tuple[str, ...]:
        return (self.tag(),)


@operation("vectors")
class NearestPage(Operation[Page[Match]]):
    """Find all records that meet *filter*, nearest first, one page; *limit* is a hint.

    Writes between two pages may hide or repeat records. The cursor may stand for something that
    the service holds, which asking moves on: with one it is not repeated, and no cache keeps it.
    """

    vector: Vector | None = None
    sparse: SparseVector | None = None
    text: Text | None = None
    filter: Filter | None = None
    namespace: str = ""
    cursor: str | None = None
    limit: Count = 100

    def repeatable(self) -> bool:
        return self.cursor is None

    def portable(self) -> bool:
        return self.cursor is None


@operation("vectors")
class Namespaces(Operation[tuple[str, ...]]):
    """List the namespaces that hold records, sorted."""

    fresh: bool = False

    def tags(self) -> tuple[str, ...]:
        return (self.tag(),)


@operation("vectors")
class Info(Operation[IndexInfo]):
    """Describe one namespace's index."""

    namespace: str = ""
    fresh: bool = False

    def tags(self) -> tuple[str, ...]:
        return (self.tag(),)


@operation("vectors")
class ListIds(Operation[Page[str]]):
    """List one page of the ids that begin with *prefix*; *limit* is a hint."""

    prefix: str = ""
    cursor: str | None = None
    limit: Count = 100
    namespace: str = ""
    fresh: bool = False

    def tags(self) -> tuple[str, ...]:
        return (self.tag(),)

    def portable(self) -> bool:
        return self.cursor is None
