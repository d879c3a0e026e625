"""Measure `lamina.index`: search time, recall, and how long the event loop is held up.

Run as ``python -m benchmarks.bench_index``. Searches and writes run in a worker thread; the loop
ticks every millisecond, and a stall is what a tick comes late. "idle" is the machine's own.
"""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.filters import F, Filter
from lamina.index import VectorIndex
from lamina.values import Vector

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

ROWS, DIMENSION, BATCH, SEARCHES = 100_000, 256, 1000, 100
TICK = 0.001
FILTERS: dict[str, Filter | None] = {
    "unfiltered": None,
    "90 %": F.bucket < 90,
    "20 %": F.bucket < 20,
    "1 %": F.bucket == 3,
}


def main() -> dict[str, Any]:
    """Run it all, print as it goes, and return the numbers (milliseconds)."""
    return asyncio.run(_run())


async def _run() -> dict[str, Any]:
    rows = _rows()
    index = VectorIndex()
    results: dict[str, Any] = {}
    results["idle"] = await _timed("idle", lambda: time.sleep(0.02))
    await _load(index, rows, results)
    random = np.random.default_rng(1)
    queries = rows[random.choice(ROWS, SEARCHES, replace=False)]
    queries = queries + 0.05 * random.standard_normal(queries.shape, dtype=np.float32)
    for name, where in FILTERS.items():
        vectors = iter([Vector(query.tobytes()) for query in queries])
        timed = await _timed(name, lambda: index.search(next(vectors), filter=where))  # noqa: B023
        timed["recall"] = _recall(index, rows, queries[:20], where)
        results[name] = timed
        print(f"  recall@10 {timed['recall']:.3f}")
    await _churn(index, rows, results)
    return results


async def _load(index: VectorIndex, rows: NDArray[np.float32], results: dict[str, Any]) -> None:
    starts = iter(range(0, ROWS, BATCH))

    def load_batch() -> None:
        start = next(starts)
        numbers = range(start, start + BATCH)
        vectors = [Vector(row.tobytes()) for row in rows[start : start + BATCH]]
        metadata = [_metadata(number) for number in numbers]
        index.put_many([f"id{number}" for number in numbers], vectors, metadata)

    begun = time.perf_counter()
    results["load"] = await _timed(f"load, by {BATCH}", load_batch)
    results["load seconds"] = time.perf_counter() - begun
    print(f"  {ROWS} loaded in {results['load seconds']:.2f} s")


async def _churn(index: VectorIndex, rows: NDArray[np.float32], results: dict[str, Any]) -> None:
    numbers = iter(range(ROWS))

    def replace() -> None:
        for _ in range(300):
            number = next(numbers)
            vector = Vector(rows[number].tobytes())
            index.put(f"id{number}", vector, metadata=_metadata(number))

    results["replace 300"] = await _timed("replace 300", replace)
    print(f"  {len(index)} left")


def _rows() -> NDArray[np.float32]:
    random = np.random.default_rng(0)
    rows = random.standard_normal((ROWS, DIMENSION), dtype=np.float32)
    rows += random.standard_normal((200, DIMENSION), dtype=np.float32)[np.arange(ROWS) % 200]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def _metadata(number: int) -> dict[str, Any]:
    return {"bucket": number % 100, "chat": f"c{number % 1000}", "user": {"id": number}}


async def _timed(name: str, run: Callable[[], object]) -> dict[str, float]:
    """Time *run* in a thread, and how late the loop is meanwhile."""
    late: list[float] = []
    ticking = asyncio.create_task(_tick(late))
    await asyncio.sleep(0.01)
    late.clear()
    took: list[float] = []
    for _ in range(SEARCHES):
        begun = time.perf_counter()
        await asyncio.to_thread(run)
        took.append(time.perf_counter() - begun)
    ticking.cancel()
    found = {
        "p50": float(np.percentile(took, 50)) * 1e3,
        "p99": float(np.percentile(took, 99)) * 1e3,
        "stall p50": float(np.percentile(late, 50)) * 1e3,
        "stall p99": float(np.percentile(late, 99)) * 1e3,
        "stall worst": max(late) * 1e3,
    }
    print(f"{name:>14}  " + "  ".join(f"{key} {value:.2f}" for key, value in found.items()))
    return found


async def _tick(late: list[float]) -> None:
    clock = asyncio.get_running_loop().time
    before = clock()
    while True:
        await asyncio.sleep(TICK)
        now = clock()
        late.append(now - before - TICK)
        before = now


def _recall(
    index: VectorIndex,
    rows: NDArray[np.float32],
    queries: NDArray[np.float32],
    where: Filter | None,
) -> float:
    kept = [n for n in range(ROWS) if where is None or where.matches(_metadata(n))]
    hits = 0
    for query in queries:
        scores = rows[kept].astype(np.float64) @ query.astype(np.float64)
        best = {f"id{kept[place]}" for place in np.argpartition(scores, -10)[-10:]}
        found = index.search(Vector(query.tobytes()), filter=where)
        assert all(one.score >= other.score for one, other in pairwise(found))
        hits += len(best & {hit.id for hit in found})
    return hits / (10 * len(queries))


if __name__ == "__main__":
    main()
