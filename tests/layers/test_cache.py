from __future__ import annotations

import asyncio
from collections import deque

import pytest
from cache_backend import Slow, cache_of, settled

from lamina.backend import serves
from lamina.backends.memory import MemoryKeyValue
from lamina.context import Call, call, current
from lamina.domains.keyvalue import (
    CompareAndSet,
    Get,
    GetStamped,
    KeyValueBackend,
    Scan,
    TimeToLive,
)
from lamina.domains.media import Sign
from lamina.domains.store import Check
from lamina.errors import Brief, Conflict, Invalid, StackError, TimedOut, Unavailable
from lamina.layers.cache import Cache
from lamina.layers.retry import Retry
from lamina.stack import Stack


class Condition(Slow):
    @serves(CompareAndSet)
    async def compare_and_set(self, op: CompareAndSet) -> None:
        await asyncio.sleep(1)
        await self.pause(op)


async def test_second_read_does_not_ask_below() -> None:
    backend = Slow()
    store = Stack(Cache()).over(backend)
    await store.set("a", b"1")

    assert [await store.get("a"), await store.get("a")] == [b"1", b"1"]

    assert [type(op).__name__ for op in backend.calls] == ["Set", "Get"]
    stats = cache_of(store).stats()
    assert (stats.hits, stats.misses, stats.stored, stats.size) == (1, 1, 1, 1)


async def test_write_makes_its_key_and_listings_wrong_but_no_other_key() -> None:
    backend = Slow(0)
    store = Stack(Cache()).over(backend)
    await store.set("a", b"1")
    await store.set("b", b"1")
    for _ in range(2):
        await store.get("a")
        await store.get("b")
        await store.search("")
    backend.calls.clear()

    await store.set("a", b"2")

    assert await store.get("a") == b"2"
    assert await store.get("b") == b"1"
    assert await store.search("") == ("a", "b")
    assert [type(op).__name__ for op in backend.calls] == ["Set", "Get", "Scan"]


async def test_failed_write_forgets_and_a_doubtful_one_is_not_trusted_for_a_while() -> None:
    backend = Slow(0)
    store = Stack(Cache(doubt=5)).over(backend)
    await store.set("a", b"1")
    await store.get("a")
    backend.script = deque([TimedOut("no answer")])

    with pytest.raises(TimedOut):
        await store.set("a", b"2")

    backend.calls.clear()
    for _ in range(3):
        await store.get("a")
    assert len(backend.calls) == 3
    await asyncio.sleep(5)
    for _ in range(3):
        await store.get("a")
    assert len(backend.calls) == 4


@pytest.mark.parametrize("error", [Invalid("too big"), Conflict("other value")])
async def test_write_that_was_surely_not_carried_out_leaves_no_doubt(error: Exception) -> None:
    backend = Slow(0, deque([error]))
    store = Stack(Cache()).over(backend)

    with pytest.raises(type(error)):
        await store.set("a", b"2")

    await store.get("a")
    await store.get("a")
    assert len(backend.calls) == 2


async def test_conflict_after_an_attempt_without_an_answer_leaves_doubt() -> None:
    backend = Condition(0, deque([TimedOut("late"), Conflict("other value")]))
    store = Stack(Cache(doubt=5), Retry()).over(backend)
    with pytest.raises(Conflict):
        await store.compare_and_set("a", b"1", b"2")  # the first attempt may still arrive

    backend.calls.clear()
    for _ in range(3):
        await store.get("a")
    assert len(backend.calls) == 3


async def test_conflict_after_an_attempt_without_an_answer_keeps_a_key_out_of_the_second_tier() -> (
    None
):
    backend = Condition(0, deque([TimedOut("late"), Conflict("other value")]))
    backend.values["", "a"] = b"0"
    l2 = Stack().over(MemoryKeyValue())
    stack = Stack(Cache(doubt=5, l2=l2, l2_namespace="x"), Retry())
    writer, reader = stack.over(backend), stack.over(backend)
    with pytest.raises(Conflict):
        await writer.compare_and_set("a", b"1", b"2")

    await asyncio.sleep(4)  # more than the doubt since it began, less than since it ended
    await reader.get("a")
    await asyncio.sleep(0.01)
    second = cache_of(reader).stats().second
    assert second is not None
    assert second.stored == 0


async def test_cancelled_write_leaves_doubt() -> None:
    backend = Slow(1)
    store = Stack(Cache(doubt=5)).over(backend)
    await store.get("a")
    writing = asyncio.ensure_future(store.set("a", b"2"))
    await asyncio.sleep(0.5)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing

    backend.calls.clear()
    await store.get("a")
    await store.get("a")
    assert len(backend.calls) == 2


async def test_fresh_read_asks_below_and_refills() -> None:
    backend = Slow(0)
    store = Stack(Cache()).over(backend)
    await store.set("a", b"1")
    await store.get("a")
    backend.values["", "a"] = b"2"  # by another process

    assert await store.get("a") == b"1"
    assert await store.get("a", fresh=True) == b"2"
    assert await store.get("a") == b"2"


async def test_slow_older_fill_does_not_replace_a_fresh_answer() -> None:
    backend = Slow(0, deque([10.0, 1.0]))
    store = Stack(Cache()).over(backend)
    backend.values["", "a"] = b"1"
    older = asyncio.ensure_future(store.get("a"))
    await settled()
    backend.values["", "a"] = b"2"  # by another process

    assert await store.get("a", fresh=True) == b"2"
    assert await older == b"1"

    assert await store.get("a") == b"2"


async def test_errors_are_not_kept() -> None:
    backend = Slow(0, deque([Unavailable("down")]))
    store = Stack(Cache()).over(backend)
    backend.values["", "a"] = b"1"

    with pytest.raises(Unavailable):
        await store.get("a")

    assert await store.get("a") == b"1"


async def test_degraded_answer_is_told_but_not_kept() -> None:
    class Degraded(Slow):
        async def pause(self, op: object) -> None:
            await super().pause(op)
            call = current.get()
            assert call is not None
            call.degraded.append(Brief("Get", "keyvalue", "a"))

    backend = Degraded(1)
    store = Stack(Cache()).over(backend)
    told = Call(), Call()

    async def read(call: Call) -> None:
        current.set(call)
        await store.get("a")

    await asyncio.gather(*map(read, told))  # the first asks, the second waits for it
    await store.get_many(["a"])
    await store.get("a")

    assert [len(call.degraded) for call in told] == [1, 1]
    assert len(backend.calls) == 3
    assert cache_of(store).stats().stored == 0


async def test_what_is_below_sees_the_deadline_of_who_asks() -> None:
    seen = []

    class Seeing(Slow):
        async def pause(self, op: object) -> None:
            context = current.get()
            seen.append(context and context.deadline)

    store = Stack(Cache(negative_ttl=None)).over(Seeing())
    async with call(deadline=3):
        await store.get("a")
        assert current.get() is not None
        await store.get_many(["a"])
    await store.get("a")

    assert seen == [3.0, 3.0, None]


async def test_scopes_never_share() -> None:
    backend = Slow(0)
    store = Stack(Cache()).over(backend)
    one, two = store.scoped("one"), store.scoped("two")
    for each, value in ((store, b"0"), (one, b"1"), (two, b"2")):
        await each.set("a", value)

    for _ in range(2):
        assert [await each.get("a") for each in (store, one, two)] == [b"0", b"1", b"2"]

    await one.set("a", b"3")
    backend.calls.clear()
    assert [await each.get("a") for each in (store, one, two)] == [b"0", b"3", b"2"]
    assert len(backend.calls) == 1


async def test_one_stack_over_two_backends_shares_nothing() -> None:
    stack = Stack(Cache())
    one, two = stack.over(Slow(0)), stack.over(Slow(0))
    await one.set("a", b"1")

    assert [await one.get("a"), await two.get("a")] == [b"1", None]
    assert cache_of(one) is not cache_of(two)
    assert cache_of(two).stats().stored == 1


async def test_answer_cannot_be_changed_by_who_got_it() -> None:
    store = Stack(Cache()).over(Slow(0))
    await store.set("a", b"1")
    first, again = await store.search(""), await store.search("")

    assert first is again
    assert isinstance(first, tuple)


async def test_operations_that_no_cache_may_answer_pass_by() -> None:
    cache = Cache()

    assert not cache.wants(Check)
    assert not cache.wants(TimeToLive)
    assert not cache.wants(Sign)
    assert cache.wants(Get)
    assert cache.wants(GetStamped)
    assert cache.wants(Scan)


async def test_reads_without_stamps_below_use_the_plain_operation() -> None:
    class Plain(KeyValueBackend):
        name = "plain"

        @serves(Get)
        async def get(self, op: Get) -> bytes | None:
            return op.key.encode()

    store = Stack(Cache()).over(Plain())

    assert [await store.get("a"), await store.get("a")] == [b"a", b"a"]
    assert cache_of(store).stats().hits == 1


@pytest.mark.parametrize(
    "options",
    [
        {"ttl": 0},
        {"ttl": float("inf")},
        {"max_entries": 0},
        {"max_bytes": 0},
        {"jitter": 1},
        {"jitter": -0.1},
        {"doubt": -1},
        {"negative_ttl": 0},
    ],
)
def test_wrong_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(StackError, match=next(iter(options))):
        Cache(**options)  # type: ignore[arg-type]


def test_shows_and_compares_by_its_options() -> None:
    assert repr(Cache(30, doubt=1)) == "Cache(30, doubt=1)"
    assert Cache(30) == Cache(30.0)
    assert Cache() != Cache(jitter=0)
