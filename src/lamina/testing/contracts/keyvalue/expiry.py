"""A key lives as long as its time to live, to 50 ms, on each kind of read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import pytest

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
    KeyValue,
    Scan,
    Set,
    SetMany,
    TimeToLive,
)
from lamina.errors import Conflict, Invalid
from lamina.testing.contracts.backend import BackendContract, near
from lamina.testing.contracts.punctual import punctual
from lamina.values import Done, Json, Stamped

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lamina.operation import Operation

EXACT: Final = 0.05

_TAKES_FOR_ABSENT: Final[dict[type[Operation[Any]], Callable[[KeyValue], Awaitable[object]]]] = {
    Get: lambda store: store.get("a"),
    GetStamped: lambda store: store.bound.send(GetStamped("a")),
    GetStampedMany: lambda store: store.bound.send(GetStampedMany(("a",))),
    GetMany: lambda store: store.get_many(["a"]),
    Scan: lambda store: store.search(""),
    TimeToLive: lambda store: store.ttl("a"),
    Delete: lambda store: store.delete("a"),
    Expire: lambda store: store.expire("a", 5),
    Increment: lambda store: store.increment("a"),
    Append: lambda store: store.append("b", 1),
    CompareAndSet: lambda store: store.compare_and_set("a", None, b"2"),
}
_ABSENT: Final[dict[type[Operation[Any]], object]] = {
    Get: None,
    GetStamped: Stamped(None),
    GetStampedMany: (Done(Stamped(None)),),
    GetMany: (None,),
    Scan: (),
    TimeToLive: None,
    Delete: False,
    Expire: False,
    Increment: 1,
    Append: 1,
    CompareAndSet: None,
}


class ExpiringKeyValue(BackendContract[KeyValue]):
    """Times to live."""

    @pytest.mark.parametrize("read", list(_ABSENT), ids=lambda op: op.__name__)
    @punctual(EXACT / 2)
    async def test_takes_a_key_for_absent_from_its_expiry_on(
        self, read: type[Operation[Any]]
    ) -> None:
        async with self.opened(Set, read) as store:
            await store.set("a", b"7", ttl=2)
            await store.set("b", b"[7]", ttl=2)
            await self.elapse(2 - EXACT)
            assert await store.get("a") == b"7"
            assert await store.get("b") == b"[7]"
            await self.elapse(2 * EXACT)
            assert await _TAKES_FOR_ABSENT[read](store) == _ABSENT[read]

    @pytest.mark.parametrize("read", list(_ABSENT), ids=lambda op: op.__name__)
    @punctual(EXACT / 2)
    async def test_takes_a_key_for_present_until_its_expiry(
        self, read: type[Operation[Any]]
    ) -> None:
        async with self.opened(Set, read) as store:
            await store.set("a", b"7", ttl=2)
            await store.set("b", b"[7]", ttl=2)
            await self.elapse(2 - EXACT)
            if read is CompareAndSet:
                with pytest.raises(Conflict):
                    await _TAKES_FOR_ABSENT[read](store)
            else:
                assert await _TAKES_FOR_ABSENT[read](store) != _ABSENT[read]

    @punctual(EXACT / 2)
    async def test_tells_how_long_a_key_lives(self) -> None:
        async with self.opened(Set, TimeToLive, Expire) as store:
            await store.set("a", b"1", ttl=100)
            await self.elapse(30)
            assert near(await store.ttl("a"), 70, EXACT)
            assert await store.expire("a", 10) is True
            assert near(await store.ttl("a"), 10, EXACT)
            assert await store.expire("a", None) is True
            assert await store.ttl("a") == math.inf
            assert await store.get("a") == b"1"

    @punctual(EXACT / 2)
    async def test_forgets_the_expiry_when_written_anew(self) -> None:
        async with self.opened(Set, TimeToLive, Get) as store:
            await store.set("a", b"1", ttl=1)
            await store.set("a", b"2")
            await self.elapse(2)
            assert await store.get("a") == b"2"
            assert await store.ttl("a") == math.inf

    @punctual(EXACT / 2)
    async def test_keeps_the_expiry_of_what_it_adds_to(self) -> None:
        async with self.opened(Set, TimeToLive, Append, Increment) as store:
            await store.append("a", 1, ttl=100)
            await store.increment("b", ttl=100)
            await self.elapse(30)
            await store.append("a", 2)
            await store.increment("b")
            assert near(await store.ttl("a"), 70, EXACT)
            assert near(await store.ttl("b"), 70, EXACT)
            await store.append("a", 3, ttl=50)
            await store.increment("b", ttl=50)
            assert near(await store.ttl("a"), 50, EXACT)
            assert near(await store.ttl("b"), 50, EXACT)

    @punctual(EXACT / 2)
    async def test_gives_conditional_writes_and_batches_their_time(self) -> None:
        async with self.opened(SetMany, CompareAndSet, TimeToLive) as store:
            await store.set_many({"a": b"1", "b": b"2"}, ttl=5)
            await store.compare_and_set("c", None, b"3", ttl=5)
            await self.elapse(5 - EXACT)
            assert await store.get_many(["a", "b", "c"]) == (b"1", b"2", b"3")
            await self.elapse(2 * EXACT)
            assert await store.get_many(["a", "b", "c"]) == (None, None, None)

    @punctual(EXACT / 2)
    async def test_honours_a_tiny_and_a_huge_time(self) -> None:
        async with self.opened(Set, Get) as store:
            await store.set("a", b"1", ttl=0.001)
            await store.set("b", b"2", ttl=10 * 365 * 86400.0)
            await self.elapse(EXACT)
            assert await store.get("a") is None
            assert await store.get("b") == b"2"

    @pytest.mark.parametrize("ttl", [0, -1, math.inf, math.nan, True])
    @punctual(EXACT / 2)
    async def test_refuses_a_time_that_is_none(self, ttl: float) -> None:
        async with self.opened(Set, Get) as store:
            with pytest.raises(Invalid):
                await store.set("a", b"1", ttl=ttl)
            with pytest.raises(Invalid):
                await store.bound.send(Append("a", (Json.of(1),), ttl))
            assert await store.get("a") is None
