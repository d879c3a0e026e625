"""Batch over the other services: searches and fetches, heads of objects, documents by id."""

from __future__ import annotations

import asyncio
import random
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import pytest

from lamina.backends.postgres import PostgresDocuments
from lamina.backends.s3 import S3Media
from lamina.backends.upstash import UpstashVectors
from lamina.batches import AT_ONCE
from lamina.domains.media import Head
from lamina.errors import Invalid
from lamina.filters import F
from lamina.layers.batch import Batch, BatchStatus
from lamina.layers.limit import Limit
from lamina.layers.retry import Retry
from lamina.layers.timeout import Timeout
from lamina.stack import Stack
from lamina.values import Vector

if TYPE_CHECKING:
    from lamina.testing.servers import S3, Postgres, Upstash

pytestmark = pytest.mark.server

COUNT = 40


def over(backend: Any, *more: Any) -> Any:
    return Stack(Batch(), Retry(3), *more, Timeout(10.0)).over(backend)


def status(store: Any) -> BatchStatus:
    layer = store.bound.layer(Batch)
    assert layer is not None
    told: BatchStatus = layer.status()
    assert (told.pending, told.running) == (0, 0)
    return told


def place(number: int) -> Vector:
    rng = random.Random(number)
    return Vector.of([rng.uniform(-1.0, 1.0), rng.uniform(-1.0, 1.0)])


async def test_searches_and_fetches_of_upstash_go_together(upstash: Upstash) -> None:
    url, token = upstash.index("dense")
    async with over(UpstashVectors(url, token)) as store:
        keys = [f"r{number}" for number in range(COUNT)]
        await asyncio.gather(
            *(store.set(key, place(at), metadata={"n": at}) for at, key in enumerate(keys))
        )

        records = await asyncio.gather(*map(store.get, keys), store.get("absent"))
        found = await asyncio.gather(
            *(store.search(place(at), top_k=1) for at in range(COUNT)),
            *(store.search(place(at), top_k=5, filter=F.n == at) for at in range(5)),
            store.search(Vector.of([1.0])),
            return_exceptions=True,
        )

        assert [record and record.metadata["n"] for record in records] == [*range(COUNT), None]
        assert [matches[0].id for matches in found[:COUNT]] == keys
        assert [[match.id for match in matches] for matches in found[COUNT:-1]] == [
            [key] for key in keys[:5]
        ]
        assert isinstance(found[-1], Invalid)  # alone: it fails nobody else
        told = status(store)
        assert told.batches <= 6
        assert told.items >= 3 * COUNT


async def test_heads_of_objects_are_asked_so_many_at_once(s3: S3) -> None:
    backend = S3Media(
        "lamina",
        prefix=f"{token_hex(8)}/",
        endpoint=s3.url,
        region=s3.region,
        access_key=s3.access_key,
        secret_key=s3.secret_key,
    )
    at_once = Limit(AT_ONCE)  # it refuses what is more
    async with over(backend, at_once) as store:
        await asyncio.gather(*(store.set(f"k{at}", b"x" * at) for at in range(8)))
        await store.bound.send(Head("k1"))

        heads = await asyncio.gather(*(store.head(f"k{at % 10}") for at in range(COUNT)))

        sizes = [info and info.size for info in heads]
        assert sizes == [at % 10 if at % 10 < 8 else None for at in range(COUNT)]
        assert status(store).largest >= COUNT - 1


async def test_documents_of_postgres_are_read_and_written_together(postgres: Postgres) -> None:
    async with over(PostgresDocuments(postgres.database())) as store:
        keys = [f"d{at}" for at in range(COUNT)]
        await asyncio.gather(*(store.set(key, f"text of {key}") for key in keys))

        found = await asyncio.gather(*map(store.get, [*keys, "absent"]))

        assert [one and one.content for one in found] == [*(f"text of {key}" for key in keys), None]
        assert status(store).batches <= 4
