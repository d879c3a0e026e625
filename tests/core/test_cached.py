"""What an async function answers is kept, by the rules of the cache."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, Self

import pytest

from lamina.caching import LocalCache, cached
from lamina.context import call, current
from lamina.errors import Brief, DeadlineExceeded, Invalid, StorageError, Unavailable, WrongLoop
from lamina.explained import Held
from lamina.runtime import Runtime
from lamina.testing.clock import run
from lamina.testing.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

RUNTIME = Runtime()


class Source:
    """Answers with the number of the call after *seconds*, or as *script* says."""

    def __init__(self, seconds: float = 1.0, *script: Any) -> None:
        self.seconds = seconds
        self.script = deque(script)
        self.calls = 0

    async def __call__(self, name: str = "a") -> Any:
        self.calls += 1
        number = self.calls
        await asyncio.sleep(self.seconds)
        told = self.script.popleft() if self.script else f"{name}{number}"
        if isinstance(told, BaseException):
            raise told
        return told


def spawn(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.get_running_loop().create_task(work)


async def test_one_answer_serves_all_for_its_time() -> None:
    source = Source()
    load = cached(ttl=30, jitter=0)(source)

    assert [await load("a"), await load("a"), await load("b")] == ["a1", "a1", "b2"]
    await asyncio.sleep(29)
    assert await load("b") == "b2"
    await asyncio.sleep(1.5)
    assert await load("b") == "b3"


async def test_the_time_to_live_is_shortened_by_chance_only() -> None:
    load = cached(ttl=30, jitter=0.5)(Source(0))
    for name in map(str, range(50)):
        await load(name)
    left = [load.cache.explain(name).left or 0 for name in map(str, range(50))]
    assert all(15 <= seconds <= 30 for seconds in left)
    assert max(left) - min(left) > 5


async def test_of_all_who_ask_at_once_one_calls_the_function() -> None:
    source = Source()
    load = cached(ttl=30)(source)

    assert await asyncio.gather(*(load("a") for _ in range(1000))) == ["a1"] * 1000

    stats = load.cache.stats()
    assert (source.calls, stats.misses, stats.coalesced) == (1, 1, 999)


async def test_answers_are_the_very_object() -> None:
    told = {"a": 1}
    load = cached(ttl=30)(Source(1, told))
    first, second = await asyncio.gather(load("a"), load("a"))
    assert first is second is await load("a")
    assert first is told


async def test_a_cancelled_caller_leaves_the_others_alone() -> None:
    source = Source(5)
    load = cached(ttl=30)(source)
    first, others = spawn(load("a")), [spawn(load("a")) for _ in range(3)]
    await asyncio.sleep(1)

    first.cancel()

    assert await asyncio.gather(*others) == ["a2"] * 3
    assert first.cancelled()
    assert source.calls == 2


def test_cancelled_anywhere_nothing_is_left_behind() -> None:
    caches: list[Any] = []

    async def scenario() -> None:
        load = cached(ttl=30)(Source(1))
        caches.append(load.cache)
        other = RUNTIME.spawn(load("a"), "other")
        try:
            await load("a")
            await load("a")
        finally:
            await other

    def nothing_is_under_way() -> None:
        while caches:
            engine = caches.pop()._seat.home.engine
            assert not any(table.fills for table in engine._core.tables.values())

    sweep(scenario, after=nothing_is_under_way)


async def test_errors_are_not_kept_and_each_who_waits_gets_its_own_copy() -> None:
    failed = ValueError("no such user")
    source = Source(1, failed)
    load = cached(ttl=30)(source)

    told = await asyncio.gather(*(load("a") for _ in range(3)), return_exceptions=True)

    assert told[0] is failed
    assert [type(error) for error in told] == [ValueError] * 3
    assert len(set(map(id, told))) == 3
    assert told[1].__cause__ is failed
    assert await load("a") == "a2"


async def test_none_is_kept_a_short_time_and_never_if_told_so() -> None:
    source = Source(0, None, "there", None, "there")
    load = cached(ttl=30, jitter=0, negative_ttl=5)(source)
    assert [await load("a"), await load("a")] == [None, None]
    await asyncio.sleep(5)
    assert await load("a") == "there"

    never = cached(ttl=30, negative_ttl=None)(source)
    assert [await never("a"), await never("a")] == [None, "there"]


@pytest.mark.parametrize("spare", [0.0, 60.0], ids=["", "stale-if-error"])
async def test_the_deadline_of_a_caller_bounds_what_it_calls(spare: float) -> None:
    source = Source(5)
    load = cached(ttl=30, stale_if_error=spare)(source)

    async def within(seconds: float) -> Any:
        async with call(deadline=seconds):
            return await load("a")

    hasty, patient = spawn(within(2)), spawn(within(20))

    with pytest.raises(DeadlineExceeded):
        await hasty
    assert asyncio.get_running_loop().time() == 2
    assert await patient == "a2"  # whom the first had left to ask


async def test_who_waits_leaves_at_its_own_deadline_alone() -> None:
    source = Source(5)
    load = cached(ttl=30)(source)
    first = spawn(load("a"))
    await asyncio.sleep(1)

    with pytest.raises(DeadlineExceeded):
        async with call(deadline=1):
            await load("a")

    assert await first == "a1"
    assert source.calls == 1


async def test_ca7_a_stale_answer_is_given_while_it_is_asked_anew_once() -> None:
    source = Source(1)
    load = cached(ttl=30, jitter=0, stale_while_revalidate=60)(source)
    await load("a")
    await asyncio.sleep(40)

    async with call() as told:
        assert await asyncio.gather(*(load("a") for _ in range(10))) == ["a1"] * 10
    assert list(told.age.values()) == [41]
    assert load.cache.explain("a").stale
    await asyncio.sleep(2)

    assert await load("a") == "a2"
    assert source.calls == 2
    assert load.cache.stats().stale == 10


async def test_a_refresh_that_fails_leaves_the_stale_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = Source(1, "first", ValueError(), "third")
    load = cached(ttl=30, jitter=0, stale_while_revalidate=600)(source)
    with caplog.at_level(logging.ERROR):
        assert await load("a") == "first"
        await asyncio.sleep(40)
        assert await load("a") == "first"
        await asyncio.sleep(2)
    assert await load("a") == "first"
    await asyncio.sleep(2)
    assert await load("a") == "third"


@pytest.mark.parametrize(
    "error",
    [ConnectionResetError(), TimeoutError(), Unavailable("down")],
    ids=["connection", "time-out", "store"],
)
async def test_ca8_an_old_answer_stands_in_for_a_passing_failure(error: Exception) -> None:
    load = cached(ttl=30, jitter=0, stale_if_error=60)(Source(1, "first", error, error))
    await load("a")
    await asyncio.sleep(40)

    async with call() as told:
        assert await load("a") == "first"
    assert len(told.degraded) == 1
    assert load.cache.stats().rescued == 1

    await asyncio.sleep(60)
    with pytest.raises(type(error)) as caught:
        await load("a")
    assert caught.value is error


async def test_ca8_a_lasting_failure_comes_out_unless_it_is_named() -> None:
    async def tell(**options: Any) -> Any:
        source = Source(1, "first", LookupError())
        load = cached(ttl=30, jitter=0, stale_if_error=60, **options)(source)
        await load("a")
        await asyncio.sleep(40)
        return await load("a")

    with pytest.raises(LookupError):
        await tell()
    assert await tell(passing=(LookupError,)) == "first"


async def test_ca8_each_who_waits_gets_its_own_copy_of_a_passing_failure() -> None:
    failed = ConnectionResetError("reset")
    load = cached(ttl=30, stale_if_error=60)(Source(1, failed))

    told = await asyncio.gather(*(load("a") for _ in range(3)), return_exceptions=True)

    assert told[0] is failed
    assert [type(error) for error in told] == [ConnectionResetError] * 3
    assert len(set(map(id, told))) == 3
    assert told[1].__cause__ is failed


async def test_a_time_out_of_the_functions_own_is_no_deadline_of_the_caller() -> None:
    async def impatient(name: str) -> None:
        del name
        async with asyncio.timeout(1):
            await asyncio.sleep(5)

    async with call(deadline=10):
        with pytest.raises(TimeoutError) as caught:
            await cached(ttl=30)(impatient)("a")
    assert not isinstance(caught.value, StorageError)


async def test_an_answer_made_of_degraded_ones_is_given_and_not_kept() -> None:
    calls = []

    @cached(ttl=30)
    async def load(name: str) -> str:
        calls.append(name)
        await asyncio.sleep(1)
        told = current.get()
        assert told is not None
        told.degraded.append(Brief("Get", "keyvalue"))
        return name

    async with call() as told:
        assert await asyncio.gather(load("a"), load("a")) == ["a", "a"]
    assert len(told.degraded) == 2  # both were told
    await load("a")
    assert calls == ["a", "a"]


async def test_what_is_not_asked_for_is_forgotten_sooner() -> None:
    source = Source(0)
    load = cached(ttl=100, jitter=0, idle=10)(source)
    for _ in range(12):
        assert await load("a") == "a1"
        await asyncio.sleep(8)
    await asyncio.sleep(8)
    assert await load("a") == "a2"
    await asyncio.sleep(11)
    assert await load("a") == "a3"


async def test_holds_no_more_than_it_may() -> None:
    load = cached(ttl=30, max_entries=10)(Source(0))
    for number in range(100):
        await load(str(number))
    stats = load.cache.stats()
    assert stats.size == 10
    assert stats.evicted == 90


async def test_one_call_is_forgotten_at_once() -> None:
    source = Source(0)
    load = cached(ttl=30)(source)
    await load("a")
    await load("b")

    load.cache.invalidate(name="a")

    assert [await load("a"), await load("b")] == ["a3", "b2"]


async def test_ca10_an_answer_begun_before_it_was_forgotten_is_not_kept() -> None:
    source = Source(5)
    load = cached(ttl=30)(source)
    before = spawn(load("a"))
    await asyncio.sleep(1)

    load.cache.invalidate("a")
    after = await load("a")

    assert after == "a2"  # it did not wait for the one begun before
    assert await before == "a1"
    assert await load("a") == "a2"


async def test_ca12_a_tag_forgets_all_that_has_it() -> None:
    source = Source(0)
    load = cached(ttl=30, tags=lambda name: (f"user:{name}", "users"))(source)
    await load("a")
    await load("b")

    load.cache.invalidate_tag("user:a")
    assert [await load("a"), await load("b")] == ["a3", "b2"]

    load.cache.invalidate_tag("users")
    assert [await load("a"), await load("b")] == ["a4", "b5"]


async def test_ca10_a_tag_ended_meanwhile_keeps_nothing() -> None:
    load = cached(ttl=30, tags=lambda name: f"user:{name}")(Source(5))
    before = spawn(load("a"))
    await asyncio.sleep(1)

    load.cache.invalidate_tag("user:a")

    assert await load("a") == "a2"
    assert await before == "a1"
    assert await load("a") == "a2"


@pytest.mark.parametrize(
    "tags",
    [lambda _: 1 / 0, lambda _: (1,), lambda _: None, lambda: ()],
    ids=["raises", "no-text", "none", "no-argument"],
)
async def test_tags_that_cannot_be_told_keep_nothing(tags: Callable[..., Any]) -> None:
    load = cached(ttl=30, tags=tags)(Source(0))
    assert [await load("a"), await load("a")] == ["a1", "a2"]
    assert load.cache.stats().size == 0


async def test_all_answers_of_one_function_are_forgotten_alone() -> None:
    cache = LocalCache(30)
    load, other = cache.cached()(Source(0)), cache.cached()(Source(0))
    await load("a")
    await other("a")

    load.cache.invalidate_all()

    assert [await load("a"), await other("a")] == ["a2", "a1"]


async def test_functions_in_one_cache_share_room_and_tags() -> None:
    cache = LocalCache(30, max_entries=2)
    tagged = cache.cached(tags=lambda name: f"user:{name}")
    load, other = tagged(Source(0)), tagged(Source(0))
    await load("a")
    await other("a")

    cache.invalidate_tag("user:a")
    assert [await load("a"), await other("a")] == ["a2", "a2"]

    await load("b")
    assert cache.stats().size == 2


async def test_fresh_calls_in_any_case_and_keeps_the_answer() -> None:
    load = cached(ttl=30)(Source(0))
    await load("a")
    assert await load.cache.fresh("a") == "a2"
    assert await load("a") == "a2"


async def test_explains_a_call_without_making_it() -> None:
    source = Source(0)
    load = cached(ttl=30, jitter=0)(source)
    assert load.cache.explain("a") == Held()
    await load("a")
    await asyncio.sleep(10)

    assert load.cache.explain("a") == Held(cached=True, age=10, left=20)
    assert load.cache.explain("b") == Held()
    assert (source.calls, load.cache.stats().hits) == (1, 0)


async def test_tells_what_it_has_done_by_function() -> None:
    cache = LocalCache(30)

    @cache.cached()
    async def load(name: str) -> str:
        return name

    await load("a")
    await load("a")
    await cache.get_or_set("x", Source(0))

    told = {name.rpartition(".")[2]: one for name, one in cache.stats().operations.items()}
    assert (told["load"].hits, told["load"].misses) == (1, 1)
    assert sum(one.misses for one in told.values()) == 2


async def test_a_value_under_a_key_is_made_once_and_forgotten_by_key_or_tag() -> None:
    cache, source = LocalCache(30, jitter=0), Source(1)

    async def get(**options: Any) -> Any:
        return await cache.get_or_set("a", source, **options)

    assert await asyncio.gather(*(get(tags=("t",)) for _ in range(10))) == ["a1"] * 10
    assert cache.explain("a") == Held(cached=True, age=1, left=30)
    assert await get(fresh=True) == "a2"
    assert await get() == "a2"
    cache.invalidate("a")
    assert await get(tags=("t",)) == "a3"
    cache.invalidate_tag("t")
    assert await get() == "a4"
    key = ("a", 1, True)
    before = await cache.get_or_set(key, source)
    cache.invalidate(("a", 1, 1))
    assert await cache.get_or_set(key, source) == before
    cache.invalidate(key)
    assert await cache.get_or_set(key, source) != before
    source.calls = 4
    cache.invalidate_all()
    assert await get() == "a5"


async def test_keys_of_different_types_are_kept_apart() -> None:
    cache, source = LocalCache(30), Source(0)
    keys: tuple[Any, ...] = (1, 1.0, True, "1", (1,), (True,))
    made = [await cache.get_or_set(key, source) for key in keys]
    assert len(set(made)) == len(keys)
    with pytest.raises(Invalid, match="the key is a list"):
        await cache.get_or_set(["a"], source)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [(lambda: "a", "it gave str"), ("a", "got str"), (None, "got NoneType")],
    ids=["not-async", "text", "none"],
)
async def test_what_makes_no_value_is_refused(wrong: Any, why: str) -> None:
    with pytest.raises(Invalid, match=f"factory must be an async function.* {why}"):
        await LocalCache(30).get_or_set("a", wrong)


async def test_a_call_begun_already_is_no_factory() -> None:
    begun: Any = Source()("a")
    with pytest.raises(Invalid, match="factory must be an async function, got coroutine"):
        await LocalCache(30).get_or_set("a", begun)
    begun.close()


@pytest.mark.parametrize("wrong", [1, None, (1,), b"a"], ids=str)
async def test_tags_that_are_no_texts_are_refused(wrong: Any) -> None:
    cache = LocalCache(30)
    with pytest.raises(Invalid, match="must be text"):
        await cache.get_or_set("a", Source(0), tags=wrong)
    with pytest.raises(Invalid, match="must be text"):
        cache.invalidate_tag(wrong)
    with pytest.raises(Invalid, match="must be text"):
        cache.cached()(Source(0)).cache.invalidate_tag(wrong)


async def test_values_are_counted_by_what_asks_for_them() -> None:
    cache = LocalCache(30)
    await cache.get_or_set("a", Source(0))
    assert cache.stats().operations["GetOrSet"].misses == 1


async def test_a_sweep_frees_what_no_longer_holds() -> None:
    cache = LocalCache(30)
    for number in range(10):
        await cache.get_or_set(number, Source(0), tags=("even",) if number % 2 == 0 else ())

    cache.invalidate_tag("even")

    assert await cache.sweep() == 5
    assert cache.stats().size == 5


def test_each_event_loop_begins_with_an_empty_cache() -> None:
    source = Source(0)
    load = cached(ttl=1000)(source)

    assert [run(load("a")), run(load("a"))] == ["a1", "a2"]
    assert asyncio.run(load("a")) == "a3"
    assert load.cache.stats().misses == 1

    cache = LocalCache(1000)
    made = [run(cache.get_or_set("a", source)) for _ in range(2)]
    assert made == ["a4", "a5"]


def test_what_was_under_way_when_a_loop_ended_holds_up_nobody() -> None:
    load = cached(ttl=1000)(Source(5))

    async def leaves() -> None:
        task = spawn(load("a"))
        await asyncio.sleep(0)
        assert not task.done()

    asyncio.run(leaves())

    assert run(load("a")) == "a2"


async def test_a_second_loop_at_the_same_time_is_refused() -> None:
    load = cached(ttl=30)(Source(0))
    await load("a")

    def elsewhere() -> None:
        with pytest.raises(WrongLoop, match="another event loop"):
            asyncio.run(load("a"))

    await asyncio.to_thread(elsewhere)
    assert await load("a") == "a1"


async def test_a_function_that_is_gone_leaves_no_answers() -> None:
    class Answer:
        pass

    answer = Answer()
    gone = weakref.ref(answer)
    load = cached(ttl=30)(Source(0, answer))
    await load("a")

    del answer, load
    gc.collect()

    assert gone() is None


def test_it_can_be_governed_before_it_was_ever_called() -> None:
    load = cached(ttl=30)(Source(0))
    load.cache.invalidate("a")
    load.cache.invalidate_tag("a")
    load.cache.invalidate_all()
    assert load.cache.stats().size == 0
    assert load.cache.explain("a") == Held()
    assert repr(LocalCache(30)) == "LocalCache(30)"


class Named(Exception):
    """An error whose constructor takes more than its message, as those of many clients do."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class Worded(Exception):
    """An error whose constructor makes the message."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


class Made(OSError):
    """An error that is made in a way of its own."""

    def __new__(cls, status: int, name: str) -> Self:
        return super().__new__(cls, status, name)

    def __init__(self, status: int, name: str) -> None:
        super().__init__(status, name)
        self.status = status


class Coded(OSError):
    """An error of the system with a constructor of its own."""

    def __init__(self, status: int) -> None:
        super().__init__(status, "busy")
        self.status = status


@pytest.mark.parametrize(
    "error",
    [Named("slow down", status=429), Worded(429), Made(429, "busy"), Coded(429)],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("passing", [(), (Named, Worded, OSError)], ids=["lasting", "passing"])
async def test_who_waits_gets_a_failure_of_the_same_type_and_message(
    error: Exception, passing: tuple[type[Exception], ...]
) -> None:
    load = cached(ttl=30, passing=passing, stale_if_error=60)(Source(1, error))

    told = await asyncio.gather(load("a"), load("a"), load("a"), return_exceptions=True)

    assert told[0] is error
    assert len({id(one) for one in told}) == 3
    assert {(type(one), str(one), one.args) for one in told if isinstance(one, Exception)} == {
        (type(error), str(error), error.args)
    }
    assert [getattr(one, "status", None) for one in told] == [429] * 3
    assert {getattr(one, "errno", None) for one in told} == {getattr(error, "errno", None)}


def test_a_failed_copy_does_not_hide_that_it_failed() -> None:
    class Awkward(ValueError, OSError):  # a foreign one that cannot be made anew
        def __init__(self, one: int, two: int) -> None:
            super().__init__(f"{one} and {two}")

    async def scenario() -> None:
        load = cached(ttl=30)(Source(1, Awkward(1, 2)))
        told = await asyncio.gather(load("a"), load("a"), return_exceptions=True)
        assert isinstance(told[0], Awkward)
        assert isinstance(told[1], StorageError)
        assert "Awkward" in str(told[1])

    run(scenario())
