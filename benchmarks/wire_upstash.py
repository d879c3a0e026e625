"""Upstash Vector through the facade, beside the bare SDK doing the same work on the same server."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from upstash_vector import AsyncIndex

from benchmarks.report import Progress, Report
from benchmarks.timing import Subject, side_by_side
from lamina.backends.upstash import UpstashVectors
from lamina.domains.vectors import Upsert, Vectors
from lamina.stack import Stack
from lamina.testing.servers import Upstash
from lamina.values import Json, Vector

DIMENSION = 384
SECTION = "upstash vector, bare upstash-vector's time / ours"


async def measure(report: Report, progress: Progress, *, quick: bool) -> None:
    """Measure single operations, and a batch of records beside a loop of single ones."""
    with Upstash() as server:
        async with _both(server) as (ours, bare):
            progress.begin("upstash vector")
            single = await _timed(ours, bare, progress, 6 if quick else 40)
        async with _both(server) as (ours, _):
            many = await _batch(ours, progress, 500 if quick else 10_000, 1 if quick else 3)
    for name in ("query", "fetch", "upsert"):
        for whose in ("upstash-vector", "lamina"):
            report.add("upstash vector", f"{whose}, {name}", single[f"{whose}, {name}"].quiet, "us")
        ratio = single[f"upstash-vector, {name}"].ratio(single[f"lamina, {name}"])
        report.add(SECTION, name, ratio, "ratio", target=0.97, least=True)
    count = 500 if quick else 10_000
    name = f"{count:,} upserts: a loop's time / by batches"
    report.add("upstash vector", name, many, "ratio", target=5, least=True)


@asynccontextmanager
async def _both(server: Upstash) -> AsyncIterator[tuple[Vectors, Any]]:
    """Give a store and the SDK over one empty index; neither repeats anything."""
    url, token = server.index("dense")
    bare = AsyncIndex(url, token, retries=0, allow_telemetry=False)
    try:
        async with Stack().over(UpstashVectors(url, token)) as ours:
            yield ours, bare
    finally:
        await bare._client.aclose()


async def _timed(ours: Vectors, bare: Any, progress: Progress, rounds: int) -> Any:
    records = _records(100)
    await ours.set_many(records)
    vector = records[0].vector
    assert vector is not None
    numbers = [*vector.numbers()]
    metadata = {"n": 1, "tag": "x"}
    flags = {"include_metadata": True, "include_data": True}
    subjects: dict[str, Subject] = {
        "upstash-vector, query": lambda: bare.query(vector=numbers, top_k=10, **flags),
        "lamina, query": lambda: ours.search(vector, top_k=10),
        "upstash-vector, fetch": lambda: bare.fetch(["v0"], include_vectors=True, **flags),
        "lamina, fetch": lambda: ours.get("v0"),
        "upstash-vector, upsert": lambda: bare.upsert([("v0", numbers, metadata)]),
        "lamina, upsert": lambda: ours.set("v0", vector, metadata=metadata),
    }
    for subject in subjects.values():
        await subject()
    return await side_by_side(subjects, progress=progress, rounds=rounds, calls=100_000)


async def _batch(ours: Vectors, progress: Progress, count: int, rounds: int) -> float:
    records = _records(count)

    async def one_by_one() -> None:
        for record in records:
            assert record.vector is not None
            await ours.set(record.id, record.vector, metadata={"n": 1})

    subjects: dict[str, Subject] = {
        "loop": one_by_one,
        "batches": lambda: ours.set_many(records),
    }
    taken: dict[str, list[float]] = {name: [] for name in subjects}
    for number in range(rounds):
        progress.step(number, rounds)
        for name, subject in subjects.items():
            taken[name].append(await _seconds(subject))
    progress.step(rounds, rounds)
    return min(taken["loop"]) / min(taken["batches"])


async def _seconds(subject: Subject) -> float:
    began = time.perf_counter()
    await subject()
    return time.perf_counter() - began


def _records(count: int) -> list[Upsert]:
    rng = random.Random(1)
    return [
        Upsert(
            f"v{number}",
            Vector.of(rng.gauss(0, 1) for _ in range(DIMENSION)),
            metadata=Json.of({"n": 1}),
        )
        for number in range(count)
    ]
