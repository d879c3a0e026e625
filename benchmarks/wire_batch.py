"""Single reads by many callers at once, through Batch, beside the bare clients doing the same."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
from redis.asyncio import Redis
from redis.asyncio.retry import Retry as Never
from redis.backoff import NoBackoff

from benchmarks.report import Progress, Report
from lamina.backends.postgres import PostgresDocuments
from lamina.backends.redis import RedisKeyValue
from lamina.domains.documents import Write
from lamina.layers.batch import Batch
from lamina.layers.breaker import Breaker
from lamina.layers.metrics import Metrics
from lamina.layers.retry import Retry
from lamina.layers.timeout import Timeout
from lamina.stack import Stack
from lamina.testing.servers import Postgres, Valkey

VALUE = bytes(range(100))
KEYS = [f"key:{number:04}" for number in range(1000)]
IDS = [f"document:{number:04}" for number in range(1000)]
READ = (
    "SELECT id, content, metadata::text, version, path, created_at, updated_at "
    "FROM lamina.lamina_documents WHERE scope = '' AND id = $1"
)

Read: TypeAlias = Callable[[str], Awaitable[object]]
Load: TypeAlias = Callable[[Read], Awaitable[int]]


async def measure(report: Report, progress: Progress, *, quick: bool) -> None:
    """Measure workers that loop, and rounds of gather, over Valkey and PostgreSQL."""
    turns = 5 if quick else 25
    await _values(report, progress, turns)
    await _documents(report, progress, turns)


async def _values(report: Report, progress: Progress, turns: int) -> None:
    progress.begin("batch, values")
    stacks = {
        "Batch": Stack(Batch()),
        "Metrics, Batch, Retry, Breaker, Timeout": Stack(
            Metrics(), Batch(), Retry(), Breaker(), Timeout(5.0)
        ),
        "no layer": Stack(),
    }
    with Valkey() as server:
        async with AsyncExitStack() as parts:
            reads: dict[str, Read] = {
                "redis-py": (await parts.enter_async_context(_bare(server.url))).get
            }
            for name, stack in stacks.items():
                store = await parts.enter_async_context(stack.over(RedisKeyValue(server.url)))
                reads[name] = store.get
                await store.set_many(dict.fromkeys(KEYS, VALUE))
            loads = {"100 workers": _workers(100, KEYS), "rounds of 100": _rounds(100, KEYS)}
            taken = await _taken(loads, reads, progress, turns)
    section = "batch, bare redis-py's time / ours"
    targets = {("100 workers", "Batch"): 8.0, ("rounds of 100", "Batch"): 5.0}
    targets["100 workers", "Metrics, Batch, Retry, Breaker, Timeout"] = 7.0
    _tell(report, section, taken, "redis-py", targets)


async def _documents(report: Report, progress: Progress, turns: int) -> None:
    progress.begin("batch, documents")
    with Postgres() as server:
        url = server.database()
        async with (
            Stack(Batch()).over(PostgresDocuments(url)) as ours,
            Stack().over(PostgresDocuments(url)) as plain,
            asyncpg.create_pool(url, command_timeout=10) as pool,
        ):
            await ours.set_many([Write(id_, "words " * 50) for id_ in IDS])
            reads: dict[str, Read] = {
                "asyncpg's pool": lambda id_: pool.fetchrow(READ, id_),
                "Batch": ours.get,
                "no layer": plain.get,
            }
            loads = {"documents, 50 workers": _workers(50, IDS)}
            taken = await _taken(loads, reads, progress, turns)
    section = "batch, bare asyncpg's time / ours"
    targets = {("documents, 50 workers", "Batch"): 4.0}
    _tell(report, section, taken, "asyncpg's pool", targets)


@asynccontextmanager
async def _bare(url: str) -> AsyncIterator[Any]:
    """Give a client with the same time limits, which repeats nothing."""
    bare = Redis.from_url(
        url, retry=Never(NoBackoff(), 0), socket_timeout=5, socket_connect_timeout=5
    )
    try:
        yield bare
    finally:
        await bare.aclose()


def _workers(count: int, keys: list[str], each: int = 40) -> Load:
    """Return a load of so many workers, each of which asks *each* times, one after the other."""

    async def load(read: Read) -> int:
        async def worker(number: int) -> None:
            for turn in range(each):
                await read(keys[(number * each + turn) % len(keys)])

        await asyncio.gather(*map(worker, range(count)))
        return count * each

    return load


def _rounds(count: int, keys: list[str], rounds: int = 40) -> Load:
    """Return a load of rounds, in each of which *count* reads are gathered."""

    async def load(read: Read) -> int:
        for turn in range(rounds):
            asked = (keys[(number + turn) % len(keys)] for number in range(count))
            await asyncio.gather(*map(read, asked))
        return rounds * count

    return load


async def _taken(
    loads: Mapping[str, Load], reads: Mapping[str, Read], progress: Progress, turns: int
) -> dict[tuple[str, str], list[float]]:
    """Return microseconds for a read, a figure a turn; in each turn all have theirs."""
    taken: dict[tuple[str, str], list[float]] = {}
    for turn in range(turns + 1):  # the first warms up
        progress.step(turn, turns)
        for load_name, load in loads.items():
            for name, read in reads.items():
                gc.collect()
                gc.disable()
                began = time.perf_counter()
                count = await load(read)
                took = (time.perf_counter() - began) / count * 1e6
                gc.enable()
                if turn:
                    taken.setdefault((load_name, name), []).append(took)
    return taken


def _tell(
    report: Report,
    section: str,
    taken: dict[tuple[str, str], list[float]],
    bare: str,
    targets: dict[tuple[str, str], float],
) -> None:
    for (load, name), each in taken.items():
        report.add("batch", f"{load}: {name}", statistics.median(each), "us")
        if name != bare:
            pairs = zip(taken[load, bare], each, strict=True)
            ratio = statistics.median(theirs / ours for theirs, ours in pairs)
            target = targets.get((load, name))
            report.add(section, f"{load}: {name}", ratio, "ratio", target=target, least=True)
