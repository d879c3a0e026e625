"""Batches are few requests, and one bad item hinders no other."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from lamina import Stack
from lamina.backends.upstash import UpstashVectors
from lamina.domains.vectors import Upsert, Vectors
from lamina.errors import AuthError, Invalid
from lamina.testing.servers import Upstash
from lamina.values import Done, Failed, Json, Vector

pytestmark = pytest.mark.server

ONE: Final = Vector.of([1.0, 0.0])
TWO: Final = Vector.of([0.0, 1.0])


@pytest.fixture(scope="module")
def own() -> Iterator[Upstash]:
    with Upstash(["--read-only-token", "reader"]) as server:
        yield server


@asynccontextmanager
async def opened(server: Upstash, **options: Any) -> AsyncGenerator[Vectors, None]:
    url, token = server.index("dense")
    given: dict[str, Any] = {"url": url, "token": token, "search_lag": 0.0, **options}
    async with Stack().over(UpstashVectors(**given)) as store:
        server.control(counts={})
        yield store


def counts(server: Upstash) -> dict[str, int]:
    return dict(server.control()["counts"])


async def test_thousands_are_a_few_requests(own: Upstash) -> None:
    async with opened(own) as store:
        ids = [f"v{number}" for number in range(2_500)]
        told = await store.set_many([Upsert(id_, ONE) for id_ in ids])
        assert told == (Done(None),) * 2_500
        found = await store.get_many(ids)
        assert [one and one.id for one in found] == ids
        assert counts(own) == {"upsert": 3, "fetch": 3}
        own.control(counts={})
        assert await store.delete_where(None) == 2_500
        assert counts(own)["delete"] == 3


async def test_requests_of_long_vectors_stay_small(own: Upstash) -> None:
    rng = random.Random(1)
    async with opened(own) as store:
        items = [
            Upsert(f"v{number}", Vector.of(rng.gauss(0, 1) for _ in range(384)))
            for number in range(300)
        ]
        await store.set_many(items)
        assert counts(own) == {"upsert": 4}
        found = await store.get_many([item.id for item in items])
        assert [one and one.vector for one in found] == [item.vector for item in items]


async def test_an_empty_batch_is_no_request(own: Upstash) -> None:
    async with opened(own) as store:
        assert await store.set_many([]) == ()
        assert await store.get_many([]) == ()
        assert counts(own) == {}


async def test_an_item_that_the_service_refuses_hinders_no_other(own: Upstash) -> None:
    async with opened(own) as store:
        large = Json.of({"text": "x" * 50_000})
        items = [
            Upsert(f"v{number}", ONE, metadata=large)
            if number in {7, 40}
            else Upsert(f"v{number}", ONE)
            for number in range(64)
        ]
        told = await store.set_many(items, outcomes=True)
        assert [place for place, one in enumerate(told) if isinstance(one, Failed)] == [7, 40]
        errors = [one.error for one in told if isinstance(one, Failed)]
        assert [type(error) for error in errors] == [Invalid, Invalid]
        stored = {id_ async for id_ in store.scan()}
        assert stored == {item.id for item in items} - {"v7", "v40"}
        assert counts(own)["upsert"] <= 26


async def test_metadata_that_is_no_object_hinders_no_other(own: Upstash) -> None:
    async with opened(own) as store:
        items = [
            Upsert("a", ONE),
            Upsert("b", ONE, metadata=Json.of([1])),
            Upsert("c", ONE, metadata=Json(b"{nothing")),
            Upsert("d", ONE, namespace="n" * 2_000),
            Upsert("e", ONE),
        ]
        told = await store.set_many(items, outcomes=True)
        assert [type(one) for one in told] == [Done, Failed, Failed, Failed, Done]
        assert [type(one.error) for one in told if isinstance(one, Failed)] == [Invalid] * 3
        assert [id_ async for id_ in store.scan()] == ["a", "e"]


async def test_of_one_id_given_twice_the_later_stays(own: Upstash) -> None:
    async with opened(own) as store:
        await store.set_many(
            [Upsert("a", ONE), Upsert("a", TWO), Upsert("a", ONE, namespace="n"), Upsert("b", ONE)]
        )
        found = await store.get("a")
        assert found is not None
        assert found.vector == TWO
        other = await store.get("a", namespace="n")
        assert other is not None
        assert other.vector == ONE


async def test_ids_of_any_text_survive(own: Upstash) -> None:
    ids = [
        "x" * 1_024,
        "é" * 512,
        "\U0001f600" * 256,
        "e\u0301",
        "\u202eabc",
        "a\nb\t",
        '"\\',
        "null",
        "0",
        "1.0",
        " ",
        "\ufeff",
        "\uffff",
        "../reset?all",
    ]
    async with opened(own) as store:
        await store.set_many([Upsert(id_, ONE, metadata=Json.of({"id": id_})) for id_ in ids])
        for id_ in ids:
            found = await store.get(id_)
            assert found is not None, ascii(id_)
            assert (found.id, found.metadata["id"]) == (id_, id_)
        assert [id_ async for id_ in store.scan()] == ids
        assert [await store.delete(id_) for id_ in ids] == [True] * len(ids)


async def test_a_batch_may_be_cancelled_anywhere_and_the_next_call_works(own: Upstash) -> None:
    items = [Upsert(f"v{number}", Vector.of([0.5] * 384)) for number in range(200)]
    async with opened(own, connections=2) as store:
        for turn in range(0, 60, 6):
            call = asyncio.ensure_future(store.set_many(items))
            for _ in range(turn):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait([call])
            await store.set("a", items[0].vector or ONE)
            found = await store.get("a")
            assert found is not None


async def test_a_token_that_may_only_read_reads(own: Upstash) -> None:
    url, token = own.index("dense")
    async with Stack().over(UpstashVectors(url, token)) as store:
        await store.set("a", ONE)
    async with Stack().over(UpstashVectors(url, "reader")) as store:
        assert await store.get("a") is not None
        with pytest.raises(AuthError) as caught:
            await store.set("a", TWO)
        assert caught.value.sent == "no"
