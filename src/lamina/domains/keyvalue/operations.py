"""The operations on bytes under a key."""

from __future__ import annotations

from typing import Any, Self, cast

from lamina.domains.store import Deletion
from lamina.errors import Conflict
from lamina.operation import BatchOperation, Operation, Send, operation
from lamina.values import Count, Json, Key, Page, Seconds, Stamped


@operation("keyvalue")
class Get(Operation[bytes | None]):
    """Read one value."""

    key: Key
    fresh: bool = False

    def tags(self) -> tuple[str, ...]:
        return (self.tag(self.key),)

    def stamped(self) -> GetStamped:
        return GetStamped(self.key, fresh=self.fresh, scope=self.scope)


@operation("keyvalue")
class GetStamped(Operation[Stamped[bytes | None]]):
    """Read one value and when it expires."""

    key: Key
    fresh: bool = False

    def tags(self) -> tuple[str, ...]:
        return (self.tag(self.key),)


@operation("keyvalue", writes=True, idempotent=True)
class Set(Operation[None]):
    """Write one value; without *ttl* it stays until deleted."""

    key: Key
    value: bytes
    ttl: Seconds | None = None

    def tags(self) -> tuple[str, ...]:
        return (self.tag(self.key), self.tag())


@operation("keyvalue", writes=True, idempotent=True)
class Delete(Deletion):
    """Delete one value; tells whether there was one."""

    key: Key

    def tags(self) -> tuple[str, ...]:
        return (self.tag(self.key), self.tag())


@operation("keyvalue", writes=True, idempotent=True)
class CompareAndSet(Operation[None]):
    """Write *value* only if the key holds *expect* (None: if it is absent), else ``Conflict``."""

    key: Key
    expect: bytes | None
    value: bytes
    ttl: Seconds | None = None

    def tags(self) -> tuple[str, ...]:
        return (self.tag(self.key), self.tag())

    async def settle(self, outcome: Conflict | None, send: Send) -> None:
        if isinstance(outcome, Conflict):
            found = await send(Get(self.key, fresh=True, scope=self.scope))
            if found != self.value:
                raise outcome


@operation("keyvalue", writes=True, idempotent=False)
class Append(Operation[int]):
    """Append *items*, all or none, to the JSON list under the key (absent: empty).

    Gives its new length. *keep_last* drops older items. *ttl* starts anew when given, else
    stays. With an *idempotency* key the same append is carried out once.
    """

    key: Key
    items: tuple[Json, ...]
    ttl: Seconds | None = None
    keep_last: Count | None = None
    idempotency: Key | None = None

    def tags(self) -> tuple[str, ...]:
        return (self.tag(self.key), self.tag())

    def repeatable(self) -> bool:
        return self.idempotency is not None


@operation("keyvalue", writes=True, idempotent=False)
class Increment(Operation[int]):
    """Add *by* to the decimal integer under the key (absent: 0); gives the new value."""

    key: Key
    by: int = 1
    ttl: Seconds | None = None

    def tags(self) -> tuple[str, ...]:
        return (self.tag(self.key), self.tag())


@operation("keyvalue", writes=True, idempotent=True)
class Expire(Operation[bool]):
    """Give an existing key a new *ttl* (None: keep for ever); tells whether it exists."""

    key: Key
    ttl: Seconds | None

    def tags(self) -> tuple[str, ...]:
        return (self.tag(self.key), self.tag())


@operation("keyvalue")
class TimeToLive(Operation[float | None]):
    """Tell the seconds a key has left: infinity without expiry, None if absent.

    It has no tags: the answer changes as time passes, so no cache may keep it.
    """

    key: Key
    fresh: bool = False


@operation("keyvalue")
class Scan(Operation[Page[str]]):
    """List one page of the keys that begin with *prefix*; *limit* is a hint."""

    prefix: str = ""
    cursor: str | None = None
    limit: Count = 100
    fresh: bool = False

    def tags(self) -> tuple[str, ...]:
        return (self.tag(),)

    def portable(self) -> bool:
        return self.cursor is None


@operation("keyvalue")
class GetMany(BatchOperation[bytes | None]):
    """Read several values."""

    keys: tuple[Key, ...]
    fresh: bool = False

    single = Get

    def tags(self) -> tuple[str, ...]:
        return tuple(self.tag(key) for key in self.keys)

    def singles(self) -> tuple[Get, ...]:
        return tuple(Get(key, self.fresh, scope=self.scope) for key in self.keys)

    @classmethod
    def gather(cls, singles: tuple[Operation[Any], ...]) -> Self:
        gets = cast("tuple[Get, ...]", singles)
        return cls(tuple(get.key for get in gets), gets[0].fresh, scope=gets[0].scope)


@operation("keyvalue")
class GetStampedMany(BatchOperation[Stamped[bytes | None]]):
    """Read several values and when each expires."""

    keys: tuple[Key, ...]
    fresh: bool = False

    single = GetStamped

    def tags(self) -> tuple[str, ...]:
        return tuple(self.tag(key) for key in self.keys)

    def singles(self) -> tuple[GetStamped, ...]:
        return tuple(GetStamped(key, self.fresh, scope=self.scope) for key in self.keys)

    @classmethod
    def gather(cls, singles: tuple[Operation[Any], ...]) -> Self:
        gets = cast("tuple[GetStamped, ...]", singles)
        return cls(tuple(get.key for get in gets), gets[0].fresh, scope=gets[0].scope)


@operation("keyvalue", writes=True, idempotent=True)
class SetMany(BatchOperation[None]):
    """Write several values."""

    items: tuple[tuple[Key, bytes], ...]
    ttl: Seconds | None = None

    single = Set

    def tags(self) -> tuple[str, ...]:
        return (*(self.tag(key) for key, _ in self.items), self.tag())

    def singles(self) -> tuple[Set, ...]:
        return tuple(Set(key, value, self.ttl, scope=self.scope) for key, value in self.items)

    @classmethod
    def gather(cls, singles: tuple[Operation[Any], ...]) -> Self:
        sets = cast("tuple[Set, ...]", singles)
        items = tuple((one.key, one.value) for one in sets)
        return cls(items, sets[0].ttl, scope=sets[0].scope)
