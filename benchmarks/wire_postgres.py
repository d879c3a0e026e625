"""PostgreSQL through the facade, beside bare asyncpg, on a server that is started here."""

from __future__ import annotations

import os
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg

from benchmarks.report import Progress, Report
from benchmarks.timing import Subject, side_by_side
from lamina.backends.postgres import PostgresDocuments, PostgresKeyValue, PostgresVectors
from lamina.backends.postgres.documents_sql import Statements as DocumentStatements
from lamina.backends.postgres.keyvalue_sql import Statements
from lamina.backends.postgres.schema import SPLIT, statements
from lamina.backends.postgres.written import indexed
from lamina.domains.documents import Documents, Write
from lamina.domains.keyvalue import KeyValue
from lamina.domains.vectors import Upsert
from lamina.stack import Stack
from lamina.testing.servers import Postgres
from lamina.values import Vector

VALUE = bytes(range(100))
MANY = {f"many:{number:04}": VALUE for number in range(1000)}
COLUMNS = ("scope", "id", "path", "content", "metadata", "exact", "words", "weights")
Load = Callable[[Sequence[Write]], Coroutine[Any, Any, object]]


async def measure(report: Report, progress: Progress, *, quick: bool) -> None:
    """Measure single operations, batches, documents in bulk, and records one by one or not."""
    with _on_one_core(), Postgres() as server:
        await _values(server.database(), report, progress, quick=quick)
    with Postgres() as server:
        await _documents(server.database(), report, progress, quick=quick)
        await _vectors(server.database(), report, progress, quick=quick)


@contextmanager
def _on_one_core() -> Iterator[None]:
    """Keep this process, and what it starts, on one core.

    Else a call takes twice as long whenever the scheduler puts the two sides on different ones.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


async def _values(url: str, report: Report, progress: Progress, *, quick: bool) -> None:
    progress.begin("postgres, values")
    async with (
        Stack().over(PostgresKeyValue(url)) as ours,
        _bare(url) as bare,
        asyncpg.create_pool(url, command_timeout=10, min_size=1) as pool,
    ):
        timed = await side_by_side(
            _subjects(ours, bare, pool),
            progress=progress,
            rounds=6 if quick else 60,
            calls=40_000,
        )
    for name, each in timed.items():
        report.add("postgres", name, each.quiet, "us")
    section = "postgres, bare asyncpg's time / ours"
    for name in ("get", "set", "get_many", "set_many"):
        ratio = timed[f"asyncpg's pool, {name}"].ratio(timed[f"lamina, {name}"])
        target = 0.95 if name.endswith("many") else 0.97
        report.add(section, f"{name}, pooled as ours is", ratio, "ratio", target=target, least=True)
    for name in ("get", "set"):  # that gives one caller at a time its answer
        ratio = timed[f"one connection, {name}"].ratio(timed[f"lamina, {name}"])
        report.add(section, f"{name}, one connection that nobody shares", ratio, "ratio")


@asynccontextmanager
async def _bare(url: str) -> AsyncIterator[Any]:
    """Give one connection with the same time limit."""
    connection = await asyncpg.connect(url, command_timeout=10)
    try:
        yield connection
    finally:
        await connection.close()


def _subjects(ours: KeyValue, bare: Any, pool: Any) -> dict[str, Subject]:
    sql = statements(Statements, "lamina")
    keys, values = list(MANY), list(MANY.values())

    async def get_many() -> list[bytes | None]:
        found = {row[0]: row[1] for row in await pool.fetch(sql.get_many, "", keys)}
        return [found.get(key) for key in keys]

    return {
        "one connection, set": lambda: bare.execute(sql.set, "", "key", VALUE, None),
        "asyncpg's pool, set": lambda: pool.execute(sql.set, "", "key", VALUE, None),
        "lamina, set": lambda: ours.set("key", VALUE),
        "one connection, get": lambda: bare.fetchval(sql.get, "", "key"),
        "asyncpg's pool, get": lambda: pool.fetchval(sql.get, "", "key"),
        "lamina, get": lambda: ours.get("key"),
        "asyncpg's pool, set_many": lambda: pool.execute(sql.set_many, "", keys, values, None),
        "lamina, set_many": lambda: ours.set_many(MANY),
        "asyncpg's pool, get_many": get_many,
        "lamina, get_many": lambda: ours.get_many(keys),
    }


async def _documents(url: str, report: Report, progress: Progress, *, quick: bool) -> None:
    progress.begin("postgres, documents in bulk")
    items = _texts(1_000 if quick else 10_000)
    async with Stack().over(PostgresDocuments(url, timeout=60)) as ours, _bare(url) as bare:
        await bare.execute("CREATE TABLE plain (id text PRIMARY KEY, content text, metadata jsonb)")
        loads = _loads(ours, bare)
        taken: dict[str, list[float]] = {name: [] for name in loads}
        for number in range(2 if quick else 5):
            progress.step(number, 5)
            for name, load in loads.items():
                await bare.execute("TRUNCATE lamina.lamina_documents, plain")
                began = time.perf_counter()
                await load(items)
                taken[name].append(time.perf_counter() - began)
    best = {name: min(each) for name, each in taken.items()}
    section = f"postgres, {len(items):,} documents of 2 KB"
    for name, seconds in best.items():
        report.add(section, name, seconds, "s")
    ratio = best["lamina, set_many"] / best["asyncpg, executemany, words made before"]
    report.add(section, "lamina / executemany of the same rows", ratio, "ratio", target=1.2)


def _texts(count: int) -> list[Write]:
    rng = random.Random(7)
    vocabulary = ["".join(rng.choices("etaoinshrdlu", k=rng.randint(2, 11))) for _ in range(8000)]
    odds = [1 / rank for rank in range(1, len(vocabulary) + 1)]
    texts = (" ".join(rng.choices(vocabulary, odds, k=340))[:2000] for _ in range(count))
    return [Write(f"d{number:05}", text) for number, text in enumerate(texts)]


def _loads(ours: Documents, bare: Any) -> dict[str, Load]:
    ours_is = statements(DocumentStatements, "lamina").write
    write = ours_is.replace(SPLIT % "$7", "$7")  # the words as an array, as one would give them
    made: dict[str, tuple[Any, ...]] = {}

    def rows(items: Sequence[Write]) -> list[tuple[Any, ...]]:
        for item in items if not made else ():
            made[item.id] = ("", item.id, None, item.content, "{}", None, *indexed(item.content))
        return [*made.values()]

    async def with_words(items: Sequence[Write]) -> None:
        fresh = [("", i.id, None, i.content, "{}", None, *indexed(i.content)) for i in items]
        await bare.executemany(write, fresh, timeout=60)

    return {
        "lamina, set_many": ours.set_many,
        "asyncpg, executemany, words made before": lambda items: bare.executemany(
            write, rows(items), timeout=60
        ),
        "asyncpg, executemany, words made then": with_words,
        "asyncpg, copy, words made before": lambda items: bare.copy_records_to_table(
            "lamina_documents",
            schema_name="lamina",
            records=rows(items),
            columns=COLUMNS,
            timeout=60,
        ),
        "asyncpg, executemany, no search": lambda items: bare.executemany(
            "INSERT INTO plain VALUES ($1, $2, '{}')", [(i.id, i.content) for i in items]
        ),
    }


async def _vectors(url: str, report: Report, progress: Progress, *, quick: bool) -> None:
    progress.begin("postgres, vectors")
    rng = random.Random(7)
    count = 500 if quick else 3_000
    items = [
        Upsert(f"v{number}", Vector.of([rng.gauss(0, 1) for _ in range(64)]))
        for number in range(count)
    ]
    async with Stack().over(PostgresVectors(url, schema="together", timeout=60)) as ours:
        began = time.perf_counter()
        await ours.set_many(items)
        together = time.perf_counter() - began
    async with Stack().over(PostgresVectors(url, schema="single", timeout=60)) as ours:
        began = time.perf_counter()
        for item in items:
            await ours.bound.send(item)
        single = time.perf_counter() - began
    section = f"postgres, {count:,} vectors of 64 numbers into an index"
    report.add(section, "set_many", together, "s")
    report.add(section, "one by one", single, "s")
