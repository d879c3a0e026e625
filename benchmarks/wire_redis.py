"""Redis through the facade, beside the bare client doing the same work on the same server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from benchmarks.report import Progress, Report
from benchmarks.timing import Subject, side_by_side
from lamina.backends.redis import RedisKeyValue
from lamina.domains.keyvalue import KeyValue
from lamina.stack import Stack
from lamina.testing.servers import Valkey

VALUE = bytes(range(100))
MANY = {f"many:{number:04}": VALUE for number in range(1000)}


async def measure(report: Report, progress: Progress, *, quick: bool) -> None:
    """Measure single operations, and batches of 1,000 beside the best that is written by hand."""
    with Valkey() as server:
        async with _both(server.url) as (ours, bare):
            progress.begin("redis")
            rounds = 6 if quick else 60
            single = await _timed(_single(ours, bare), progress, rounds, report)
            batches = await _timed(_batches(ours, bare), progress, rounds, report)
    section = "redis, bare redis-py's time / ours"
    for name in ("get", "set", "set with ttl"):
        ratio = single[f"redis-py, {name}"].ratio(single[f"lamina, {name}"])
        report.add(section, name, ratio, "ratio", target=0.97, least=True)
    for name in ("get_many", "set_many", "set_many with ttl"):
        ratio = batches[f"redis-py, {name}"].ratio(batches[f"lamina, {name}"])
        report.add(section, f"{name} of 1,000", ratio, "ratio", target=0.95, least=True)


@asynccontextmanager
async def _both(url: str) -> AsyncIterator[tuple[KeyValue, Any]]:
    """Give a store and a client with the same time limits, neither of which repeats anything."""
    bare = Redis.from_url(
        url, retry=Retry(NoBackoff(), 0), socket_timeout=5, socket_connect_timeout=5
    )
    try:
        async with Stack().over(RedisKeyValue(url)) as ours:
            yield ours, bare
    finally:
        await bare.aclose()


async def _timed(
    subjects: dict[str, Subject], progress: Progress, rounds: int, report: Report
) -> Any:
    for subject in subjects.values():
        await subject()
    timed = await side_by_side(subjects, progress=progress, rounds=rounds, calls=20_000)
    for name, each in timed.items():
        report.add("redis", name, each.quiet, "us")
    return timed


def _single(ours: KeyValue, bare: Any) -> dict[str, Subject]:
    return {
        "redis-py, set": lambda: bare.set("key", VALUE),
        "lamina, set": lambda: ours.set("key", VALUE),
        "redis-py, set with ttl": lambda: bare.set("key", VALUE, px=3_600_000),
        "lamina, set with ttl": lambda: ours.set("key", VALUE, ttl=3600),
        "redis-py, get": lambda: bare.get("key"),
        "lamina, get": lambda: ours.get("key"),
    }


def _batches(ours: KeyValue, bare: Any) -> dict[str, Subject]:
    async def pipelined() -> None:
        async with bare.pipeline(transaction=False) as pipeline:
            for key, value in MANY.items():
                pipeline.set(key, value, px=3_600_000)
            await pipeline.execute()

    keys = list(MANY)
    return {
        "redis-py, set_many": lambda: bare.mset(MANY),
        "lamina, set_many": lambda: ours.set_many(MANY),
        "redis-py, set_many with ttl": pipelined,
        "lamina, set_many with ttl": lambda: ours.set_many(MANY, ttl=3600),
        "redis-py, get_many": lambda: bare.mget(keys),
        "lamina, get_many": lambda: ours.get_many(keys),
    }
