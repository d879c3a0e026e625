"""Typed methods for documents."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Literal, final, overload

from lamina.backend import Backend
from lamina.domains.store import Facade, every, values_of
from lamina.filters import Filter
from lamina.values import EMPTY, Json, Outcome, Page, check_text, check_type, each_of

if TYPE_CHECKING:
    from lamina.bound import Bound
from lamina.domains.documents.operations import (
    Document,
    Find,
    Found,
    Read,
    ReadAt,
    ReadMany,
    Remove,
    Update,
    Write,
    WriteAt,
    WriteMany,
)


@final
class Documents(Facade):
    """Text with metadata; absent is ``None``, failure raises."""

    def __init__(self, bound: Bound) -> None:
        super().__init__(bound)
        self._read = bound.handler(Read)
        self._write = bound.handler(Write)
        self._remove = bound.handler(Remove)
        self._find = bound.handler(Find)

    def get(self, key: str, /, *, fresh: bool = False) -> Coroutine[Any, Any, Document | None]:
        """Return the document of that id; *fresh* skips the cache and refills it."""
        return self._read(Read(key, fresh, scope=self._scope))

    def by_path(self, path: str, /, *, fresh: bool = False) -> Coroutine[Any, Any, Document | None]:
        """Return the document at *path*."""
        return self.bound.send(ReadAt(path, fresh, scope=self._scope))

    def set(
        self,
        key: str,
        value: str,
        /,
        *,
        metadata: Mapping[str, Any] | None = None,
        path: str | None = None,
    ) -> Coroutine[Any, Any, None]:
        """Store text and metadata under an id, replacing what was there.

        Raises:
            Conflict: Another document has that *path*.
        """
        return self._write(Write(key, value, _json(metadata), path, scope=self._scope))

    def set_at(
        self, path: str, value: str, /, *, metadata: Mapping[str, Any] | None = None
    ) -> Coroutine[Any, Any, str]:
        """Store text and metadata at *path*, in the document there or in a new one; give its id."""
        op = WriteAt(path, token_hex(16), value, _json(metadata), scope=self._scope)
        return self.bound.send(op)

    def update(
        self,
        key: str,
        /,
        *,
        content: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        expected_version: int | None = None,
    ) -> Coroutine[Any, Any, int | None]:
        """Change what is given; return the new version, None if the document is absent.

        Raises:
            Conflict: It has another version than *expected_version*.
        """
        changed = None if metadata is None else Json.of(metadata)
        return self.bound.send(Update(key, content, changed, expected_version, scope=self._scope))

    def delete(self, key: str, /) -> Coroutine[Any, Any, bool]:
        """Delete the document; tell whether it was there."""
        return self._remove(Remove(key, scope=self._scope))

    async def search(
        self,
        query: str,
        /,
        *,
        filter: Filter | None = None,  # noqa: A002  # the domain's word
        order: Literal["created_at", "updated_at", "id", "path"] | None = None,
        descending: bool = False,
        limit: int = 10,
    ) -> tuple[Found, ...]:
        """Return the best *limit* documents that hold every word of *query*, and meet *filter*.

        An empty *query* finds all.
        """
        check_text(query, what="query")
        text = query or None
        op = Find(text, filter, order, descending, None, limit, scope=self._scope)
        return (await self._find(op)).items

    def scan(
        self,
        *,
        filter: Filter | None = None,  # noqa: A002  # the domain's word
        limit: int = 100,
    ) -> AsyncIterator[Document]:
        """Iterate over all documents that meet *filter*, by id, by pages of about *limit*."""

        async def ask(at: str | None) -> Page[Document]:
            op = Find(None, filter, "id", cursor=at, limit=limit, scope=self._scope)
            page = await self._find(op)
            return Page(tuple(found.document for found in page.items), page.next)

        return every(ask)

    @overload
    async def get_many(
        self, keys: Sequence[str], /, *, fresh: bool = False, outcomes: Literal[False] = False
    ) -> tuple[Document | None, ...]: ...
    @overload
    async def get_many(
        self, keys: Sequence[str], /, *, fresh: bool = False, outcomes: Literal[True]
    ) -> tuple[Outcome[Document | None], ...]: ...
    async def get_many(
        self, keys: Sequence[str], /, *, fresh: bool = False, outcomes: bool = False
    ) -> tuple[Document | None, ...] | tuple[Outcome[Document | None], ...]:
        """Return several documents, in the order asked.

        Raises:
            BatchFailed: Some failed; with *outcomes* each is told instead.
        """
        told = await self.bound.send(ReadMany(each_of(keys, what="keys"), fresh, scope=self._scope))
        return told if outcomes else values_of(told)

    async def set_many(
        self, items: Sequence[Write], /, *, outcomes: bool = False
    ) -> tuple[Outcome[None], ...]:
        """Store several documents: ``[Write(id, content, Json.of(metadata)), ...]``.

        Raises:
            BatchFailed: Some failed; with *outcomes* each is told instead.
        """
        writes = each_of(items, what="items")
        for item in writes:
            check_type(item, Write, what="an item")
        told = await self.bound.send(WriteMany(writes, scope=self._scope))
        if not outcomes:
            values_of(told)
        return told


class DocumentsBackend(Backend[Documents]):
    """A backend of the documents domain."""

    batches = (ReadMany, WriteMany)

    def facade(self, bound: Bound) -> Documents:
        return Documents(bound)


def _json(metadata: Mapping[str, Any] | None) -> Json:
    return EMPTY if not metadata else Json.of(metadata)
