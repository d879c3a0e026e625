"""Key-value in a dict."""

from __future__ import annotations

import heapq
import math
from typing import Final, TypeAlias, final

from lamina.backend import serves
from lamina.domains.keyvalue import (
    Append,
    CompareAndSet,
    Delete,
    Expire,
    Get,
    GetMany,
    GetStamped,
    GetStampedMany,
    Increment,
    KeyValueBackend,
    Scan,
    Set,
    SetMany,
    TimeToLive,
)
from lamina.domains.lists import appended, counted
from lamina.domains.store import Check
from lamina.errors import Conflict
from lamina.values import Done, Outcome, Page, Stamped

Key: TypeAlias = tuple[str, str]
_KEPT_APPENDS: Final = 10_000


@final
class MemoryKeyValue(KeyValueBackend):
    """Values in this process; keys expire when they are read or overwritten."""

    name = "memory"

    def __init__(self) -> None:
        self._values: dict[Key, tuple[bytes, float]] = {}
        self._appends: dict[tuple[str, str, str], int] = {}

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        found = self._values.get((op.scope, op.key))
        if found is None:
            return None
        value, expires = found
        return value if expires == math.inf or self._alive((op.scope, op.key), expires) else None

    @serves(GetStamped)
    async def get_stamped(self, op: GetStamped) -> Stamped[bytes | None]:
        return _stamped(self._found((op.scope, op.key)))

    @serves(Set)
    async def set(self, op: Set) -> None:
        self._put((op.scope, op.key), op.value, op.ttl)

    @serves(Delete)
    async def delete(self, op: Delete) -> bool:
        key = (op.scope, op.key)
        return self._found(key) is not None and self._values.pop(key, None) is not None

    @serves(GetMany)
    async def get_many(self, op: GetMany) -> tuple[Outcome[bytes | None], ...]:
        found = (self._found((op.scope, key)) for key in op.keys)
        return tuple(Done(None if one is None else one[0]) for one in found)

    @serves(GetStampedMany)
    async def get_stamped_many(
        self, op: GetStampedMany
    ) -> tuple[Outcome[Stamped[bytes | None]], ...]:
        found = (self._found((op.scope, key)) for key in op.keys)
        return tuple(Done(_stamped(one)) for one in found)

    @serves(SetMany)
    async def set_many(self, op: SetMany) -> tuple[Outcome[None], ...]:
        for key, value in op.items:
            self._put((op.scope, key), value, op.ttl)
        return (Done(None),) * len(op.items)

    @serves(CompareAndSet)
    async def compare_and_set(self, op: CompareAndSet) -> None:
        found = self._found((op.scope, op.key))
        if (None if found is None else found[0]) != op.expect:
            msg = "the key holds another value than expected"
            raise Conflict(msg)
        self._put((op.scope, op.key), op.value, op.ttl)

    @serves(Append, "idempotency")
    async def append(self, op: Append) -> int:
        once = (op.scope, op.key, op.idempotency or "")
        if op.idempotency and once in self._appends:
            return self._appends[once]
        found = self._found((op.scope, op.key))
        data, length = appended(found[0] if found else None, op.items, op.keep_last)
        self._replace((op.scope, op.key), data, op.ttl)
        if op.idempotency:
            self._appends[once] = length
            if len(self._appends) > _KEPT_APPENDS:
                del self._appends[next(iter(self._appends))]
        return length

    @serves(Increment)
    async def increment(self, op: Increment) -> int:
        found = self._found((op.scope, op.key))
        value = counted(found[0] if found else None, op.by)
        self._replace((op.scope, op.key), str(value).encode(), op.ttl)
        return value

    @serves(Expire)
    async def expire(self, op: Expire) -> bool:
        found = self._found((op.scope, op.key))
        if found is None:
            return False
        self._put((op.scope, op.key), found[0], op.ttl)
        return True

    @serves(TimeToLive)
    async def time_to_live(self, op: TimeToLive) -> float | None:
        found = self._found((op.scope, op.key))
        return None if found is None else found[1] - self.runtime.wall()

    @serves(Scan, "ordered", "unique")
    async def scan(self, op: Scan) -> Page[str]:
        after = op.cursor or ""
        matching = (
            key
            for scope, key in list(self._values)
            if scope == op.scope
            and key > after
            and key.startswith(op.prefix)
            and self._found((scope, key)) is not None
        )
        keys = heapq.nsmallest(op.limit, matching)
        return Page(tuple(keys), keys[-1] if len(keys) == op.limit else None)

    @serves(Check)
    async def check(self, op: Check) -> None:
        del op

    def _found(self, key: Key) -> tuple[bytes, float] | None:
        found = self._values.get(key)
        return found if found is not None and self._alive(key, found[1]) else None

    def _alive(self, key: Key, expires: float) -> bool:
        if expires == math.inf or self.runtime.wall() < expires:
            return True
        del self._values[key]
        return False

    def _put(self, key: Key, value: bytes, ttl: float | None) -> None:
        expires = math.inf if ttl is None else self.runtime.wall() + ttl
        self._values[key] = (value, expires)

    def _replace(self, key: Key, value: bytes, ttl: float | None) -> None:
        """Write, and leave the expiry as it is unless *ttl* is given."""
        found = self._values.get(key)
        if ttl is not None or found is None:
            self._put(key, value, ttl)
        else:
            self._values[key] = (value, found[1])


def _stamped(found: tuple[bytes, float] | None) -> Stamped[bytes | None]:
    if found is None:
        return Stamped(None)
    return Stamped(found[0], None if found[1] == math.inf else found[1])
