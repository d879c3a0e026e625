"""A failing Upstash Vector is told in time and truthfully, and the next call works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from lamina import Stack
from lamina.backends.upstash import UpstashVectors
from lamina.domains.vectors import NearestPage, Upsert, Vectors
from lamina.errors import (
    AuthError,
    Closed,
    Invalid,
    StackError,
    StorageError,
    Throttled,
    TimedOut,
    Unavailable,
)
from lamina.testing.faults import FaultProxy
from lamina.testing.servers import Upstash
from lamina.values import Done, Failed, Vector

pytestmark = pytest.mark.server

ONE: Final = Vector.of([1.0, 0.0])
TWO: Final = Vector.of([0.0, 1.0])


@pytest.fixture(scope="module")
def victim() -> Iterator[Upstash]:
    with Upstash() as server:
        yield server


@asynccontextmanager
async def opened(victim: Upstash, **options: Any) -> AsyncGenerator[Vectors, None]:
    url, token = victim.index("dense")
    given: dict[str, Any] = {
        "url": url,
        "token": token,
        "search_lag": 0.0,
        "timeout": 2.0,
        **options,
    }
    async with Stack().over(UpstashVectors(**given)) as store:
        yield store


@asynccontextmanager
async def proxied(victim: Upstash) -> AsyncGenerator[tuple[Vectors, FaultProxy], None]:
    url, token = victim.index("dense")
    parts = urlsplit(url)
    async with FaultProxy(parts.hostname or "", parts.port or 0) as proxy:
        backend = UpstashVectors(f"http://{proxy.address}{parts.path}", token, timeout=1.0)
        async with Stack().over(backend) as store:
            yield store, proxy


async def hanging(victim: Upstash, *calls: Any) -> list[asyncio.Future[Any]]:
    """Begin *calls*, which the server leaves unanswered; return once it has them all."""
    await asyncio.to_thread(victim.control, faults=[{"hang": True, "times": len(calls)}])
    begun = [asyncio.ensure_future(call) for call in calls]
    async with asyncio.timeout(5):
        while (await asyncio.to_thread(victim.control))["faults"]:
            await asyncio.sleep(0.01)
    return begun


async def test_a_server_that_is_killed_is_used_again_once_it_is_back(victim: Upstash) -> None:
    async with opened(victim) as store:
        await store.set("a", ONE)
        begun = await hanging(victim, store.get("a"), store.set("b", ONE))
        await asyncio.to_thread(victim.kill)
        told = await asyncio.gather(*begun, return_exceptions=True)
        assert [type(one) for one in told] == [Unavailable, Unavailable], told
        with pytest.raises(Unavailable, match="cannot connect") as caught:
            await store.get("a")
        assert (caught.value.sent, caught.value.backend) == ("no", "upstash")
        await asyncio.to_thread(victim.restart)

        await store.set("a", TWO)
        found = await store.get("a")
        assert found is not None
        assert found.vector == TWO


async def test_a_paused_server_is_given_up_in_time(victim: Upstash) -> None:
    async with opened(victim, timeout=0.3) as store:
        await store.set("a", ONE)
        victim.pause()
        try:
            started = monotonic()
            calls = (store.get("a"), store.set("a", TWO), store.search(ONE))
            told = await asyncio.gather(*calls, return_exceptions=True)
            assert monotonic() - started < 2
        finally:
            victim.resume()
        assert [type(one) for one in told] == [TimedOut] * 3, told
        assert all(isinstance(one, TimedOut) and one.sent == "maybe" for one in told)

        assert (await store.search(ONE))[0].id == "a"


async def test_a_paused_server_is_told_when_it_opens(victim: Upstash) -> None:
    victim.pause()
    try:
        started = monotonic()
        with pytest.raises(TimedOut):
            async with opened(victim, connect_timeout=0.3):
                pass
        assert monotonic() - started < 2
    finally:
        victim.resume()


async def test_a_connection_that_is_lost_after_the_request_may_have_written(
    victim: Upstash,
) -> None:
    async with proxied(victim) as (store, proxy):
        await store.set("a", ONE)
        proxy.after_request("reset")
        with pytest.raises(Unavailable) as caught:
            await store.set("b", TWO)
        assert (caught.value.sent, proxy.struck) == ("maybe", 1)

        assert await store.get("a") is not None


async def test_half_an_answer_is_none(victim: Upstash) -> None:
    async with proxied(victim) as (store, proxy):
        await store.set("a", ONE)
        proxy.in_answer("close", after=180)
        with pytest.raises(Unavailable):
            await store.get("a")
        assert proxy.struck == 1

        assert await store.get("a") is not None


async def test_a_corrupted_request_changes_no_other_record(victim: Upstash) -> None:
    async with proxied(victim) as (store, proxy):
        await store.set("a", ONE)
        proxy.in_request("corrupt", after=3)
        with pytest.raises(StorageError):
            await store.set("b", TWO)

        assert [id_ async for id_ in store.scan()] == ["a"]


async def test_a_call_that_is_throttled_says_how_long(victim: Upstash) -> None:
    async with opened(victim) as store:
        fault = {"status": 429, "body": '{"error":"x","status":429}'}
        victim.control(faults=[fault | {"headers": {"Retry-After": "2"}}])
        with pytest.raises(Throttled) as caught:
            await store.search(ONE)
        assert (caught.value.retry_after, caught.value.sent) == (2.0, "no")
        await store.set("a", ONE)


async def test_a_token_that_is_revoked_is_told(victim: Upstash) -> None:
    async with opened(victim) as store:
        victim.control(faults=[{"status": 401, "body": '{"error":"Unauthorized","status":401}'}])
        with pytest.raises(AuthError, match="the token is refused") as caught:
            await store.get("a")
        assert victim.token not in f"{caught.value}{caught.value!r}"
        assert await store.get("a") is None


async def test_a_cancelled_call_mixes_up_no_answers(victim: Upstash) -> None:
    async with opened(victim, connections=1) as store:
        ids = [f"v{number}" for number in range(8)]
        await store.set_many([Upsert(id_, ONE) for id_ in ids])
        for turn in range(12):
            calls = [asyncio.ensure_future(store.get(id_)) for id_ in ids]
            for _ in range(turn):
                await asyncio.sleep(0)
            calls[turn % 8].cancel()
            told = await asyncio.gather(*calls, return_exceptions=True)
            for id_, one in zip(ids, told, strict=True):
                if not isinstance(one, asyncio.CancelledError):
                    assert not isinstance(one, BaseException)
                    assert one is not None
                    assert one.id == id_


async def test_a_batch_tells_what_was_written_when_the_server_fails(victim: Upstash) -> None:
    big = Vector.of([0.5] * 1000)
    async with opened(victim) as store:
        items = [Upsert(f"v{number:03}", big) for number in range(120)]
        victim.control(
            faults=[
                {"endpoint": "upsert", "delay": 0.01},
                {"endpoint": "upsert", "status": 503, "body": "<html>"},
            ],
            counts={},
        )
        told = await store.set_many(items, outcomes=True)
        assert victim.control()["counts"]["upsert"] == 2
        failed = [one.error for one in told if isinstance(one, Failed)]
        assert 0 < len(failed) < 120
        assert all(type(error) is Unavailable for error in failed)
        assert {error.sent for error in failed} == {"maybe", "no"}
        stored = {id_ async for id_ in store.scan()}
        done = {item.id for item, one in zip(items, told, strict=True) if isinstance(one, Done)}
        assert done == stored


async def test_a_search_page_by_page_is_begun_again_after_a_restart(victim: Upstash) -> None:
    async with opened(victim) as store:
        await store.set_many([Upsert(f"v{number}", ONE) for number in range(9)])
        page = await store.bound.send(NearestPage(ONE, limit=4))
        assert page.next is not None
        await asyncio.to_thread(victim.kill)
        await asyncio.to_thread(victim.restart)
        with pytest.raises(Invalid, match="begin it again"):
            await store.bound.send(NearestPage(ONE, limit=4, cursor=page.next))


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://x"},
        {"url": "https://user:secret@x.example"},
        {"url": "https://x.example?secret"},
        {"url": ""},
        {"token": ""},
        {"token": "secret with space"},
        {"token": "secret\r\nx: y"},
        {"timeout": 0},
        {"timeout": float("nan")},
        {"connect_timeout": -1},
        {"connections": 0},
        {"search_lag": -1.0},
        {"search_lag": float("inf")},
    ],
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    given: dict[str, Any] = {"url": "https://x.example", "token": "token", **wrong}
    with pytest.raises(StackError) as caught:
        UpstashVectors(**given)
    assert "secret" not in str(caught.value)


async def test_calls_are_refused_unless_it_is_open() -> None:
    store = Stack().over(UpstashVectors("https://x.example", "token"))
    with pytest.raises(Closed):
        await store.get("a")
    await store.close()
