"""Typed methods for bytes under a key."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, final, overload

from lamina.backend import Backend
from lamina.domains.store import Facade, every, values_of
from lamina.errors import Invalid
from lamina.values import Json, Outcome, check_mapping, each_of

if TYPE_CHECKING:
    from lamina.bound import Bound
from lamina.domains.keyvalue.makes import Makes
from lamina.domains.keyvalue.operations import (
    Append,
    CompareAndSet,
    Delete,
    Expire,
    Get,
    GetMany,
    GetStampedMany,
    Increment,
    Scan,
    Set,
    SetMany,
    TimeToLive,
)


@final
class KeyValue(Facade):
    """Bytes under keys, with a time to live; absent is ``None``, failure raises."""

    def __init__(self, bound: Bound) -> None:
        super().__init__(bound)
        self._get = bound.handler(Get)
        self._set = bound.handler(Set)
        self._delete = bound.handler(Delete)
        self._scan = bound.handler(Scan)
        self._get_many = bound.handler(GetMany)
        self._set_many = bound.handler(SetMany)
        self._makes = Makes(bound)

    def get(self, key: str, /, *, fresh: bool = False) -> Coroutine[Any, Any, bytes | None]:
        """Return the value; *fresh* skips the cache and refills it."""
        if self._scope:
            return self._get(Get(key, fresh, scope=self._scope))
        return self._get(Get(key, fresh))  # a keyword would double what building it costs

    def set(
        self, key: str, value: bytes, /, *, ttl: float | None = None
    ) -> Coroutine[Any, Any, None]:
        """Store *value* for *ttl* seconds, for ever without."""
        if self._scope:
            return self._set(Set(key, value, ttl, scope=self._scope))
        return self._set(Set(key, value, ttl))  # a keyword would double what building it costs

    def delete(self, key: str, /) -> Coroutine[Any, Any, bool]:
        """Delete the key; tell whether it was there."""
        op = Delete(key, scope=self._scope)
        return self._makes.delete(op) if self._makes.is_busy() else self._delete(op)

    def get_or_set(
        self,
        key: str,
        factory: Callable[[], Awaitable[bytes]],
        /,
        *,
        ttl: float | None = None,
        fresh: bool = False,
    ) -> Coroutine[Any, Any, bytes]:
        """Return the value; if there is none, the one that *factory* makes, stored for *ttl*.

        All who ask this store meanwhile wait for one *factory*; if its caller is cancelled or out
        of time, the next one's is called. It is stored only where there still is no value: one
        written meanwhile stays, with its time to live, and is what is returned. What is deleted
        through this store meanwhile stays deleted. *fresh* skips the cache.

        Raises:
            Invalid: *factory* is no async function, or made no bytes.
            DeadlineExceeded: The caller's deadline came first.
            StorageError: It cannot be read, which never counts as absent; or it was made and could
                not be stored.
        """
        return self._makes.get_or_set(Get(key, fresh, scope=self._scope), factory, ttl)

    async def search(self, query: str, /, *, limit: int = 100) -> tuple[str, ...]:
        """Return one page of the keys that begin with *query*."""
        page = await self._scan(Scan(query, None, limit, scope=self._scope))
        return page.items

    def scan(self, prefix: str = "", *, limit: int = 100) -> AsyncIterator[str]:
        """Iterate over all keys that begin with *prefix*, by pages of about *limit*."""
        return every(lambda at: self._scan(Scan(prefix, at, limit, scope=self._scope)))

    @overload
    async def get_many(
        self, keys: Sequence[str], /, *, fresh: bool = False, outcomes: Literal[False] = False
    ) -> tuple[bytes | None, ...]: ...
    @overload
    async def get_many(
        self, keys: Sequence[str], /, *, fresh: bool = False, outcomes: Literal[True]
    ) -> tuple[Outcome[bytes | None], ...]: ...
    async def get_many(
        self, keys: Sequence[str], /, *, fresh: bool = False, outcomes: bool = False
    ) -> tuple[bytes | None, ...] | tuple[Outcome[bytes | None], ...]:
        """Return several values, in the order asked.

        Raises:
            BatchFailed: Some failed; with *outcomes* each is told instead.
        """
        told = await self._get_many(GetMany(each_of(keys, what="keys"), fresh, scope=self._scope))
        return told if outcomes else values_of(told)

    async def set_many(
        self, items: Mapping[str, bytes], /, *, ttl: float | None = None, outcomes: bool = False
    ) -> tuple[Outcome[None], ...]:
        """Store several values.

        Raises:
            BatchFailed: Some failed; with *outcomes* each is told instead.
        """
        check_mapping(items, what="items")
        told = await self._set_many(SetMany(tuple(items.items()), ttl, scope=self._scope))
        if not outcomes:
            values_of(told)
        return told

    def compare_and_set(
        self, key: str, expect: bytes | None, value: bytes, /, *, ttl: float | None = None
    ) -> Coroutine[Any, Any, None]:
        """Store *value* only if the key holds *expect* (None: only if absent).

        Raises:
            Conflict: It holds something else.
        """
        return self.bound.send(CompareAndSet(key, expect, value, ttl, scope=self._scope))

    def append(
        self,
        key: str,
        item: Any,
        /,
        *,
        ttl: float | None = None,
        keep_last: int | None = None,
        idempotency: str | None = None,
    ) -> Coroutine[Any, Any, int]:
        """Append one JSON *item* to the list under *key*, atomically; return the new length.

        Raises:
            Invalid: What is stored is not a JSON list.
        """
        return self.extend(key, (item,), ttl=ttl, keep_last=keep_last, idempotency=idempotency)

    def extend(
        self,
        key: str,
        items: Sequence[Any],
        /,
        *,
        ttl: float | None = None,
        keep_last: int | None = None,
        idempotency: str | None = None,
    ) -> Coroutine[Any, Any, int]:
        """Append JSON *items* to the list under *key*, all or none; return the new length.

        Raises:
            Invalid: There are no items, or what is stored is not a JSON list.
        """
        given = tuple(Json.of(item) for item in each_of(items, what="items"))
        if not given:
            msg = "there must be at least one item to append"
            raise Invalid(msg)
        return self.bound.send(Append(key, given, ttl, keep_last, idempotency, scope=self._scope))

    def increment(
        self, key: str, by: int = 1, /, *, ttl: float | None = None
    ) -> Coroutine[Any, Any, int]:
        """Add to a counter, atomically; return its new value.

        Raises:
            Invalid: What is stored is not a decimal integer.
        """
        return self.bound.send(Increment(key, by, ttl, scope=self._scope))

    def expire(self, key: str, ttl: float | None, /) -> Coroutine[Any, Any, bool]:
        """Give the key *ttl* more seconds, or none to keep it; tell whether it exists."""
        return self.bound.send(Expire(key, ttl, scope=self._scope))

    def ttl(self, key: str, /) -> Coroutine[Any, Any, float | None]:
        """Return the seconds left: infinity without expiry, None if the key is absent."""
        return self.bound.send(TimeToLive(key, fresh=True, scope=self._scope))


class KeyValueBackend(Backend[KeyValue]):
    """A backend of the key-value domain."""

    batches = (GetMany, GetStampedMany, SetMany)

    def facade(self, bound: Bound) -> KeyValue:
        return KeyValue(bound)
