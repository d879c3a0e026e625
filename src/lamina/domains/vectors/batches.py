"""The operations on many records at once."""

from __future__ import annotations

from typing import Any, Self, cast

from lamina.domains.vectors.operations import Fetch, Match, Nearest, Record, Upsert
from lamina.operation import BatchOperation, Operation, operation
from lamina.values import Key


@operation("vectors")
class FetchMany(BatchOperation[Record | None]):
    """Read several records of one namespace."""

    ids: tuple[Key, ...]
    namespace: str = ""
    fresh: bool = False

    single = Fetch

    def tags(self) -> tuple[str, ...]:
        space = f"{self.namespace}\0"
        return (*(self.tag(f"{space}{id_}") for id_ in self.ids), self.tag(space))

    def singles(self) -> tuple[Fetch, ...]:
        return tuple(Fetch(i, self.namespace, self.fresh, scope=self.scope) for i in self.ids)

    @classmethod
    def gather(cls, singles: tuple[Operation[Any], ...]) -> Self:
        ones = cast("tuple[Fetch, ...]", singles)
        ids = tuple(one.id for one in ones)
        return cls(ids, ones[0].namespace, ones[0].fresh, scope=ones[0].scope)


@operation("vectors")
class NearestMany(BatchOperation[tuple[Match, ...]]):
    """Search one namespace for what is nearest to each of several queries.

    Vector or text, filter and ``top_k`` are each query's own; the namespace, ``fresh`` and the
    scope of all are this one's, whatever theirs.
    """

    queries: tuple[Nearest, ...]
    namespace: str = ""
    fresh: bool = False

    single = Nearest

    def tags(self) -> tuple[str, ...]:
        return (self.tag(),)

    def singles(self) -> tuple[Nearest, ...]:
        return tuple(
            Nearest(
                query.vector,
                query.sparse,
                query.text,
                query.top_k,
                query.filter,
                self.namespace,
                self.fresh,
                scope=self.scope,
            )
            for query in self.queries
        )

    @classmethod
    def gather(cls, singles: tuple[Operation[Any], ...]) -> Self:
        ones = cast("tuple[Nearest, ...]", singles)
        return cls(ones, ones[0].namespace, ones[0].fresh, scope=ones[0].scope)


@operation("vectors", writes=True, idempotent=True)
class UpsertMany(BatchOperation[None]):
    """Write several records; the scope of each item is this one's."""

    items: tuple[Upsert, ...]

    single = Upsert

    def tags(self) -> tuple[str, ...]:
        keys = (self.tag(f"{item.namespace}\0{item.id}") for item in self.items)
        return (*keys, self.tag())

    def singles(self) -> tuple[Upsert, ...]:
        return tuple(
            Upsert(
                item.id,
                item.vector,
                item.sparse,
                item.text,
                item.metadata,
                item.namespace,
                scope=self.scope,
            )
            for item in self.items
        )

    @classmethod
    def gather(cls, singles: tuple[Operation[Any], ...]) -> Self:
        return cls(cast("tuple[Upsert, ...]", singles), scope=singles[0].scope)
