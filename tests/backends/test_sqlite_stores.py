"""What only the SQLite stores do: faults met by their operations, and what they tidy up."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from stores import ask, documents, keyvalue

from lamina.backends.sqlite import SqliteDocuments, SqliteKeyValue
from lamina.domains.documents import Find
from lamina.errors import Closed, Corrupt, Invalid, StackError, Unavailable, WrongLoop
from lamina.filters import F
from lamina.stack import Stack
from lamina.testing.sweep import sweep

if TYPE_CHECKING:
    from pathlib import Path


def damage(path: Path) -> None:
    """Overwrite all pages but the first."""
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xa5" * (len(data) - 4096))


async def test_remembers_across_restarts(tmp_path: Path) -> None:
    async with keyvalue("sqlite", tmp_path) as store:
        await store.append("a", 1, idempotency="x")
    async with documents("sqlite", tmp_path) as papers:
        await papers.set("a", "word")

    async with keyvalue("sqlite", tmp_path) as store:
        assert await store.append("a", 1, idempotency="x") == 1
    async with documents("sqlite", tmp_path) as papers:
        assert len(await papers.search("word")) == 1


async def test_is_used_only_while_open(tmp_path: Path) -> None:
    for store in (keyvalue("sqlite", tmp_path), documents("sqlite", tmp_path)):
        with pytest.raises(Closed, match="not opened"):
            await store.check()
        async with store:
            await store.check()
        with pytest.raises(Closed):
            await store.check()


def test_belongs_to_one_loop(tmp_path: Path) -> None:
    store = keyvalue("sqlite", tmp_path)
    with asyncio.Runner() as one, asyncio.Runner() as two:
        one.run(store.open())
        with pytest.raises(WrongLoop):
            two.run(store.check())
        one.run(store.close())


def test_connects_to_nothing_when_built(tmp_path: Path) -> None:
    SqliteKeyValue(tmp_path / "data.db")
    SqliteDocuments(tmp_path / "data.db")
    with pytest.raises(StackError):
        SqliteDocuments(":memory:")

    assert list(tmp_path.iterdir()) == []


async def test_expired_rows_are_deleted_along_with_writes(tmp_path: Path) -> None:
    async with keyvalue("sqlite", tmp_path) as store:
        await store.set_many({f"{n}": b"x" for n in range(20)}, ttl=1)
        await asyncio.sleep(1)
        await store.set("a", b"1")
        assert ask(tmp_path / "data.db", "SELECT count(*) FROM keyvalue") == 20 - 8 + 1
        await store.delete("a")
        await store.append("b", 1)

        assert ask(tmp_path / "data.db", "SELECT count(*) FROM keyvalue") == 1


async def test_the_newest_idempotency_keys_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lamina.backends.sqlite.keyvalue_rows._KEPT_APPENDS", 3)
    async with keyvalue("sqlite", tmp_path) as store:
        for n in range(5):
            await store.append("a", n, idempotency=f"{n}")

        assert ask(tmp_path / "data.db", "SELECT count(*) FROM keyvalue_appends") == 3
        assert await store.append("a", 4, idempotency="4") == 5
        assert await store.append("a", 0, idempotency="0") == 6


async def test_damage_found_by_an_operation_is_corrupt(tmp_path: Path) -> None:
    async with keyvalue("sqlite", tmp_path) as store:
        await store.set_many({f"{n:04}": b"x" * 100 for n in range(500)})
    damage(tmp_path / "data.db")

    with pytest.raises(Corrupt) as caught:
        async with keyvalue("sqlite", tmp_path) as store:
            await store.get("0100")

    assert caught.value.backend in {"", "sqlite"}
    assert not caught.value.transient


async def test_metadata_that_is_no_json_is_corrupt(tmp_path: Path) -> None:
    async with documents("sqlite", tmp_path) as store:
        await store.set("a", "x")
        with closing(sqlite3.connect(tmp_path / "data.db", isolation_level=None)) as rows:
            rows.execute("UPDATE documents SET metadata = '{'")

        with pytest.raises(Corrupt):
            await store.get("a")


async def test_a_full_disk_leaves_the_stores_as_they_were(tmp_path: Path) -> None:
    values, papers = SqliteKeyValue(tmp_path / "v.db"), SqliteDocuments(tmp_path / "d.db")
    async with Stack().over(values) as store, Stack().over(papers) as texts:
        await store.set("a", b"1")
        await texts.set("a", "old words")
        for backend in (values, papers):
            await backend._database.write(
                lambda rows: rows.execute("PRAGMA max_page_count = 1").fetchone()
            )
        with pytest.raises(Unavailable, match="disk is full"):
            await store.set_many({"a": b"2", "b": b"x" * 300_000})
        with pytest.raises(Unavailable, match="disk is full"):
            await texts.set("a", "new words " * 30_000)

        assert await store.get_many(["a", "b"]) == (b"1", None)
        assert len(await texts.search("old")) == 1
        assert await texts.search("new") == ()


async def test_check_meets_a_lock(tmp_path: Path) -> None:
    async with Stack().over(SqliteKeyValue(tmp_path / "d", busy=0.02)) as store:
        with closing(sqlite3.connect(tmp_path / "d", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")

            with pytest.raises(Unavailable, match="locked"):
                await store.check()


async def test_a_deleted_file_is_told_by_check(tmp_path: Path) -> None:
    async with keyvalue("sqlite", tmp_path) as store:
        await store.check()
        (tmp_path / "data.db").unlink()

        with pytest.raises(Unavailable, match="deleted or replaced"):
            await store.check()


async def test_fractions_are_compared_to_the_last_bit(tmp_path: Path) -> None:
    fractions = [n / 10**18 for n in range(10**14, 10**18, 10**17)] + [5e-324, 2 / 3 * 1e300]
    async with documents("sqlite", tmp_path) as store:
        for x in fractions:
            await store.set("a", "x", metadata={"x": x, "b": [x, 1.0]})

            assert len(await store.search("", filter=(F.x == x) & F.b.contains(x))) == 1
            assert len(await store.search("", filter=(F.x < x) | (F.x > x))) == 0


async def test_a_search_for_too_many_words_is_invalid(tmp_path: Path) -> None:
    async with documents("sqlite", tmp_path) as store:
        with pytest.raises(Invalid, match="at most 1000 words, got 1001"):
            await store.search(" ".join(f"w{n}" for n in range(1001)))


@pytest.mark.parametrize("by", ["created_at", "updated_at", "id"])
async def test_pages_need_no_sorting(tmp_path: Path, by: str) -> None:
    where = f"scope = '' AND ({by}, id) > (1, 'a') ORDER BY {by}, id"
    async with documents("sqlite", tmp_path):
        with closing(sqlite3.connect(tmp_path / "data.db")) as rows:
            plan = rows.execute(f"EXPLAIN QUERY PLAN SELECT number FROM documents WHERE {where}")
            steps = [row[3] for row in plan]

    assert len(steps) == 1
    assert f"INDEX documents_{by[:7]}" in steps[0] or by == "id"


def test_cancelled_anywhere_the_stores_stay_whole(tmp_path: Path) -> None:
    count = 0

    async def scenario() -> None:
        nonlocal count
        count += 1
        async with Stack().over(SqliteKeyValue(tmp_path / f"{count}.db")) as store:
            await store.set_many({"a": b"1", "b": b"1"})
            await store.get("a")
            await store.append("list", 1, idempotency="x")
        async with Stack().over(SqliteDocuments(tmp_path / f"{count}.db")) as papers:
            await papers.set("a", "word", path="p")
            await papers.update("a", content="other")
            await papers.bound.send(Find("other"))

    def after() -> None:
        for thread in threading.enumerate():
            if thread.name.startswith(("read ", "write ")):
                thread.join(10)
        path = tmp_path / f"{count}.db"
        if path.exists() and ask(path, "SELECT count(*) FROM sqlite_master"):
            assert ask(path, "SELECT count(*) FROM keyvalue WHERE key IN ('a', 'b')") in {0, 2}
            lists = ask(path, "SELECT count(*) FROM keyvalue WHERE key = 'list'")
            assert lists == ask(path, "SELECT count(*) FROM keyvalue_appends")

    told = sweep(scenario, after=after)

    assert told.points >= 10
    assert told.finished == 0
