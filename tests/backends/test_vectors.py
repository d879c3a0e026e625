"""Vectors in memory and in SQLite: what the contract does not see."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from typing import Final

import pytest

from lamina.backends.memory import MemoryVectors
from lamina.backends.sqlite import SqliteVectors, records
from lamina.domains.vectors import Upsert, Vectors, VectorsBackend
from lamina.embed import LexicalEmbedder
from lamina.errors import BatchFailed, Closed, Corrupt, Invalid
from lamina.filters import F
from lamina.stack import Stack
from lamina.values import Failed, Json, SparseVector, Vector

EAST: Final = Vector.of([1, 0])
NORTH: Final = Vector.of([0, 1])
WEST: Final = Vector.of([-1, 0])


class Renamed:
    """The lexical embedder under another name."""

    name = "renamed"
    dimension = 256
    semantic = False

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        return LexicalEmbedder().embed(texts)


def over(backend: VectorsBackend) -> Vectors:
    return Stack().over(backend)


def in_memory(_: Path, **options: object) -> VectorsBackend:
    return MemoryVectors(embedder=LexicalEmbedder(), **options)  # type: ignore[arg-type]


def in_sqlite(folder: Path, **options: object) -> VectorsBackend:
    return SqliteVectors(folder / "v.db", embedder=LexicalEmbedder(), **options)  # type: ignore[arg-type]


Maker = Callable[..., VectorsBackend]
each = pytest.mark.parametrize("make", [in_memory, in_sqlite])


@each
async def test_a_replaced_record_is_found_where_it_is_now(make: Maker, tmp_path: Path) -> None:
    async with over(make(tmp_path)) as store:
        await store.set("a", EAST)
        await store.set("b", NORTH)
        await store.search(EAST)

        await store.set("a", WEST, metadata={"moved": True})

        assert [match.id for match in await store.search(WEST)] == ["a", "b"]
        assert [match.score for match in await store.search(EAST)] == [0.5, 0.0]
        found = await store.search(EAST, filter=F.moved == True)  # noqa: E712  # the language
        assert [match.id for match in found] == ["a"]


@each
async def test_a_deleted_record_is_not_found_and_may_come_back(make: Maker, tmp_path: Path) -> None:
    async with over(make(tmp_path)) as store:
        await store.set("a", EAST)
        await store.search(EAST)

        assert await store.delete("a") is True

        assert await store.search(EAST) == ()
        assert await store.get("a") is None
        assert await store.delete("a") is False
        await store.set("a", NORTH)
        assert [match.id for match in await store.search(EAST)] == ["a"]


@each
async def test_an_emptied_namespace_may_take_another_dimension(make: Maker, tmp_path: Path) -> None:
    async with over(make(tmp_path)) as store:
        await store.set("a", EAST)
        with pytest.raises(Invalid, match="dimension: 3, expected: 2"):
            await store.set("b", Vector.of([1, 2, 3]))
        await store.search(EAST)

        await store.delete_where(None)
        await store.set("b", Vector.of([1, 2, 3]))

        assert [match.id for match in await store.search(Vector.of([1, 2, 3]))] == ["b"]


@each
async def test_one_wrong_record_of_a_batch_leaves_the_others(make: Maker, tmp_path: Path) -> None:
    items = [Upsert("a", EAST), Upsert("b", Vector.of([1, 2, 3])), Upsert("c", WEST)]
    async with over(make(tmp_path)) as store:
        with pytest.raises(BatchFailed, match="1 of 3 items failed") as caught:
            await store.set_many(items)

        assert [isinstance(outcome, Failed) for outcome in caught.value.outcomes] == [0, 1, 0]
        assert {match.id for match in await store.search(EAST)} == {"a", "c"}


@each
async def test_hybrid_records_are_found_by_either_vector(make: Maker, tmp_path: Path) -> None:
    async with over(make(tmp_path, kind="hybrid")) as store:
        items = [
            Upsert("a", EAST, SparseVector((1, 7), (1.0, 2.0)), metadata=Json.of({"n": 1})),
            Upsert("b", NORTH, SparseVector((9,), (4.0,))),
        ]
        await store.set_many(items)

        assert [match.id for match in await store.search(NORTH)] == ["b", "a"]
        assert [match.id for match in await store.search(SparseVector((7,), (1.0,)))] == ["a"]
        record = await store.get("a")
        assert record is not None
        assert record.sparse == SparseVector((1, 7), (1.0, 2.0))


@each
async def test_a_dense_store_refuses_sparse_vectors(make: Maker, tmp_path: Path) -> None:
    async with over(make(tmp_path)) as store:
        with pytest.raises(Invalid, match="requires dense vectors"):
            await store.set("a", SparseVector((1,), (1.0,)))
        with pytest.raises(Invalid, match="requires dense vectors"):
            await store.search(SparseVector((1,), (1.0,)))


@each
async def test_text_is_embedded_and_kept(make: Maker, tmp_path: Path) -> None:
    async with over(make(tmp_path)) as store:
        await store.set("cats", "cats purr and sleep", metadata={"kind": "animal"})
        await store.set("tax", "the tax office wants a form")

        best, *_ = await store.search("sleeping cats")

        assert (best.id, best.text, best.metadata) == (
            "cats",
            "cats purr and sleep",
            {"kind": "animal"},
        )


@each
async def test_searches_and_writes_may_overlap(make: Maker, tmp_path: Path) -> None:
    async with over(make(tmp_path)) as store:

        async def write(number: int) -> None:
            await store.set(f"id {number}", Vector.of([number, 1]))
            assert any(m.id == f"id {number}" for m in await store.search(EAST, top_k=100))

        await asyncio.gather(*(write(number) for number in range(60)))

        assert len(await store.search(EAST, top_k=100)) == 60


async def test_another_process_s_writes_are_found(tmp_path: Path) -> None:
    async with over(in_sqlite(tmp_path)) as ours, over(in_sqlite(tmp_path)) as theirs:
        await ours.set("a", EAST)
        assert len(await ours.search(EAST)) == 1

        await theirs.set("b", NORTH)
        await theirs.delete("a")

        assert [match.id for match in await ours.search(EAST)] == ["b"]


async def test_records_are_there_after_a_restart(tmp_path: Path) -> None:
    async with over(in_sqlite(tmp_path)) as store:
        await store.set_many([Upsert(f"id {n}", Vector.of([n, 1])) for n in range(2500)])
        await store.delete_where(F.nothing.exists())
        await store.delete("id 7")
    async with over(in_sqlite(tmp_path)) as store:
        info = await store.info()
        nearest = await store.search(NORTH, top_k=1)

    assert (info.count, info.dimension, info.metric) == (2499, 2, "cosine")
    assert nearest[0].id == "id 0"


async def test_drops_that_were_forgotten_make_a_reader_begin_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "_KEPT_DROPS", 2)  # so that a few are many
    async with over(in_sqlite(tmp_path)) as ours, over(in_sqlite(tmp_path)) as theirs:
        await ours.set_many([Upsert(f"id {n}", Vector.of([n, 1])) for n in range(20)])
        assert len(await ours.search(EAST, top_k=50)) == 20

        for number in range(15):
            await theirs.delete(f"id {number}")

        left = {match.id for match in await ours.search(EAST, top_k=50)}
        assert left == {f"id {n}" for n in range(15, 20)}


async def test_a_file_keeps_to_one_embedder(tmp_path: Path) -> None:
    path = tmp_path / "v.db"
    async with over(in_sqlite(tmp_path)) as store:
        await store.set("a", "some text")
    async with over(SqliteVectors(path, embedder=Renamed())) as store:
        with pytest.raises(Invalid, match="embedded by lexical-256, not by renamed"):
            await store.search("some text")
        with pytest.raises(Invalid, match="use that embedder, or another file"):
            await store.set("b", "more")


async def test_a_damaged_row_is_told(tmp_path: Path) -> None:
    async with over(in_sqlite(tmp_path)) as store:
        await store.set("a", EAST, metadata={"n": 1})
        with closing(connect(tmp_path / "v.db")) as file, file:
            file.execute("UPDATE vectors SET metadata = '{broken'")

        with pytest.raises(Corrupt, match="stored JSON cannot be read"):
            await store.get("a")


async def test_it_must_be_opened_and_stays_closed(tmp_path: Path) -> None:
    store = over(in_sqlite(tmp_path))

    with pytest.raises(Closed, match="not opened"):
        await store.search(EAST)
    await store.open()
    await store.search(EAST)
    await store.close()
    with pytest.raises(Closed, match="is closed"):
        await store.search(EAST)


async def test_a_cancelled_search_leaves_the_store_usable(tmp_path: Path) -> None:
    async with over(in_sqlite(tmp_path)) as store:
        await store.set_many([Upsert(f"id {n}", Vector.of([n, 1])) for n in range(3000)])
        task = asyncio.ensure_future(store.search(EAST))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert len(await store.search(EAST, top_k=5)) == 5
