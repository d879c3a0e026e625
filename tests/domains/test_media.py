"""The media facade: uploads, readers, sources."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, final

import pytest
from backends.media_cases import BIG, Slow

from lamina.backends.memory import MemoryMedia
from lamina.context import call, current
from lamina.domains.media import PART, Abort, Begin, FileSource, Finish, PutPart, ReadRange
from lamina.errors import Conflict, Invalid, TimedOut
from lamina.layer import Layer
from lamina.stack import Stack
from lamina.testing.sweep import sweep

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.operation import Handler, Op, Operation, R


@final
class Watched(Layer):
    """Notes what passes, lets others run first, and fails where it is told to."""

    slot = "chaos"

    def __init__(self, seen: list[Operation[Any]], fails: dict[type, Exception]) -> None:
        self.seen = seen
        self.fails = fails

    async def around(self, op: Op, inner: Handler[Op, R]) -> R:
        self.seen.append(op)
        await asyncio.sleep(0.01)
        error = self.fails.pop(type(op), None)
        if error is not None:
            raise error
        answer = await inner(op)
        await asyncio.sleep(0.01)
        return answer


def names(seen: list[Operation[Any]]) -> list[str]:
    return [type(op).__name__ for op in seen]


async def test_a_source_that_gives_little_at_a_time_is_read_to_its_end() -> None:
    async with Stack().over(MemoryMedia()) as media:
        await media.set("a", Slow(b"0123456789", 3))
        assert await media.get("a") == b"0123456789"
        big = BIG + BIG[:1000]
        await media.set("b", Slow(big, PART // 3))
        assert await media.get("b") == big


@pytest.mark.parametrize(
    ("size", "sent"),
    [
        (0, ["Put"]),
        (PART - 1, ["Put"]),
        (PART, ["Begin", "PutPart", "Finish"]),
        (PART + 1, ["Begin", "PutPart", "PutPart", "Finish"]),
    ],
)
async def test_a_source_is_sent_in_whole_parts(size: int, sent: list[str]) -> None:
    seen: list[Operation[Any]] = []
    data = (BIG + b"x")[:size]
    async with Stack(Watched(seen, {})).over(MemoryMedia()) as media:
        await media.set("a", Slow(data, PART))
        assert names(seen) == sent
        parts = [op for op in seen if isinstance(op, PutPart)]
        assert all(len(part.data) == PART for part in parts[:-1])
        assert await media.get("a") == data


async def test_bytes_of_one_part_are_sent_at_once() -> None:
    seen: list[Operation[Any]] = []
    async with Stack(Watched(seen, {})).over(MemoryMedia()) as media:
        await media.set("a", BIG)
        assert names(seen) == ["Put"]


async def test_a_source_that_raises_leaves_nothing() -> None:
    backend = MemoryMedia()
    async with Stack().over(backend) as media:
        for fails_at in (0, PART, 2 * PART):
            with pytest.raises(RuntimeError, match="the source broke"):
                await media.set("a", Slow(BIG * 3, PART, fails_at=fails_at))
            assert await media.get("a") is None
    assert not backend._uploads


@pytest.mark.parametrize("fails", [PutPart, Finish])
async def test_a_failed_upload_is_aborted(fails: type) -> None:
    backend, seen = MemoryMedia(), []
    stack = Stack(Watched(seen, {fails: TimedOut("no answer")}))
    async with stack.over(backend) as media:
        with pytest.raises(TimedOut):
            await media.set("a", BIG + b"x")
    assert names(seen)[-1] == "Abort"
    assert not backend._uploads
    assert not backend._objects


async def test_an_upload_that_cannot_begin_raises_what_the_backend_said() -> None:
    seen: list[Operation[Any]] = []
    async with Stack(Watched(seen, {Begin: TimedOut("no answer")})).over(MemoryMedia()) as media:
        with pytest.raises(TimedOut):
            await media.set("a", BIG + b"x")
    assert names(seen) == ["Begin"]


@pytest.mark.parametrize("fails", [None, Finish])
def test_a_cancelled_upload_leaves_all_or_nothing(fails: type | None) -> None:
    kept: list[MemoryMedia] = []
    seen: list[Operation[Any]] = []

    async def upload() -> None:
        kept[:] = [MemoryMedia()]
        seen.clear()
        errors = {} if fails is None else {fails: TimedOut("no answer")}
        media = Stack(Watched(seen, errors)).over(kept[0])
        await media.set("old", b"old")
        try:
            with suppress(TimedOut):
                await media.set("a", BIG + b"x", metadata={"x": 1})
            await asyncio.sleep(1)  # time for what aborts it
        except asyncio.CancelledError:
            await media.close()
            raise

    def nothing_left() -> None:
        for backend in kept:
            assert not backend._uploads, "parts are left"
            found = backend._objects.get(("", "a"))
            assert found is None or found.data == BIG + b"x"
            if "Finish" not in names(seen):
                assert found is None

    told = sweep(upload, after=nothing_left, allow_finish=True)
    assert told.points >= 10


async def test_begin_keeps_the_deadline_of_the_caller_and_abort_has_none() -> None:
    told: dict[str, float | None] = {}

    @final
    class Deadlines(Layer):
        slot = "chaos"

        async def around(self, op: Op, inner: Handler[Op, R]) -> R:
            context = current.get()
            told[type(op).__name__] = None if context is None else context.deadline
            return await inner(op)

    async with Stack(Deadlines()).over(MemoryMedia()) as media:
        with pytest.raises(RuntimeError):
            async with call(deadline=7):
                await media.set("a", Slow(BIG * 2, PART, fails_at=PART))
    assert told == {"Begin": 7.0, "PutPart": 7.0, "Abort": None}


@pytest.mark.parametrize("value", ["text", bytearray(b"x"), None, 7])
async def test_what_is_neither_bytes_nor_source_is_refused(value: Any) -> None:
    async with Stack().over(MemoryMedia()) as media:
        with pytest.raises(Invalid, match="media is bytes or a Source"):
            await media.set("a", value)


async def test_an_open_file_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    async with Stack().over(MemoryMedia()) as media:
        with (tmp_path / "f").open("rb") as file, pytest.raises(Invalid, match="FileSource"):
            await media.set("a", file)  # type: ignore[arg-type]  # what is tested


async def test_a_source_that_gives_something_else_is_refused() -> None:
    class Bad:
        def __init__(self, given: Any) -> None:
            self.given = given

        async def read(self, start: int, length: int) -> bytes:
            return self.given

    async with Stack().over(MemoryMedia()) as media:
        for given in ("text", None, bytearray(b"x")):
            with pytest.raises(Invalid, match="what a Source gives must be bytes"):
                await media.set("a", Bad(given))
        with pytest.raises(Invalid, match="asked for at most 8388608 bytes and gave 8388609"):
            await media.set("a", Bad(BIG + b"x"))
        assert await media.get("a") is None


async def test_a_file_is_a_source(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(BIG + b"end")
    async with Stack().over(MemoryMedia()) as media:
        source = FileSource(path)
        await media.set("a", source)
        assert await media.get("a") == BIG + b"end"
        path.write_bytes(b"another, shorter")
        await media.set("a", source)
        assert await media.get("a") == b"another, shorter"


@pytest.mark.parametrize("size", [10, PART + 5, 2 * PART, 3 * PART])
async def test_a_file_that_changes_while_it_is_read_is_a_conflict(
    tmp_path: Path, size: int
) -> None:
    path = tmp_path / "f"
    path.write_bytes(BIG * 2)
    source = FileSource(path)
    await source.read(0, PART)
    path.write_bytes(b"x" * size)
    os.utime(path, ns=(1, 1))
    with pytest.raises(Conflict, match="changed while it was read"):
        await source.read(PART, PART)


async def test_a_file_that_cannot_be_read_is_invalid(tmp_path: Path) -> None:
    async with Stack().over(MemoryMedia()) as media:
        for path in (tmp_path / "none", tmp_path, "a\0b"):
            with pytest.raises(Invalid, match="cannot be read"):
                await media.set("a", FileSource(path))


async def test_a_reader_reads_on_from_where_it_is() -> None:
    async with Stack().over(MemoryMedia()) as media:
        await media.set("a", b"0123456789")
        reader = await media.open_reader("a")
        assert reader is not None
        async with reader:
            assert await reader.read(3) == b"012"
            assert await reader.read(0) == b""
            assert await reader.read() == b"3456789"
            assert await reader.read(5) == b""
            reader.seek(8)
            assert await reader.read(100) == b"89"
            for offset in (-1, 11):
                with pytest.raises(Invalid):
                    reader.seek(offset)


async def test_a_reader_gives_big_objects_in_parts() -> None:
    async with Stack().over(MemoryMedia()) as media:
        await media.set("a", BIG * 2 + b"x")
        reader = await media.open_reader("a")
        assert reader is not None
        assert [len(chunk) async for chunk in reader] == [PART, PART, 1]


@pytest.mark.parametrize("erased", [True, False])
async def test_a_reader_never_mixes_versions(erased: bool) -> None:
    async with Stack().over(MemoryMedia()) as media:
        await media.set("a", b"old old")
        reader = await media.open_reader("a")
        assert reader is not None
        assert await reader.read(4) == b"old "
        await (media.delete("a") if erased else media.set("a", b"new new"))
        with pytest.raises(Conflict, match="changed"):
            await reader.read()


async def test_a_failed_read_loses_no_bytes_of_the_reader() -> None:
    fails: dict[type, Exception] = {}
    async with Stack(Watched([], fails)).over(MemoryMedia()) as media:
        await media.set("a", BIG * 2 + b"tail")
        reader = await media.open_reader("a")
        assert reader is not None
        await reader.read(PART - 2)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.025):  # within the second of two ranges
                await reader.read(PART + 1)
        fails[ReadRange] = TimedOut("no answer")
        with pytest.raises(TimedOut):
            await reader.read()
        assert await reader.read() == BIG[-2:] + BIG + b"tail"


async def test_get_of_a_big_object_that_changes_meanwhile_is_a_conflict() -> None:
    async with Stack(Watched([], {})).over(MemoryMedia()) as media:
        await media.set("a", BIG + b"x")
        reading = asyncio.ensure_future(media.get("a"))
        await asyncio.sleep(0.011)
        await media.set("a", b"y")
        with pytest.raises(Conflict):
            await reading


async def test_abort_is_told_to_the_scope_of_the_upload() -> None:
    seen: list[Operation[Any]] = []
    async with Stack(Watched(seen, {})).over(MemoryMedia()) as media:
        with pytest.raises(RuntimeError):
            await media.scoped("acme").set("a", Slow(BIG * 2, PART, fails_at=PART))
    assert isinstance(seen[-1], Abort)
    assert {op.scope for op in seen} == {"acme"}


@pytest.mark.parametrize("wrong", ["x", None, 1.5, True])
async def test_a_reader_takes_whole_numbers_only(wrong: Any) -> None:
    async with Stack().over(MemoryMedia()) as media:
        await media.set("a", b"0123456789")
        reader = await media.open_reader("a")
        assert reader is not None
        with pytest.raises(Invalid, match="length must be int"):
            await reader.read(wrong)
        with pytest.raises(Invalid, match="offset must be int"):
            reader.seek(wrong)
        assert await reader.read(2) == b"01"


async def test_a_source_that_is_not_async_is_refused() -> None:
    class Sync:
        def read(self, start: int, length: int) -> bytes:
            return b""

    async with Stack().over(MemoryMedia()) as media:
        with pytest.raises(Invalid, match="read of a Source must be async"):
            await media.set("a", Sync())  # type: ignore[arg-type]  # the point
