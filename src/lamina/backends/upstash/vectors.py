"""Vectors in an index of Upstash Vector."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Final, final

from lamina.backend import serves
from lamina.backends.upstash import listing
from lamina.backends.upstash.answers import record_of
from lamina.backends.upstash.client import Client
from lamina.backends.upstash.failures import FAILURES, reading
from lamina.backends.upstash.finding import Search
from lamina.backends.upstash.finding_many import nearest_many
from lamina.backends.upstash.kinds import Facts, facts_of
from lamina.backends.upstash.names import name_of
from lamina.backends.upstash.resuming import Resumed
from lamina.backends.upstash.writing import NUMBERS, write_each, write_one
from lamina.capabilities import Capabilities, Serves
from lamina.domains.store import Check
from lamina.domains.vectors import (
    Drop,
    DropWhere,
    Fetch,
    FetchMany,
    IndexInfo,
    Info,
    ListIds,
    Match,
    Namespaces,
    Nearest,
    NearestMany,
    NearestPage,
    Record,
    Upsert,
    UpsertMany,
    VectorsBackend,
)
from lamina.errors import Closed, StackError
from lamina.values import Done, Outcome, Page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from upstash_vector.types import InfoResult

_MOST: Final = 1_000
_LEAST: Final = 25
_CLOSING: Final = 1.0


@final
class UpstashVectors(VectorsBackend):
    """Records in the index at *url*, whatever its kind; text is embedded if it has a model.

    The *token* must be that of the index, and be allowed to write. A search may miss what was
    written less than *search_lag* seconds ago: the service promises no number; its own tests
    wait up to 5 seconds. Reads, lists and deletes by id see every write at once. *timeout* and
    *connect_timeout* in seconds bound each wait, *connections* how many there are at most.

    Raises:
        StackError: An option is wrong.
    """

    name = "upstash"
    needs_open = True

    def __init__(
        self,
        url: str,
        token: str,
        *,
        search_lag: float = 5.0,
        timeout: float = 10.0,
        connect_timeout: float = 5.0,
        connections: int = 20,
    ) -> None:
        if not 0 <= search_lag < math.inf:
            msg = f"search_lag must be at least 0 and finite, got {search_lag!r}"
            raise StackError(msg)
        self.search_lag = search_lag
        self._client = Client(
            url,
            token,
            timeout=timeout,
            connect_timeout=connect_timeout,
            connections=connections,
        )
        self._resumed = Resumed(self._client, token, lambda: self.runtime)
        self._search = Search(self._client, self._resumed)
        self._known: Facts | None = None

    def capabilities(self) -> Capabilities:
        """Return what it serves; searches tell how late they find what was written, in seconds."""
        served = super().capabilities()
        made = dict(served)
        for op in (Nearest, NearestMany, NearestPage):
            limits = {**served[op].limits, "search_lag": self.search_lag}
            made[op] = Serves(served[op].features, limits)
        return Capabilities(made)

    async def open(self) -> None:
        """Connect, and see what kind of index it is.

        Raises:
            StorageError: It cannot be reached, refuses the token, or is none.
        """
        self._client.wall = self.runtime.wall
        with reading():
            self._learn(await self._client.open())

    async def close(self) -> None:
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSING):
                    await self._resumed.close()
        finally:
            await self._client.close()

    @serves(Fetch)
    async def fetch(self, op: Fetch) -> Record | None:
        (found,) = await self._read([op.id], name_of(op.scope, op.namespace))
        return found

    @serves(FetchMany)
    async def fetch_many(self, op: FetchMany) -> tuple[Outcome[Record | None], ...]:
        space, ids = name_of(op.scope, op.namespace), [*dict.fromkeys(op.ids)]
        size = min(_MOST, max(_LEAST, NUMBERS // (self._facts.dimension or 1)))
        found: dict[str, Record | None] = {}
        for start in range(0, len(ids), size):
            part = ids[start : start + size]
            found |= zip(part, await self._read(part, space), strict=True)
        return tuple(Done(found[id_]) for id_ in op.ids)

    @serves(Upsert, "dense", "sparse", "text")
    async def upsert(self, op: Upsert) -> None:
        await write_one(self._client, self._facts, op)

    @serves(UpsertMany)
    async def upsert_many(self, op: UpsertMany) -> tuple[Outcome[None], ...]:
        return await write_each(self._client, self._facts, op.singles())

    @serves(Drop)
    async def drop(self, op: Drop) -> bool:
        with reading():
            told = await self._client.delete([op.id], name_of(op.scope, op.namespace))
            return told.deleted > 0

    @serves(DropWhere)
    async def drop_where(self, op: DropWhere) -> int:
        return await listing.drop_where(self._client, op)

    @serves(Nearest, "dense", "sparse", "text", "filter")
    async def nearest(self, op: Nearest) -> tuple[Match, ...]:
        return await self._search.nearest(self._facts, op)

    @serves(NearestMany)
    async def nearest_many(self, op: NearestMany) -> tuple[Outcome[tuple[Match, ...]], ...]:
        return await nearest_many(self._client, self._search, self._facts, op, self.runtime)

    @serves(NearestPage)
    async def nearest_page(self, op: NearestPage) -> Page[Match]:
        return await self._search.page(self._facts, op)

    @serves(Namespaces)
    async def namespaces(self, op: Namespaces) -> tuple[str, ...]:
        return await listing.namespaces(self._client, op.scope)

    @serves(Info)
    async def info(self, op: Info) -> IndexInfo:
        space = name_of(op.scope, op.namespace)
        with reading():
            told = await self._client.info()
            facts = self._learn(told)
            held = told.namespaces.get(space)
            count = 0 if held is None else held.vector_count + held.pending_vector_count
        return IndexInfo(count, facts.dimension, facts.metric, facts.embedder, self.search_lag)

    @serves(ListIds)
    async def list_ids(self, op: ListIds) -> Page[str]:
        return await listing.list_ids(self._client, op)

    @serves(Check)
    async def check(self, op: Check) -> None:
        del op
        with reading():
            self._learn(await self._client.info())

    @property
    def _facts(self) -> Facts:
        if self._known is None:
            msg = "upstash is not open"
            raise Closed(msg)
        return self._known

    def _learn(self, told: InfoResult) -> Facts:
        self._known = facts_of(told)
        return self._known

    async def _read(self, ids: Sequence[str], space: str) -> list[Record | None]:
        with reading():
            found = await self._client.fetch(
                [*ids],
                include_vectors=True,
                include_metadata=True,
                include_data=True,
                namespace=space,
            )
            records = [None if one is None else record_of(one) for one in found]
        if len(records) != len(ids) or any(
            one is not None and one.id != id_ for one, id_ in zip(records, ids, strict=True)
        ):
            raise FAILURES["no json"].error()
        return records
