"""The second tier in a real server, which stops, dies and forgets."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from cache_backend import cache_of

from lamina.backends.memory import MemoryDocuments, MemoryKeyValue
from lamina.backends.redis import RedisKeyValue
from lamina.layers.cache import Cache
from lamina.stack import Stack
from lamina.testing.servers import Valkey

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

pytestmark = pytest.mark.server
LIMIT = 0.1


@asynccontextmanager
async def processes(
    server: Valkey, backend: Any, **told: Any
) -> AsyncGenerator[tuple[Any, Any, Any]]:
    """Give two processes over one backend, with a store of their own each, and that backend."""
    url = server.url
    async with (
        Stack().over(RedisKeyValue(url, timeout=5.0)) as one,
        Stack().over(RedisKeyValue(url, timeout=5.0)) as two,
        Stack(_cache(one, told)).over(backend) as first,
        Stack(_cache(two, told)).over(backend) as second,
    ):
        yield first, second, Stack().over(backend)


def _cache(l2: Any, told: Any) -> Cache:
    tier = {"l2": l2, "l2_namespace": "x", "l2_ttl": 600.0, "l2_timeout": LIMIT, "l2_pause": 0.2}
    return Cache(1e-6, doubt=1.0, **tier, **told)


def stats(store: Any) -> Any:
    return cache_of(store).stats().second


async def until(fact: Callable[[], bool], store: Any, key: str = "a") -> None:
    """Read until *fact* is one."""
    ends = time.monotonic() + 20
    while not fact():
        assert time.monotonic() < ends, stats(store)
        await store.get(key)
        await asyncio.sleep(0.02)


async def settled(store: Any, key: str) -> bytes:
    """Read, and wait a little until the answer was found or is stored, which it need not be."""

    def ended() -> int:
        one = stats(store)
        return int(one.hits + one.stored + one.failed + one.skipped)

    before, ends = ended(), time.monotonic() + 0.05
    told: bytes = await store.get(key)
    while ended() == before and time.monotonic() < ends:
        await asyncio.sleep(0)
    return told


async def test_processes_share_answers_and_see_each_other_s_writes() -> None:
    with Valkey() as server:
        async with processes(server, MemoryDocuments()) as (one, two, _):
            await one.set("a", "text", metadata={"n": [1, 2.5, None]})
            await until(lambda: stats(one).stored > 0, one)
            before = stats(two).hits
            told = await two.get("a")
            assert (told, stats(two).hits) == (await one.get("a"), before + 1)

            await two.set("a", "other")
            assert (await one.get("a")).content == "other"


async def test_a_stopped_server_costs_its_timeout_once_and_a_write_is_not_lost_on_it() -> None:
    with Valkey() as server:
        async with processes(server, MemoryKeyValue()) as (one, two, _):
            await one.set("a", b"1")
            await until(lambda: stats(one).hits > 0, one)
            server.pause()
            try:
                began = time.monotonic()
                for _ in range(20):
                    assert await one.get("a") == b"1"
                took = time.monotonic() - began
                await one.set("a", b"2")
                assert await one.get("a") == b"2"
                assert LIMIT * 0.8 < took < 20 * LIMIT
                assert not stats(one).available
            finally:
                server.resume()
            await until(lambda: stats(one).available, one)
            for _ in range(20):
                assert [await one.get("a"), await two.get("a")] == [b"2", b"2"]
            before = stats(one).hits
            await until(lambda: stats(one).hits > before, one)


async def test_a_server_that_died_and_came_back_empty_is_used_again() -> None:
    with Valkey() as server:
        async with processes(server, MemoryKeyValue()) as (one, two, clean):
            await one.set("a", b"1")
            await until(lambda: stats(one).hits > 0, one)
            server.kill()
            assert [await one.get("a"), await two.get("a")] == [b"1", b"1"]
            await one.set("a", b"2")
            assert await one.get("a") == b"2"
            server.restart()
            before = stats(one).hits
            await until(lambda: stats(one).hits > before, one)
            assert [await one.get("a"), await two.get("a")] == [await clean.get("a")] * 2


async def test_a_full_server_that_evicts_gives_nothing_old() -> None:
    with Valkey(["--maxmemory-policy", "allkeys-lru"]) as server:
        async with processes(server, MemoryKeyValue()) as (one, two, _):
            with server.connection() as run:
                used = int(str(run("INFO", "memory")).partition("used_memory:")[2].split()[0])
                run("CONFIG", "SET", "maxmemory", str(used + 2_000_000))
            for turn in range(3):
                for key in range(60):
                    await one.set(f"{key}", b"%d" % turn + bytes(60_000))
                await asyncio.sleep(1.1)
                for key in range(60):
                    for store in (one, two, two):
                        told = await settled(store, f"{key}")
                        assert told[:1] == b"%d" % turn
            assert stats(two).hits > 0
            with server.connection() as run:
                assert "evicted_keys:0\r" not in str(run("INFO", "stats"))
