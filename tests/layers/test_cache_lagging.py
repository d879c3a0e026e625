from __future__ import annotations

import asyncio
from typing import Any

import pytest
from cache_backend import cache_of

from lamina.backend import serves
from lamina.capabilities import Capabilities, Serves
from lamina.domains.vectors import Fetch, Match, Nearest, Record, Upsert, Vectors, VectorsBackend
from lamina.errors import TimedOut, Unavailable
from lamina.layers.cache import Cache
from lamina.stack import Stack

LAG = 5.0


class Lagging(VectorsBackend):
    """Shows what was written to searches *LAG* seconds later."""

    name = "lagging"

    def __init__(self) -> None:
        self.shown: tuple[str, ...] = ()
        self.searches = 0
        self.error: Exception | None = None

    def capabilities(self) -> Capabilities:
        lag = Serves(limits={"search_lag": LAG})
        return Capabilities({Nearest: lag, Upsert: Serves(), Fetch: Serves()})

    @serves(Upsert)
    async def upsert(self, op: Upsert) -> None:
        asyncio.get_running_loop().call_later(LAG, self.show, op.id)
        if self.error is not None:
            raise self.error

    def show(self, id_: str) -> None:
        self.shown = (*self.shown, id_)

    @serves(Nearest)
    async def nearest(self, op: Nearest) -> tuple[Match, ...]:
        self.searches += 1
        found = self.shown
        await asyncio.sleep(1)
        return tuple(Match(id_, 1.0, None, {}) for id_ in found)

    @serves(Fetch)
    async def fetch(self, op: Fetch) -> Record | None:
        return None


async def ids(store: Vectors) -> list[str]:
    return [match.id for match in await store.search("x")]


def over(backend: Lagging, **options: Any) -> Vectors:
    return Stack(Cache(100, jitter=0, **options)).over(backend)


async def test_ca1_a_search_in_the_lag_of_a_write_is_kept_only_to_its_end() -> None:
    backend = Lagging()
    store = over(backend)
    await store.set("a", "text")

    assert await ids(store) == []
    assert await ids(store) == []
    assert backend.searches == 1

    await asyncio.sleep(4)
    assert await ids(store) == ["a"]
    assert await ids(store) == ["a"]
    assert backend.searches == 2


async def test_ca1_a_search_begun_in_the_lag_and_answered_after_it_is_not_kept() -> None:
    backend = Lagging()
    store = over(backend)
    await store.set("a", "text")
    await asyncio.sleep(4.5)

    assert await ids(store) == []
    assert await ids(store) == ["a"]


async def test_ca1_without_a_write_a_search_is_kept_its_time() -> None:
    backend = Lagging()
    store = over(backend)
    for _ in range(5):
        await ids(store)
        await asyncio.sleep(9)

    assert backend.searches == 1


async def test_ca1_what_is_kept_to_the_end_of_the_lag_is_not_given_past_it() -> None:
    backend = Lagging()
    store = over(backend, stale_while_revalidate=50, stale_if_error=50)
    await store.set("a", "text")
    assert await ids(store) == []

    await asyncio.sleep(4.5)

    assert await ids(store) == ["a"]


async def test_ca1_while_a_doubtful_write_may_begin_to_be_shown_no_search_is_kept() -> None:
    backend = Lagging()
    store = over(backend, doubt=3)
    backend.error = TimedOut("late")
    with pytest.raises(TimedOut):
        await store.set("a", "text")

    for moment, searches in ((0, 2), (3, 4), (LAG - 1.5, 5)):  # each search takes a second
        await asyncio.sleep(moment)
        await ids(store)
        await ids(store)
        assert backend.searches == searches


async def test_ca1_a_search_is_kept_to_the_end_of_the_first_of_two_lags() -> None:
    backend = Lagging()
    store = over(backend)
    await store.set("a", "text")
    await asyncio.sleep(3)
    await store.set("b", "text")

    assert await ids(store) == []
    await asyncio.sleep(1.5)  # of the first the lag is over now

    assert await ids(store) == ["a"]
    assert await ids(store) == ["a"]
    assert backend.searches == 2


async def test_ca1_nobody_joins_a_search_once_the_lag_in_which_it_began_is_over() -> None:
    backend = Lagging()
    store = over(backend)
    await store.set("a", "text")
    await asyncio.sleep(LAG - 0.5)
    early = asyncio.ensure_future(ids(store))
    await asyncio.sleep(0.75)

    assert await ids(store) == ["a"]
    assert await early == []


async def test_ca1_reads_by_id_do_not_lag() -> None:
    backend = Lagging()
    store = over(backend, negative_ttl=30)
    await store.set("a", "text")

    await store.get("a")
    entry = next(iter(cache_of(store)._core.shelf))

    assert entry.ends == pytest.approx(30)


async def test_a_write_that_surely_failed_makes_searches_lag_too() -> None:
    backend = Lagging()
    store = over(backend)
    backend.error = Unavailable("refused", sent="no")
    with pytest.raises(Unavailable):
        await store.set("a", "text")

    await ids(store)

    assert next(iter(cache_of(store)._core.shelf)).ends == pytest.approx(LAG)


@pytest.mark.parametrize("named", [{"tag": "vectors\0\0*"}, {"scope": ""}, {}], ids=str)
async def test_ca1_a_search_after_an_invalidation_may_miss_what_was_written_elsewhere(
    named: dict[str, str],
) -> None:
    backend = Lagging()
    store = over(backend)
    asyncio.get_running_loop().call_later(LAG, backend.show, "a")  # by another process
    cache_of(store).invalidate(**named)
    assert await ids(store) == []
    assert await ids(store) == []

    await asyncio.sleep(LAG)

    assert await ids(store) == ["a"]
    assert await ids(store) == ["a"]
    assert backend.searches == 2
