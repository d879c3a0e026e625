"""Vectors in memory and in SQLite: what is refused when written never spoils a search."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from typing import Any, Final

import pytest

from lamina.backends.memory import MemoryVectors
from lamina.backends.sqlite import SqliteVectors, records
from lamina.domains.vectors import Upsert, Vectors, VectorsBackend
from lamina.embed import LexicalEmbedder
from lamina.errors import Invalid, StackError
from lamina.stack import Stack
from lamina.values import Done, Failed, Json, Vector

EAST: Final = Vector.of([1, 0])
UP: Final = Vector.of([0, 0, 1])


def over(backend: VectorsBackend) -> Vectors:
    return Stack().over(backend)


def in_memory(_: Path, **options: Any) -> VectorsBackend:
    return MemoryVectors(embedder=LexicalEmbedder(), **options)


def in_sqlite(folder: Path, **options: Any) -> VectorsBackend:
    return SqliteVectors(folder / "v.db", embedder=LexicalEmbedder(), **options)


Maker = Callable[..., VectorsBackend]
each = pytest.mark.parametrize("make", [in_memory, in_sqlite])


@each
async def test_all_records_may_be_written_again_in_another_dimension(
    make: Maker, tmp_path: Path
) -> None:
    async with over(make(tmp_path)) as store:
        for key in "ab":
            await store.set(key, EAST)
        await store.search(EAST)

        await store.delete_where(None)
        for key in "ab":
            await store.set(key, UP)

        assert [match.id for match in await store.search(UP)] == ["a", "b"]


@each
async def test_the_only_record_may_take_another_dimension(make: Maker, tmp_path: Path) -> None:
    async with over(make(tmp_path)) as store:
        await store.set("a", EAST)
        await store.search(EAST)

        await store.set("a", UP)

        assert [match.id for match in await store.search(UP)] == ["a"]
        with pytest.raises(Invalid, match="dimension: 2, expected: 3"):
            await store.set("b", EAST)


@each
@pytest.mark.parametrize("data", [b"[1]", b'"text"', b"{broken", b"\xff", b'{"a":' * 300])
async def test_metadata_that_is_no_object_is_refused(
    make: Maker, data: bytes, tmp_path: Path
) -> None:
    async with over(make(tmp_path)) as store:
        await store.set("a", EAST)
        items = [Upsert("b", EAST, metadata=Json(data)), Upsert("c", EAST)]

        told = await store.set_many(items, outcomes=True)

        assert isinstance(told[0], Failed)
        assert isinstance(told[0].error, Invalid)
        assert told[1] == Done(None)
        assert [match.id for match in await store.search(EAST)] == ["a", "c"]


@each
async def test_a_record_without_vector_leaves_the_rest_of_its_batch(
    make: Maker, tmp_path: Path
) -> None:
    async with over(make(tmp_path)) as store:
        told = await store.set_many([Upsert("a"), Upsert("b", EAST)], outcomes=True)

        assert [type(outcome) for outcome in told] == [Failed, Done]
        assert await store.get("b") is not None


@each
@pytest.mark.parametrize("metric", ["dot", "euclidean"])
async def test_a_vector_too_long_for_the_metric_is_refused(
    make: Maker, metric: str, tmp_path: Path
) -> None:
    async with over(make(tmp_path, metric=metric)) as store:
        await store.set("a", EAST)

        with pytest.raises(Invalid, match=r"length must be at most 1e\+18"):
            await store.set("b", Vector.of([3e38, 0]))

        assert [match.id for match in await store.search(EAST)] == ["a"]


@each
@pytest.mark.parametrize("option", [{"metric": "euclid"}, {"kind": "both"}, {"metric": None}])
def test_an_unknown_kind_or_metric_is_refused(
    make: Maker, option: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(StackError, match="must be one of"):
        make(tmp_path, **option)


@pytest.mark.parametrize("kind", ["sparse", "hybrid"])
async def test_a_file_keeps_to_one_kind_of_record(kind: str, tmp_path: Path) -> None:
    async with over(in_sqlite(tmp_path)) as store:
        await store.set("a", EAST)

    with pytest.raises(Invalid, match="the records here are dense, not"):
        async with over(in_sqlite(tmp_path, kind=kind)):
            pass

    async with over(in_sqlite(tmp_path)) as store:
        await store.delete("a")
    async with over(in_sqlite(tmp_path, kind=kind)) as store:
        await store.check()


def test_looking_for_old_drops_reads_no_record() -> None:
    with closing(connect(":memory:")) as rows:
        for statement in records.SCHEMA.statements:
            rows.execute(statement)
        told: list[str] = []
        rows.set_trace_callback(told.append)
        records.prune(rows)
        rows.set_trace_callback(None)
        (asked,) = told
        plan = rows.execute(f"EXPLAIN QUERY PLAN {asked}").fetchall()
        assert "INDEX vectors_drops" in plan[0][-1]


async def test_namespaces_may_be_listed_while_others_are_made() -> None:
    backend: Any = MemoryVectors(embedder=LexicalEmbedder())
    backend._records["", "a"] = Growing(backend._records)

    assert await over(backend).namespaces() == ("a",)
    assert await over(backend).namespaces() == ("a", "b")


class Growing:
    """Records of one namespace; another is made, as by a thread, when they are looked at."""

    def __init__(self, records: dict[Any, Any]) -> None:
        self._records = records

    def __bool__(self) -> bool:
        self._records["", "b"] = {"x": None}
        return True
