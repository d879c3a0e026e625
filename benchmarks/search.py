"""Search over 100,000 stored vectors: time, recall, and how long the event loop is held up."""

from __future__ import annotations

import asyncio
import math
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import Progress, Report
from lamina.backends.sqlite import SqliteVectors
from lamina.domains.vectors import Upsert, Vectors
from lamina.filters import F, Filter
from lamina.stack import Stack
from lamina.values import Json, Vector

DIMENSION, BATCH, SEARCHES, TICK = 256, 200, 100, 0.001
FILTERS: dict[str, Filter | None] = {
    "unfiltered": None,
    "filter keeps 90 %": F.bucket < 90,
    "filter keeps 20 %": F.bucket < 20,
    "filter keeps 1 %": F.bucket == 3,
}


class Figures:
    """The section's rows; stalls are those added to what the idle loop has by itself."""

    def __init__(self, report: Report, section: str, idle: list[float]) -> None:
        self.report = report
        self.section = section
        self.idle = _p99(idle)

    def add(
        self,
        name: str,
        value: float,
        unit: str,
        target: float | None = None,
        *,
        least: bool = False,
    ) -> None:
        self.report.add(self.section, name, value, unit, target=target, least=least)

    def add_stall(self, name: str, late: list[float], most: float) -> None:
        self.add(
            f"{name}: added stall of the loop, p99", max(0, _p99(late) - self.idle), "ms", most
        )


async def measure(report: Report, progress: Progress, *, quick: bool) -> None:
    """Fill a database, open it again, search it; a ticking task sees how late the loop is."""
    count = 10_000 if quick else 100_000
    rows = _rows(count)
    async with _stalls() as idle:
        await asyncio.sleep(2)
    figures = Figures(report, f"search over {count:,} vectors in SQLite", idle)
    figures.add("stall of the idle loop, p99", figures.idle, "ms")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vectors.db"
        async with _store(path) as store:
            progress.begin("ingest")
            async with _stalls() as late:
                await _ingest(store, rows, progress)
            figures.add_stall("ingest", late, 20)
        async with _store(path) as store:
            progress.begin("first search: load")
            began = time.perf_counter()
            async with _stalls() as late:
                await store.search(Vector(rows[0].tobytes()))
            figures.add("first search after opening", time.perf_counter() - began, "s")
            figures.add_stall("load", late, 20)
            for name, where in FILTERS.items():
                progress.begin(f"search, {name}")
                await _search(figures, store, rows, name, where)


@asynccontextmanager
async def _store(path: Path) -> AsyncIterator[Vectors]:
    async with Stack().over(SqliteVectors(path)) as store:
        yield store


async def _ingest(store: Vectors, rows: Any, progress: Progress) -> None:
    for start in range(0, len(rows), BATCH):
        progress.step(start, len(rows))
        items: list[Upsert] = []
        for number in range(start, min(start + BATCH, len(rows))):
            metadata = Json(b'{"bucket":%d}' % (number % 100))
            items.append(Upsert(f"id {number}", Vector(rows[number].tobytes()), metadata=metadata))
            if number % 20 == 0:
                await asyncio.sleep(0)  # making the vectors is the benchmark's own work
        await store.set_many(items)


async def _search(
    figures: Figures, store: Vectors, rows: Any, name: str, where: Filter | None
) -> None:
    random = np.random.default_rng(1)
    chosen = rows[random.choice(len(rows), SEARCHES, replace=False)]
    queries = chosen + 0.05 * random.standard_normal(chosen.shape, dtype=np.float32)
    took: list[float] = []
    hits: list[set[str]] = []
    async with _stalls() as late:
        for query in queries:
            vector = Vector(query.astype(np.float32).tobytes())
            await asyncio.sleep(0)
            began = time.perf_counter()
            found = await store.search(vector, filter=where)
            took.append((time.perf_counter() - began) * 1000)
            hits.append({match.id for match in found})
    figures.add(f"{name}: p50", float(np.median(took)), "ms", 10)
    figures.add(
        f"{name}: recall@10", _recall(rows, queries, hits, where), "share", 0.95, least=True
    )
    figures.add_stall(name, late, 5)


def _recall(rows: Any, queries: Any, hits: list[set[str]], where: Filter | None) -> float:
    kept = [n for n in range(len(rows)) if where is None or where.matches({"bucket": n % 100})]
    unit = rows[kept] / np.linalg.norm(rows[kept], axis=1, keepdims=True)
    shares: list[float] = []
    for query, found in zip(queries[:20], hits, strict=False):
        best = np.argsort(-(unit @ query), kind="stable")[:10]
        shares.append(len({f"id {kept[place]}" for place in best} & found) / 10)
    return float(np.mean(shares))


def _rows(count: int) -> Any:
    """Return a mixture of clusters in about 48 of the dimensions, as embeddings are."""
    random = np.random.default_rng(0)
    basis = random.standard_normal((48, DIMENSION), dtype=np.float32)
    centres = random.standard_normal((200, 48), dtype=np.float32)
    points = centres[random.integers(0, 200, count)]
    points = points + 0.5 * random.standard_normal((count, 48), dtype=np.float32)
    return (points @ basis).astype(np.float32)


@asynccontextmanager
async def _stalls() -> AsyncIterator[list[float]]:
    """Tick each millisecond meanwhile; collect how many milliseconds each tick came late."""
    late: list[float] = []

    async def tick() -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + TICK
            await asyncio.sleep(TICK)
            late.append((loop.time() - due) * 1000)

    ticking = asyncio.ensure_future(tick())
    try:
        yield late
    finally:
        ticking.cancel()


def _p99(late: list[float]) -> float:
    return sorted(late)[math.ceil(0.99 * len(late)) - 1] if late else 0.0
