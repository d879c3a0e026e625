"""One database file: what opens, what is refused, what is undone."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest
from stores import ask

from lamina.backends.sqlite.connection import APPLICATION, Schema, connect_writer
from lamina.backends.sqlite.database import Database
from lamina.backends.sqlite.failures import codes, mapped
from lamina.errors import BackendError, Closed, Conflict, Corrupt, Invalid, StackError, Unavailable
from lamina.testing.sweep import sweep

if TYPE_CHECKING:
    from pathlib import Path
    from sqlite3 import Connection

SCHEMA = Schema("notes", 1, ("CREATE TABLE notes (text TEXT UNIQUE)",))


class opened:  # noqa: N801  # used as a statement
    def __init__(self, path: Path, *, busy: float = 5.0) -> None:
        self.database = Database(path, SCHEMA, busy=busy)

    async def __aenter__(self) -> Database:
        try:
            await self.database.open()
        except BaseException:
            await self.database.close()
            raise
        return self.database

    async def __aexit__(self, *_: object) -> None:
        await self.database.close()


def add(text: str, then: Exception | None = None) -> object:
    def work(rows: Connection) -> str:
        rows.execute("INSERT INTO notes VALUES (?)", (text,))
        if then is not None:
            raise then
        return text

    return work


def notes(rows: Connection) -> list[str]:
    return [text for (text,) in rows.execute("SELECT text FROM notes ORDER BY rowid")]


async def test_makes_folders_and_a_file_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b c" / "дa\u202e.db"
    async with opened(path) as database:
        await database.write(add("x"))

        assert ask(path, "PRAGMA journal_mode") == "wal"
        assert await database.write(lambda rows: rows.execute("PRAGMA synchronous").fetchone()) == (
            2,
        )
    assert ask(path, "PRAGMA application_id") == APPLICATION
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name]


async def test_a_reader_sees_what_was_acknowledged(tmp_path: Path) -> None:
    async with opened(tmp_path / "d") as database:
        for n in range(20):
            await database.write(add(f"{n}"))
            assert len(await database.read(notes)) == n + 1


async def test_a_read_cannot_write(tmp_path: Path) -> None:
    async with opened(tmp_path / "d") as database:
        with pytest.raises(Unavailable, match="may not be written"):
            await database.read(add("x"))

        assert await database.read(notes) == []


async def test_a_write_that_raises_leaves_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path / "d") as database:
        with pytest.raises(Conflict):
            await database.write(add("x", then=Conflict("no")))

        assert await database.read(notes) == []


async def test_waiting_writes_share_a_commit_and_fail_alone(tmp_path: Path) -> None:
    async with opened(tmp_path / "d") as database:
        gate = threading.Event()
        first = asyncio.ensure_future(database.write(lambda _: gate.wait(10)))
        await asyncio.sleep(0)
        rest = [database.write(add("a")), database.write(add("b", then=Conflict("no")))]
        rest += [database.write(add("a")), database.write(add("c"))]
        told = asyncio.gather(*rest, return_exceptions=True)
        await asyncio.sleep(0)
        size = (tmp_path / "d-wal").stat().st_size
        gate.set()
        await first
        done = await told

        assert done[0::3] == ["a", "c"]
        assert isinstance(done[1], Conflict)
        assert isinstance(done[2], BackendError)  # not unique
        assert await database.read(notes) == ["a", "c"]
        assert (tmp_path / "d-wal").stat().st_size < size + 8 * 4200


async def test_reads_do_not_wait_for_a_write(tmp_path: Path) -> None:
    async with opened(tmp_path / "d") as database:
        gate = threading.Event()

        def slow(rows: Connection) -> None:
            rows.execute("INSERT INTO notes VALUES ('x')")
            assert gate.wait(10)

        writing = asyncio.ensure_future(database.write(slow))
        await asyncio.sleep(0)
        assert await database.read(notes) == []
        gate.set()
        await writing
        assert await database.read(notes) == ["x"]


async def test_refuses_before_open_and_after_close(tmp_path: Path) -> None:
    database = Database(tmp_path / "d", SCHEMA)
    with pytest.raises(Closed, match="not opened"):
        await database.read(notes)
    await database.open()
    await database.open()
    await database.close()
    await database.close()

    with pytest.raises(Closed, match="is closed"):
        await database.write(add("x"))
    with pytest.raises(Closed):
        await database.open()
    assert not [one for one in threading.enumerate() if one.name.startswith(("read d", "write d"))]


async def test_close_waits_for_what_has_begun(tmp_path: Path) -> None:
    database = Database(tmp_path / "d", SCHEMA)
    await database.open()
    gate = threading.Event()
    writing = asyncio.ensure_future(database.write(lambda rows: (gate.wait(10), add("x")(rows))))  # type: ignore[operator]
    await asyncio.sleep(0)
    closing_ = asyncio.ensure_future(database.close())
    await asyncio.sleep(0)
    assert not closing_.done()
    gate.set()
    await closing_
    await writing

    assert ask(tmp_path / "d", "SELECT text FROM notes") == "x"


@pytest.mark.parametrize("path", ["", ":memory:", "a\0b"])
def test_refuses_what_is_no_file(path: str) -> None:
    with pytest.raises(StackError, match="path must be that of a file"):
        Database(path, SCHEMA)


@pytest.mark.parametrize(
    ("readers", "busy"), [(0, 1.0), (1, 0.0), (1, float("inf")), (1, float("nan"))]
)
def test_refuses_numbers_that_are_not_above_zero(readers: int, busy: float) -> None:
    with pytest.raises(StackError):
        Database("x", SCHEMA, readers=readers, busy=busy)


async def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(Unavailable, match="no folder can be made") as caught:
        async with opened(tmp_path / "a" / "d"):
            pass

    assert not caught.value.transient


async def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be opened") as caught:
        async with opened(tmp_path):
            pass

    assert not caught.value.transient


@pytest.mark.parametrize(
    "data", [b"garbage" * 1000, b"\0" * 8192, b"SQLite format 3\0" + b"\xff" * 5000]
)
async def test_garbage_is_corrupt_and_stays_as_it_was(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "d").write_bytes(data)
    with pytest.raises(Corrupt):
        async with opened(tmp_path / "d"):
            pass

    assert (tmp_path / "d").read_bytes() == data


async def test_a_truncated_file_is_corrupt(tmp_path: Path) -> None:
    async with opened(tmp_path / "d") as database:
        for n in range(100):
            await database.write(add(f"{n}" * 500))
    data = (tmp_path / "d").read_bytes()
    (tmp_path / "d").write_bytes(data[: len(data) // 2])

    async def use() -> None:
        async with opened(tmp_path / "d") as database:
            await database.read(notes)
            await database.write(lambda rows: rows.execute("DELETE FROM notes"))

    with pytest.raises(Corrupt, match="damaged"):
        await use()


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE x (a)", "PRAGMA application_id = 7", "PRAGMA user_version = 3"]
)
async def test_another_programs_database_stays_as_it_was(tmp_path: Path, statement: str) -> None:
    with closing(sqlite3.connect(tmp_path / "d")) as rows:
        rows.execute(statement)
    data = (tmp_path / "d").read_bytes()
    with pytest.raises(Invalid, match="another program"):
        async with opened(tmp_path / "d"):
            pass

    assert (tmp_path / "d").read_bytes() == data


def test_a_file_that_another_process_makes_meanwhile_is_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    class Overtaken(sqlite3.Connection):
        def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
            if sql == "PRAGMA user_version":
                monkeypatch.setattr(sqlite3, "connect", connect)
                with suppress(sqlite3.OperationalError):  # locked out
                    connect_writer(tmp_path / "d", SCHEMA, 0.0).close()
            return super().execute(sql, *values)

    monkeypatch.setattr(sqlite3, "connect", partial(connect, factory=Overtaken))

    with closing(connect_writer(tmp_path / "d", SCHEMA, 0.0)) as rows:
        assert rows.execute("PRAGMA application_id").fetchone() == (APPLICATION,)


@pytest.mark.parametrize(
    "statement", ["PRAGMA user_version = 2", "UPDATE lamina_schemas SET version = 2"]
)
async def test_a_newer_lamina_is_refused(tmp_path: Path, statement: str) -> None:
    async with opened(tmp_path / "d"):
        pass
    with closing(sqlite3.connect(tmp_path / "d", isolation_level=None)) as rows:
        rows.execute(statement)

    with pytest.raises(Invalid, match="upgrade Lamina"):
        async with opened(tmp_path / "d"):
            pass


async def test_several_schemas_share_a_file(tmp_path: Path) -> None:
    other = Database(tmp_path / "d", Schema("other", 7, ("CREATE TABLE other (a)",)))
    async with opened(tmp_path / "d") as database:
        await other.open()
        await other.write(lambda rows: rows.execute("INSERT INTO other VALUES (1)"))
        await database.write(add("x"))
        await other.close()

        assert await database.read(notes) == ["x"]


async def test_a_locked_database_is_unavailable_and_then_works(tmp_path: Path) -> None:
    async with opened(tmp_path / "d", busy=0.02) as database:
        with closing(sqlite3.connect(tmp_path / "d", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            told = await asyncio.gather(
                *(database.write(add(f"{n}")) for n in range(3)), return_exceptions=True
            )
            assert await database.read(notes) == []
            other.execute("ROLLBACK")
        await database.write(add("x"))

        assert {type(error) for error in told} == {Unavailable}
        assert all(error.transient and error.sent == "no" for error in told)  # type: ignore[union-attr]
        assert "locked" in str(told[0])
        assert await database.read(notes) == ["x"]


async def test_opening_a_locked_database_is_unavailable(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "d", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")

        with pytest.raises(Unavailable, match="locked"):
            async with opened(tmp_path / "d", busy=0.02):
                pass


async def test_a_full_disk_fails_what_does_not_fit_and_nothing_else(tmp_path: Path) -> None:
    async with opened(tmp_path / "d") as database:
        await database.write(lambda rows: rows.execute("PRAGMA max_page_count = 20").fetchone())
        big = "x" * 200_000
        told = await asyncio.gather(
            *(database.write(add(text)) for text in ("a", big, "b")), return_exceptions=True
        )
        assert told[0::2] == ["a", "b"]
        assert isinstance(told[1], Unavailable)
        assert told[1].transient
        assert told[1].sent == "no"
        assert "disk is full" in str(told[1])
        assert await database.read(notes) == ["a", "b"]
        await database.write(lambda rows: rows.execute("PRAGMA max_page_count = 2000").fetchone())
        await database.write(add(big))

        assert len(await database.read(notes)) == 3


def test_every_failure_has_a_meaning() -> None:
    for code in codes():
        error = sqlite3.OperationalError("x")
        error.sqlite_errorcode = code | 0x100  # an extended code

        meaning = mapped(error)
        assert str(meaning)
        assert meaning.transient == (code in (5, 6, 7, 9, 10, 13, 15))
    assert isinstance(mapped(sqlite3.DataError("too big")), Invalid)
    assert type(mapped(sqlite3.IntegrityError("x"))) is BackendError


async def test_a_value_too_big_is_invalid(tmp_path: Path) -> None:
    async with opened(tmp_path / "d") as database:
        with pytest.raises(Invalid, match="too big"):
            await database.write(
                lambda rows: rows.execute("INSERT INTO notes VALUES (zeroblob(1000000001))")
            )


def test_cancelled_anywhere_nothing_is_half_written(tmp_path: Path) -> None:
    paths: list[Path] = []

    async def scenario() -> None:
        paths.append(tmp_path / f"{len(paths)}.db")
        async with opened(paths[-1]) as database:

            def both(rows: Connection) -> None:
                rows.executemany("INSERT INTO notes VALUES (?)", [("a",), ("b",)])

            await database.write(both)
            await database.read(notes)
            await asyncio.gather(database.write(add("c")), database.read(notes))

    def after() -> None:
        for thread in threading.enumerate():
            if thread.name.startswith(("read ", "write ")):
                thread.join(10)
        if paths[-1].exists():
            with closing(sqlite3.connect(paths[-1])) as rows:
                if rows.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    assert notes(rows) in ([], ["a", "b"], ["a", "b", "c"])

    told = sweep(scenario, after=after)

    assert told.points >= 5
    assert told.finished == 0


async def test_a_cancelled_write_that_waits_is_never_carried_out(tmp_path: Path) -> None:
    async with opened(tmp_path / "d") as database:
        begun, gate = threading.Event(), threading.Event()
        first = asyncio.ensure_future(
            database.write(lambda _: (begun.set(), gate.wait(10)))  # type: ignore[func-returns-value]
        )
        await asyncio.sleep(0)
        assert begun.wait(10)
        second = asyncio.ensure_future(database.write(add("x")))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        gate.set()
        await first
        await database.write(add("y"))

        assert await database.read(notes) == ["y"]


async def test_a_cancelled_write_that_has_begun_is_carried_out_whole(tmp_path: Path) -> None:
    async with opened(tmp_path / "d") as database:
        begun, gate = threading.Event(), threading.Event()

        def slow(rows: Connection) -> None:
            begun.set()
            assert gate.wait(10)
            add("x")(rows)  # type: ignore[operator]

        writing = asyncio.ensure_future(database.write(slow))
        await asyncio.sleep(0)
        assert begun.wait(10)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        gate.set()
        await database.write(add("y"))

        assert await database.read(notes) == ["x", "y"]
