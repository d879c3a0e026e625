from __future__ import annotations

import asyncio
import random
from collections import deque

import pytest
from cache_backend import Slow, cache_of, settled

from lamina.backend import serves
from lamina.backends.memory import MemoryKeyValue
from lamina.context import Call, call, current
from lamina.domains.keyvalue import Get, GetStamped, KeyValueBackend, Scan, TimeToLive
from lamina.domains.media import Sign
from lamina.domains.store import Check
from lamina.errors import Brief, Conflict, Invalid, StackError, TimedOut, Unavailable
from lamina.layers.cache import Cache
from lamina.runtime import Runtime
from lamina.stack import Stack


async def test_second_read_does_not_ask_below() -> None:
    backend = Slow()
    store = Stack(Cache()).over(backend)
    await store.set("a", b"1")

    assert [await store.get("a"), await store.get("a")] == [b"1", b"1"]

    assert [type(op).__name__ for op in backend.calls] == ["Set", "Get"]
    stats = cache_of(store).stats()
    assert (stats.hits, stats.misses, stats.stored, stats.size) == (1, 1, 1, 1)


async def test_answer_lives_for_its_ttl_and_jitter_only_shortens() -> None:
    ends = []
    for seed in range(20):
        store = Stack(Cache(10, jitter=0.5)).over(Slow(0), runtime=Runtime(rng=random.Random(seed)))
        await store.set("a", b"1")
        start = asyncio.get_running_loop().time()
        await store.get("a")
        while cache_of(store).stats().misses < 2:
            await asyncio.sleep(0.25)
            await store.get("a")
        ends.append(asyncio.get_running_loop().time() - start)

    assert min(ends) >= 5.0
    assert max(ends) <= 10.0
    assert len(set(ends)) > 5


async def test_value_is_not_served_after_its_own_expiry() -> None:
    store = Stack(Cache(60, jitter=0)).over(MemoryKeyValue())
    await asyncio.sleep(0.3)
    await store.set("a", b"1", ttl=10)

    await asyncio.sleep(0.7)
    assert await store.get("a") == b"1"
    await asyncio.sleep(9.29)
    assert await store.get("a") == b"1"
    assert cache_of(store).stats().hits == 1
    await asyncio.sleep(0.01)
    assert await store.get("a") is None


async def test_batch_does_not_keep_values_whose_expiry_it_does_not_tell() -> None:
    store = Stack(Cache(60)).over(MemoryKeyValue())
    await store.set("a", b"1", ttl=10)

    assert await store.get_many(["a"]) == (b"1",)
    await asyncio.sleep(11)

    assert await store.get("a") is None
    assert await store.get_many(["a"]) == (None,)


async def test_absent_answer_is_kept_shorter_and_a_write_clears_it() -> None:
    backend = Slow(0)
    store = Stack(Cache(60, jitter=0, negative_ttl=2)).over(backend)

    assert [await store.get("a"), await store.get("a")] == [None, None]
    assert len(backend.calls) == 1
    await store.set("a", b"1")
    assert await store.get("a") == b"1"

    await store.get("b")
    await asyncio.sleep(2)
    await store.get("b")
    assert [op.key for op in backend.calls].count("b") == 2


async def test_absent_answers_are_not_kept_when_told_so() -> None:
    backend = Slow(0)
    store = Stack(Cache(negative_ttl=None)).over(backend)

    await store.get("a")
    await store.get("a")

    assert len(backend.calls) == 2


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


async def test_absent_answer_is_never_kept_longer_than_others() -> None:
    backend = Slow(0)
    store = Stack(Cache(1, negative_ttl=30)).over(backend)

    await store.get("a")
    await asyncio.sleep(1)
    await store.get("a")

    assert len(backend.calls) == 2


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


async def test_holds_no_more_answers_than_told() -> None:
    store = Stack(Cache(max_entries=10)).over(Slow(0))
    for at in range(50):
        await store.set(f"k{at}", b"x")
        await store.get(f"k{at}")

    stats = cache_of(store).stats()
    assert (stats.size, stats.evicted) == (10, 40)
    assert len(cache_of(store)._core.marks) == 10


async def test_holds_no_more_bytes_than_told_and_no_huge_answer() -> None:
    store = Stack(Cache(max_bytes=640_000)).over(Slow(0))
    for at in range(200):
        await store.set(f"k{at}", b"x" * 9_000)
        await store.get(f"k{at}")
        assert cache_of(store).stats().bytes <= 640_000
    assert 40 < cache_of(store).stats().size < 70

    stored = cache_of(store).stats().stored
    await store.set("big", b"x" * 10_001)
    assert len(await store.get("big") or b"") == 10_001
    assert cache_of(store).stats().stored == stored


async def test_answers_in_use_outlast_those_that_are_not() -> None:
    store = Stack(Cache(max_entries=20)).over(Slow(0))
    for at in range(100):
        await store.get(f"k{at}")
        await store.get("hot")

    assert cache_of(store).stats().hits == 99


async def test_writes_leave_no_memory_behind() -> None:
    store = Stack(Cache(doubt=1)).over(Slow(0))
    for at in range(100):
        await store.set(f"k{at}", b"x")
    assert len(cache_of(store)._core.marks) == 0

    for at in range(100):  # even doubts go
        store.bound.handler(Get)
        cache_of(store)._core.wrote((f"t{at}",), float(at), sure=False)
    assert len(cache_of(store)._core.marks) <= 2


async def test_invalidate_forgets_what_matches_and_listings() -> None:
    backend = Slow(0)
    store = Stack(Cache()).over(backend)
    for key in ("user:1", "user:2", "other"):
        await store.set(key, b"1")
    for key in ("user:1", "user:2", "other"):
        await store.get(key)
    await store.search("")
    backend.calls.clear()

    assert cache_of(store).invalidate("user:*") == 3
    assert cache_of(store).invalidate("user:*") == 0

    await store.get("other")
    assert not backend.calls
    await store.get("user:1")
    await store.search("")
    assert len(backend.calls) == 2
    assert cache_of(store).invalidate() == 3
    assert cache_of(store).stats().size == 0


async def test_invalidate_fences_reads_under_way() -> None:
    backend = Slow(1)
    store = Stack(Cache()).over(backend)
    backend.values["", "a"] = b"1"
    before = asyncio.ensure_future(store.get("a"))
    await asyncio.sleep(0.5)
    backend.values["", "a"] = b"2"  # by another process, which then tells

    cache_of(store).invalidate("a")
    after = asyncio.ensure_future(store.get("a"))

    assert [await before, await after, await store.get("a")] == [b"1", b"2", b"2"]


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
