"""Queries that the service holds open, so that more can be asked of them."""

from __future__ import annotations

import hashlib
import hmac
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, final

from upstash_vector.core.index_operations import AsyncResumableQueryHandle

from lamina.backends.upstash.failures import reading
from lamina.errors import Invalid, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from upstash_vector.types import QueryResult

    from lamina.backends.upstash.client import Client
    from lamina.domains.vectors import NearestPage
    from lamina.runtime import Runtime

IDLE: Final = 300
"""Seconds after which the service forgets a query of which no more is asked."""

_HELD: Final = 32
_ABANDONED: Final = 10.0


@final
class Resumed:
    """The queries of one index.

    A cursor tells the service's name for a query, sealed with the token for the search that
    began it: no other search, namespace or scope can go on with it, but another process can.
    What a caller has left is forgotten by the service after 300 seconds, or ended here when the
    store closes or holds 32 of them.
    """

    def __init__(self, client: Client, token: str, runtime: Callable[[], Runtime]) -> None:
        self._client = client
        self._key = hashlib.sha256(token.encode()).digest()
        self._runtime = runtime
        self._held: dict[str, float] = {}

    async def begin(
        self, given: dict[str, Any], space: str, where: str, count: int
    ) -> tuple[list[QueryResult], str]:
        """Begin a query; return the nearest, and its name, which is empty if that was all."""
        self._end_abandoned()
        with reading():
            found, handle = await self._client.resumable_query(
                top_k=count,
                filter=where,
                include_metadata=True,
                include_data=True,
                namespace=space,
                max_idle=IDLE,
                **given,
            )
            query = str(handle._uid)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # the SDK tells it nowhere else
        if query:
            self._held[query] = self._runtime().now()
        return found, query

    async def more(self, query: str, count: int) -> list[QueryResult]:
        """Return the next ones, none at the end."""
        self._held.pop(query, None)  # behind those that were used before it
        self._held[query] = self._runtime().now()
        with reading():
            return await self._handle(query).fetch_next(count)

    def end(self, query: str) -> None:
        """Let the service forget a query; nobody waits for that."""
        self._held.pop(query, None)
        if self._runtime().has_room():
            self._runtime().spawn(self._end(query), "end upstash query")

    async def close(self) -> None:
        """Let the service forget those that are left."""
        while self._held:
            query, _ = self._held.popitem()
            if not await self._end(query):
                return

    def cursor(self, op: NearestPage, query: str) -> str:
        """Return a cursor to go on with."""
        return f"{query}.{self._seal(op, query)}"

    def of_cursor(self, op: NearestPage) -> str:
        """Return the query that a cursor stands for.

        Raises:
            Invalid: No page of this search gave it.
        """
        query, _, seal = (op.cursor or "").rpartition(".")
        if not hmac.compare_digest(seal.encode(errors="replace"), self._seal(op, query).encode()):
            msg = "the cursor is none that a page of this search gave"
            raise Invalid(msg)
        return query

    def _seal(self, op: NearestPage, query: str) -> str:
        where = None if op.filter is None else op.filter.key()
        dense = None if op.vector is None else op.vector.data
        sparse = None if op.sparse is None else (op.sparse.indices, op.sparse.values)
        told = repr((query, op.scope, op.namespace, where, dense, sparse, op.text))
        return hmac.new(self._key, told.encode(errors="replace"), hashlib.sha256).hexdigest()

    def _end_abandoned(self) -> None:
        if len(self._held) >= _HELD:
            query, used = next(iter(self._held.items()))
            if used < self._runtime().now() - _ABANDONED:
                self.end(query)

    async def _end(self, query: str) -> bool:
        """Tell whether the service answers; what it has forgotten by itself needs no end."""
        with suppress(StorageError):
            try:
                with reading():
                    await self._handle(query).stop()
            except Invalid:
                return True
            return True
        return False

    def _handle(self, query: str) -> AsyncResumableQueryHandle:
        return AsyncResumableQueryHandle(self._client._execute_request_async, query)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # what the SDK gives it
