"""Filters and pages find all there is, though the service may cut off what it finds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from lamina import Stack
from lamina.backends.upstash import UpstashVectors
from lamina.domains.vectors import ListIds, NearestPage, Upsert, Vectors
from lamina.errors import Invalid, StorageError, Unsupported
from lamina.filters import F, Filter
from lamina.testing.servers import Upstash
from lamina.values import Json, Vector

pytestmark = pytest.mark.server

QUERY: Final = Vector.of([1.0, 0.0])


@pytest.fixture(scope="module")
def server() -> Iterator[Upstash]:
    """Give a server whose switches no other test sees."""
    with Upstash() as one:
        yield one


@pytest.fixture
def own(server: Upstash) -> Iterator[Upstash]:
    yield server
    server.control(
        lag=0.0,
        stale_deletes=False,
        filter_budget=None,
        faults=[],
        limits={"max_resumable": 100},
    )


@asynccontextmanager
async def filled(upstash: Upstash, count: int) -> AsyncIterator[Vectors]:
    """Give a store of *count* records, nearest first by id."""
    url, token = upstash.index("dense")
    async with Stack().over(UpstashVectors(url, token)) as store:
        await store.set_many(
            [
                Upsert(
                    f"v{place:04}",
                    Vector.of([1.0, place / count]),
                    metadata=Json.of({"n": place, "tag": f"t{place % 10}", "seen": place > 5}),
                )
                for place in range(count)
            ]
        )
        upstash.control(counts={})
        yield store


def counts(upstash: Upstash) -> dict[str, int]:
    told: dict[str, int] = upstash.control()["counts"]
    return told


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.01)


FILTERS: Final[dict[str, Filter]] = {
    "far away": F.n >= 290,
    "few": (F.tag == "t3") & (F.n > 200),
    "not expressible": ~(F.tag == "t0") & ~(F.n < 280),
    "strings in order": F.tag >= "t9",
    "all": F.n >= 0,
    "none": F.n == -1,
    "hidden from the service": ~F.nothing.exists(),
    "a bool": F.seen == False,  # noqa: E712  # builds a filter
}


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("budget", [None, 20])
async def test_a_filter_finds_all_that_meet_it(own: Upstash, name: str, budget: int | None) -> None:
    where = FILTERS[name]
    async with filled(own, 300) as store:
        own.control(filter_budget=budget)
        wanted = [
            f"v{n:04}"
            for n in range(300)
            if where.matches({"n": n, "tag": f"t{n % 10}", "seen": n > 5})
        ]
        for top_k in (1, 5, 1000):
            hits = await store.search(QUERY, top_k=top_k, filter=where)
            assert [hit.id for hit in hits] == wanted[:top_k]
        pages = store.matches(QUERY, filter=where, limit=70)
        assert [hit.id async for hit in pages] == wanted


async def test_more_than_a_request_gives_is_found_by_several(own: Upstash) -> None:
    async with filled(own, 2500) as store:
        assert len(await store.search(QUERY, top_k=1000)) == 1000
        assert counts(own) == {"query": 1}
        assert len(await store.search(QUERY, top_k=2400)) == 2400
        assert len(await store.search(QUERY, top_k=9000)) == 2500
        assert len({id_ async for id_ in store.scan(limit=5000)}) == 2500
        assert len(await store.get_many([f"v{n:04}" for n in range(2500)])) == 2500
        assert await store.delete_where(F.n < 2000) == 2000
        assert await store.delete_where(None) == 500
        await until(lambda: counts(own).get("resumable-query-end") == 2)


async def test_more_values_than_the_service_takes_are_looked_for_all_the_same(own: Upstash) -> None:
    async with filled(own, 30) as store:
        found = await store.search(QUERY, top_k=5, filter=F.n.is_in(range(7, 2007)))

    assert [match.id for match in found] == [f"v{n:04}" for n in range(7, 12)]


async def test_a_search_that_finds_enough_is_one_request(own: Upstash) -> None:
    async with filled(own, 50) as store:
        await store.search(QUERY, top_k=5)
        await store.search(QUERY, top_k=5, filter=F.tag == "t1")
        await store.search(QUERY, top_k=5, filter=F.tag.is_in([]))
        assert counts(own) == {"query": 2}


async def test_pages_end_their_query_and_abandoned_ones_end_with_the_store(own: Upstash) -> None:
    async with filled(own, 50) as store:
        assert len([hit async for hit in store.matches(QUERY, limit=20)]) == 50
        await until(lambda: counts(own).get("resumable-query-end") == 1)
        for _ in range(3):
            await anext(store.matches(QUERY, limit=20))
        assert counts(own)["resumable-query-end"] == 1
    assert counts(own)["resumable-query-end"] == 4


async def test_a_cursor_is_of_one_search_namespace_and_scope(own: Upstash) -> None:
    async with filled(own, 50) as store:
        first = await store.bound.send(NearestPage(QUERY, limit=20))
        assert first.next is not None
        others = [
            NearestPage(QUERY, cursor=first.next, scope="acme"),
            NearestPage(QUERY, cursor=first.next, namespace="n"),
            NearestPage(QUERY, cursor=first.next, filter=F.n == 1),
            NearestPage(Vector.of([0.0, 1.0]), cursor=first.next),
            NearestPage(QUERY, cursor=first.next[:-1]),
            NearestPage(QUERY, cursor=first.next.partition(".")[0]),
            NearestPage(QUERY, cursor="é"),
            NearestPage(QUERY, cursor=""),
        ]
        for other in others:
            with pytest.raises(Invalid) as caught:
                await store.bound.send(other)
            assert caught.value.sent == "no"
        assert counts(own) == {"resumable-query": 1}
        second = await store.bound.send(NearestPage(QUERY, cursor=first.next, limit=20))
        assert [one.id for one in second.items] == [f"v{n:04}" for n in range(20, 40)]


async def test_another_process_goes_on_with_a_cursor(own: Upstash) -> None:
    url, token = own.index("dense")
    async with (
        Stack().over(UpstashVectors(url, token)) as one,
        Stack().over(UpstashVectors(url, token)) as two,
    ):
        await one.set_many([Upsert(f"v{n}", Vector.of([1.0, n])) for n in range(5)])
        first = await one.bound.send(NearestPage(QUERY, limit=2))
        second = await two.bound.send(NearestPage(QUERY, limit=2, cursor=first.next))
        assert [hit.id for hit in (*first.items, *second.items)] == ["v0", "v1", "v2", "v3"]


async def test_abandoned_queries_make_room_for_others(
    own: Upstash, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lamina.backends.upstash.resuming._ABANDONED", 0.0)
    async with filled(own, 5) as store:
        own.control(limits={"max_resumable": 40})
        for _ in range(60):
            await store.bound.send(NearestPage(QUERY, limit=1))
        await until(lambda: counts(own)["resumable-query-end"] >= 28)


async def test_an_endless_search_is_refused(own: Upstash, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamina.backends.upstash.finding._LOOKED_AT", 2000)
    async with filled(own, 2500) as store:
        with pytest.raises(Unsupported, match="nearest 2000 records"):
            await store.search(QUERY, filter=~(F.n >= 0))
        assert len(await store.search(QUERY, filter=~(F.n >= 100))) == 10
        await until(lambda: counts(own).get("resumable-query-end") == 2)


async def test_reads_see_writes_at_once_though_searches_do_not(own: Upstash) -> None:
    url, token = own.index("dense")
    own.control(lag=600.0, stale_deletes=True)
    async with Stack().over(UpstashVectors(url, token, search_lag=600.0)) as store:
        await store.set_many([Upsert("a", QUERY), Upsert("b", QUERY)])
        await store.set("c", QUERY, namespace="n")
        info = await store.info()
        assert (info.count, info.search_lag) == (2, 600.0)  # those that are pending count
        assert await store.namespaces() == ("", "n")
        found = await store.get("a")
        assert found is not None
        assert [id_ async for id_ in store.scan()] == ["a", "b"]
        assert await store.delete("b") is True
        assert await store.get("b") is None
        assert [id_ async for id_ in store.scan()] == ["a"]
        assert await store.delete_where(None, namespace="n") == 1
        assert await store.namespaces() == ("",)
        assert await store.search(QUERY) == ()


async def test_searches_see_writes_within_the_lag(own: Upstash) -> None:
    url, token = own.index("dense")
    own.control(lag=0.3, stale_deletes=True)
    async with Stack().over(UpstashVectors(url, token, search_lag=0.3)) as store:
        await store.set_many([Upsert("a", QUERY), Upsert("b", QUERY)])
        await store.delete("b")
        async with asyncio.timeout((await store.info()).search_lag + 5):
            while [hit.id for hit in await store.search(QUERY)] != ["a"]:
                await asyncio.sleep(0.02)


async def test_a_listing_goes_on_where_records_were_deleted(own: Upstash) -> None:
    async with filled(own, 30) as store:
        page = await store.bound.send(ListIds("v", limit=10))
        await store.delete_where(F.n < 15)
        rest = await store.bound.send(ListIds("v", page.next, limit=100))
        assert {f"v{n:04}" for n in range(15, 30)} <= set(rest.items)
        for cursor in ("é", "\n", "x" * 300):
            with pytest.raises(Invalid):
                await store.bound.send(ListIds("", cursor))


async def test_what_the_service_deletes_by_filter_is_one_request(own: Upstash) -> None:
    async with filled(own, 50) as store:
        assert await store.delete_where(F.tag == "t1") == 5
        assert counts(own) == {"delete": 1}
        assert await store.delete_where(F.tag.is_in([])) == 0
        assert await store.delete_where(~F.n.exists()) == 0
        assert counts(own) == {"delete": 1, "range": 1}


async def test_only_what_meets_a_filter_is_deleted(own: Upstash) -> None:
    async with filled(own, 5) as store:
        more: dict[str, dict[str, Any]] = {"bool": {"n": True}, "text": {"n": "1"}, "none": {}}
        for id_, metadata in more.items():
            await store.set(id_, QUERY, metadata=metadata)
        assert await store.delete_where(F.n == 1) == 1
        assert await store.delete_where(F.n == True) == 1  # noqa: E712  # builds a filter
        assert await store.delete_where(~F.n.exists()) == 1
        assert {id_ async for id_ in store.scan()} == {"text", "v0000", "v0002", "v0003", "v0004"}


async def test_an_end_that_fails_hinders_nobody(own: Upstash) -> None:
    async with filled(own, 30) as store:
        own.control(faults=[{"endpoint": "resumable-query-end", "status": 500, "times": 9}])
        assert len([hit async for hit in store.matches(QUERY)]) == 30
        await anext(store.matches(QUERY, limit=5))


async def test_a_search_that_fails_on_its_way_ends_its_query(own: Upstash) -> None:
    async with filled(own, 300) as store:
        own.control(faults=[{"endpoint": "resumable-query-next", "status": 500}])
        with pytest.raises(StorageError):
            await store.search(QUERY, filter=F.n >= 295)
        await until(lambda: counts(own).get("resumable-query-end") == 1)
        own.control(faults=[{"endpoint": "resumable-query-next", "hang": True}])
        call = asyncio.ensure_future(store.search(QUERY, filter=F.n >= 295))
        await until(lambda: counts(own)["resumable-query-next"] == 2)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await until(lambda: counts(own).get("resumable-query-end") == 2)
