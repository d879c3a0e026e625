"""Typed methods for records found by nearness."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, final, overload

from lamina.backend import Backend
from lamina.domains.store import Facade, every, values_of
from lamina.filters import Filter
from lamina.values import EMPTY, Json, Outcome, Page, SparseVector, Vector, check_type, each_of

if TYPE_CHECKING:
    from lamina.bound import Bound
from lamina.domains.vectors.batches import FetchMany, NearestMany, UpsertMany
from lamina.domains.vectors.operations import (
    Drop,
    DropWhere,
    Fetch,
    IndexInfo,
    Info,
    ListIds,
    Match,
    Namespaces,
    Nearest,
    NearestPage,
    Record,
    Upsert,
)

Given: TypeAlias = str | Vector | SparseVector | tuple[Vector, SparseVector]


@final
class Vectors(Facade):
    """Records found by nearness; text is embedded by the backend."""

    def __init__(self, bound: Bound) -> None:
        super().__init__(bound)
        self._fetch = bound.handler(Fetch)
        self._upsert = bound.handler(Upsert)
        self._drop = bound.handler(Drop)
        self._nearest = bound.handler(Nearest)

    def get(
        self, key: str, /, *, namespace: str = "", fresh: bool = False
    ) -> Coroutine[Any, Any, Record | None]:
        """Return the record of that id; *fresh* skips the cache and refills it."""
        return self._fetch(Fetch(key, namespace, fresh, scope=self._scope))

    def set(
        self,
        key: str,
        value: Given,
        /,
        *,
        metadata: Mapping[str, Any] | None = None,
        namespace: str = "",
    ) -> Coroutine[Any, Any, None]:
        """Store a text, which the backend embeds, a vector or a pair; replaces the whole record."""
        data = Json.of(metadata) if metadata else EMPTY
        dense, sparse, text = _given(value)
        return self._upsert(Upsert(key, dense, sparse, text, data, namespace, scope=self._scope))

    def delete(self, key: str, /, *, namespace: str = "") -> Coroutine[Any, Any, bool]:
        """Delete the record; tell whether it was there."""
        return self._drop(Drop(key, namespace, scope=self._scope))

    def delete_where(
        self,
        filter: Filter | None,  # noqa: A002  # the domain's word
        /,
        *,
        namespace: str = "",
    ) -> Coroutine[Any, Any, int]:
        """Delete every record that meets *filter* (None: all); tell how many."""
        return self.bound.send(DropWhere(filter, namespace, scope=self._scope))

    def search(
        self,
        query: Given,
        /,
        *,
        top_k: int = 10,
        filter: Filter | None = None,  # noqa: A002  # the domain's word
        namespace: str = "",
        fresh: bool = False,
    ) -> Coroutine[Any, Any, tuple[Match, ...]]:
        """Return the *top_k* records nearest to *query*, best first.

        It is a text, a dense or a sparse vector, or on a hybrid index a pair of them.
        """
        dense, sparse, text = _given(query)
        return self._nearest(
            Nearest(dense, sparse, text, top_k, filter, namespace, fresh, scope=self._scope)
        )

    @overload
    async def search_many(
        self,
        queries: Sequence[Given],
        /,
        *,
        top_k: int = 10,
        filter: Filter | None = None,
        namespace: str = "",
        fresh: bool = False,
        outcomes: Literal[False] = False,
    ) -> tuple[tuple[Match, ...], ...]: ...
    @overload
    async def search_many(
        self,
        queries: Sequence[Given],
        /,
        *,
        top_k: int = 10,
        filter: Filter | None = None,
        namespace: str = "",
        fresh: bool = False,
        outcomes: Literal[True],
    ) -> tuple[Outcome[tuple[Match, ...]], ...]: ...
    async def search_many(
        self,
        queries: Sequence[Given],
        /,
        *,
        top_k: int = 10,
        filter: Filter | None = None,  # noqa: A002  # the domain's word
        namespace: str = "",
        fresh: bool = False,
        outcomes: bool = False,
    ) -> tuple[tuple[Match, ...], ...] | tuple[Outcome[tuple[Match, ...]], ...]:
        """Return the *top_k* records nearest to each of several queries, in the order asked.

        Raises:
            BatchFailed: Some failed; with *outcomes* each is told instead.
        """
        wanted = tuple(
            Nearest(*_given(query), top_k, filter) for query in each_of(queries, what="queries")
        )
        told = await self.bound.send(NearestMany(wanted, namespace, fresh, scope=self._scope))
        return told if outcomes else values_of(told)

    def matches(
        self,
        query: Given,
        /,
        *,
        filter: Filter | None = None,  # noqa: A002  # the domain's word
        namespace: str = "",
        limit: int = 100,
    ) -> AsyncIterator[Match]:
        """Iterate over all records, nearest to *query* first, by pages of about *limit*."""
        dense, sparse, text = _given(query)

        def ask(at: str | None) -> Coroutine[Any, Any, Page[Match]]:
            op = NearestPage(dense, sparse, text, filter, namespace, at, limit, scope=self._scope)
            return self.bound.send(op)

        return every(ask)

    def scan(
        self, prefix: str = "", *, namespace: str = "", limit: int = 100
    ) -> AsyncIterator[str]:
        """Iterate over all ids that begin with *prefix*, by pages of about *limit*."""
        return every(
            lambda at: self.bound.send(ListIds(prefix, at, limit, namespace, scope=self._scope))
        )

    def namespaces(self) -> Coroutine[Any, Any, tuple[str, ...]]:
        """Return the namespaces that hold records, sorted."""
        return self.bound.send(Namespaces(scope=self._scope))

    def info(self, *, namespace: str = "") -> Coroutine[Any, Any, IndexInfo]:
        """Return how many records there are, their dimension, metric and embedder."""
        return self.bound.send(Info(namespace, scope=self._scope))

    @overload
    async def get_many(
        self, keys: Sequence[str], /, *, namespace: str = "", outcomes: Literal[False] = False
    ) -> tuple[Record | None, ...]: ...
    @overload
    async def get_many(
        self, keys: Sequence[str], /, *, namespace: str = "", outcomes: Literal[True]
    ) -> tuple[Outcome[Record | None], ...]: ...
    async def get_many(
        self, keys: Sequence[str], /, *, namespace: str = "", outcomes: bool = False
    ) -> tuple[Record | None, ...] | tuple[Outcome[Record | None], ...]:
        """Return several records of one namespace, in the order asked.

        Raises:
            BatchFailed: Some failed; with *outcomes* each is told instead.
        """
        ids = each_of(keys, what="keys")
        told = await self.bound.send(FetchMany(ids, namespace, scope=self._scope))
        return told if outcomes else values_of(told)

    async def set_many(
        self, items: Sequence[Upsert], /, *, outcomes: bool = False
    ) -> tuple[Outcome[None], ...]:
        """Store several records: ``[Upsert(id, text=...), ...]``.

        Raises:
            BatchFailed: Some failed; with *outcomes* each is told instead.
        """
        upserts = each_of(items, what="items")
        for item in upserts:
            check_type(item, Upsert, what="an item")
        told = await self.bound.send(UpsertMany(upserts, scope=self._scope))
        if not outcomes:
            values_of(told)
        return told


class VectorsBackend(Backend[Vectors]):
    """A backend of the vectors domain."""

    batches = (FetchMany, NearestMany, UpsertMany)

    def facade(self, bound: Bound) -> Vectors:
        return Vectors(bound)


def _given(value: Given) -> tuple[Vector | None, SparseVector | None, str | None]:
    if isinstance(value, Vector):
        return value, None, None
    if isinstance(value, SparseVector):
        return None, value, None
    if isinstance(value, tuple) and len(value) == 2:
        return value[0], value[1], None
    return None, None, value
