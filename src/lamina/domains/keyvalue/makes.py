"""Values that their first reader makes, once for all who ask meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, final

from lamina.domains.keyvalue.operations import CompareAndSet, Delete, Get
from lamina.errors import Conflict, StorageError
from lamina.hooks import begun, check_factory
from lamina.once import Once, in_time
from lamina.values import check_positive

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lamina.bound import Bound, Sends
    from lamina.once import Making

_TRIES: Final = 3
"""How often a value is stored that is always found there already and then gone again."""


@final
class Makes:
    """What ``KeyValue.get_or_set`` is making now, by tenant and key."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound
        self._get = bound.handler(Get)
        self._delete = bound.handler(Delete)
        self._once: Once[bytes] = Once("keyvalue")
        self._storing: dict[tuple[str, str], list[asyncio.Future[None]]] = {}

    def is_busy(self) -> bool:
        """Tell whether anything is being made or stored, which deletions have to mind."""
        return bool(self._once or self._storing)

    async def get_or_set(
        self, op: Get, factory: Callable[[], Awaitable[bytes]], ttl: float | None
    ) -> bytes:
        """Return the value there, or the one that is made and stored now."""
        if ttl is not None:
            check_positive(ttl, what="ttl")
        check_factory(factory)
        seen = self._once.ended
        found = await self._get(op)
        if found is not None:
            return found

        async def make(making: Making[bytes]) -> bytes:
            return await self._make(op, factory, ttl, making, sure=seen == self._once.ended)

        try:
            made, _ = await self._once.make((op.scope, op.key), make)
        except StorageError as error:
            if error.brief is None:
                error.brief, error.backend = op.brief(), self._bound.backend
            raise
        return made

    async def delete(self, op: Delete) -> bool:
        """Delete what is there, and what is being stored; what is made till then is not stored."""
        where = op.scope, op.key
        self._once.outdate(where)
        storing = self._storing.get(where)
        if storing:
            await in_time(asyncio.wait(tuple(storing)), "keyvalue")
        try:
            return await self._delete(op)
        finally:
            self._once.outdate(where)

    async def _make(
        self,
        op: Get,
        factory: Callable[[], Awaitable[bytes]],
        ttl: float | None,
        making: Making[bytes],
        *,
        sure: bool,
    ) -> bytes:
        """Make and store one value; closing waits for it. *sure* tells that it is absent still."""
        key, scope = op.key, op.scope
        with self._bound.holding() as send:
            found = None if sure else await send(Get(key, fresh=True, scope=scope))
            if found is not None:
                return found
            if CompareAndSet not in self._bound.capabilities:
                await send(CompareAndSet(key, None, b"", ttl, scope=scope))  # says why it cannot
            made = await in_time(begun(factory), "keyvalue")
            store = CompareAndSet(key, None, made, ttl, scope=scope)
            return made if making.outdated else await self._store(store, send)

    async def _store(self, store: CompareAndSet, send: Sends) -> bytes:
        """Store a value where there is none, for deletions to see; return what is there then."""
        where, ended = (store.scope, store.key), asyncio.get_running_loop().create_future()
        storing = self._storing.setdefault(where, [])
        storing.append(ended)
        try:
            return await _stored(store, send)
        finally:
            ended.set_result(None)
            storing.remove(ended)
            if not storing:
                del self._storing[where]


async def _stored(store: CompareAndSet, send: Sends) -> bytes:
    """Store a value where there is none; return it, or the one that is there."""
    tries = 0
    while True:
        tries += 1
        try:
            await send(store)
        except Conflict:
            found = await send(Get(store.key, fresh=True, scope=store.scope))
            if found is not None:
                return found
            if tries == _TRIES:
                raise
        else:
            return store.value
