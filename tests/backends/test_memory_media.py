"""What every media backend does; in memory and on disk."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from backends.media_cases import BIG, HOSTILE, over

from lamina.backends.files import FilesMedia
from lamina.backends.memory import MemoryMedia
from lamina.domains.media import (
    Abort,
    Begin,
    Finish,
    Info,
    ListObjects,
    Put,
    PutPart,
    ReadRange,
)
from lamina.errors import Conflict, Corrupt, Invalid, StorageError, Unsupported
from lamina.testing.clock import EPOCH
from lamina.values import Json

if TYPE_CHECKING:
    from pathlib import Path

    from backends.media_cases import Make


@pytest.fixture(params=["memory", "files"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    if request.param == "memory":
        return MemoryMedia
    return lambda: FilesMedia(tmp_path / "media", threads=2)


async def test_gives_back_what_was_stored(make: Make) -> None:
    async with over(make()) as media:
        await media.set("a", b"hello", type="text/plain", metadata={"tags": ["x"]})

        assert await media.get("a") == b"hello"
        info = await media.head("a")
        assert info == Info(
            "a", 5, sha256(b"hello").hexdigest(), "text/plain", {"tags": ("x",)}, EPOCH
        )


async def test_absent_is_none_and_false(make: Make) -> None:
    async with over(make()) as media:
        assert await media.get("a") is None
        assert await media.head("a") is None
        assert await media.range("a", 0, 10) is None
        assert await media.range("a", 0, 10, etag="0" * 64) is None
        assert await media.open_reader("a") is None
        assert await media.delete("a") is False
        assert await media.search("") == ()


async def test_delete_tells_whether_there_was_one(make: Make) -> None:
    async with over(make()) as media:
        await media.set("a", b"1")
        assert await media.delete("a") is True
        assert await media.delete("a") is False
        assert await media.get("a") is None


async def test_the_empty_object_is_no_absent_one(make: Make) -> None:
    async with over(make()) as media:
        await media.set("a", b"")
        assert await media.get("a") == b""
        assert await media.range("a", 0, 1) == b""


async def test_metadata_cannot_be_changed_by_who_reads_it(make: Make) -> None:
    async with over(make()) as media:
        await media.set("a", b"", metadata={"deep": {"x": 1}})
        info = await media.head("a")
        assert info is not None
        with pytest.raises(TypeError, match="immutable"):
            info.metadata["deep"]["x"] = 2
        assert "deep" not in repr(info)


async def test_ranges_end_with_the_object(make: Make) -> None:
    async with over(make()) as media:
        await media.set("a", b"0123456789")
        assert await media.range("a", 2, 3) == b"234"
        assert await media.range("a", 8, 100) == b"89"
        assert await media.range("a", 10, 1) == b""
        assert await media.range("a", 10**30, 10**30) == b""
        for start, length in ((-1, 1), (0, 0), (0, -1)):
            with pytest.raises(Invalid):
                await media.range("a", start, length)


async def test_a_pinned_range_of_another_version_is_a_conflict(make: Make) -> None:
    async with over(make()) as media:
        await media.set("a", b"old")
        info = await media.head("a")
        assert info is not None
        assert await media.range("a", 0, 3, etag=info.etag) == b"old"
        await media.set("a", b"new")
        with pytest.raises(Conflict, match="changed"):
            await media.range("a", 0, 3, etag=info.etag)


async def test_keys_may_be_anything_and_are_kept_apart(make: Make) -> None:
    async with over(make()) as media:
        for number, key in enumerate(HOSTILE):
            await media.set(key, str(number).encode())
        for number, key in enumerate(HOSTILE):
            assert await media.get(key) == str(number).encode()
        assert [info.key async for info in media.scan(limit=3)] == sorted(HOSTILE)
        for key in HOSTILE:
            assert await media.delete(key)
        assert await media.search("") == ()


async def test_a_key_that_cannot_be_is_refused(make: Make) -> None:
    async with over(make()) as media:
        for key in ("", "a\0b", "k" * 1025, "\ud800"):
            with pytest.raises(Invalid):
                await media.set(key, b"")


async def test_scopes_are_apart(make: Make) -> None:
    async with over(make()) as media:
        one, other = media.scoped("../x"), media.scoped("x")
        await one.set("a", b"one")
        await other.set("a", b"other")
        await media.set("a", b"none")

        assert [await m.get("a") for m in (one, other, media)] == [b"one", b"other", b"none"]
        assert [info.key for info in await one.search("")] == ["a"]
        assert await other.delete("a")
        assert [await m.get("a") for m in (one, other, media)] == [b"one", None, b"none"]


async def test_lists_by_prefix_in_order_and_in_pages(make: Make) -> None:
    keys = ["a/1", "a/2", "a/é", "a/\ud7ff", "a/\ue000", "a/\U0010ffff", "b", "a\U0010ffff/1"]
    async with over(make()) as media:
        for key in reversed(keys):
            await media.set(key, b"")
        assert [info.key async for info in media.scan("a/", limit=2)] == sorted(
            key for key in keys if key.startswith("a/")
        )
        for prefix in ("", "a", "a/\ud7ff", "a/\U0010ffff", "a\U0010ffff", "%", "z"):
            found = [info.key for info in await media.search(prefix)]
            assert found == sorted(key for key in keys if key.startswith(prefix))


async def test_a_listing_goes_on_though_its_cursor_was_deleted(make: Make) -> None:
    async with over(make()) as media:
        for key in "abcd":
            await media.set(key, b"")
        page = await media.bound.send(ListObjects("", None, 2))
        await media.delete("b")
        rest = await media.bound.send(ListObjects("", page.next, 10))
        assert [info.key for info in rest.items] == ["c", "d"]


async def test_an_upload_is_invisible_until_it_is_finished(make: Make) -> None:
    async with over(make()) as media:
        send = media.bound.send
        name = await send(Begin("a", "text/plain", Json.of({"x": 1})))
        second = await send(PutPart("a", name, 2, b"two"))
        first = await send(PutPart("a", name, 1, b"one"))
        assert await media.get("a") is None
        assert await media.search("") == ()

        info = await send(Finish("a", name, (first, second)))

        assert await media.get("a") == b"onetwo"
        assert info == await media.head("a")
        assert info.metadata == {"x": 1}
        assert await send(Finish("a", name, (first, second))) == info, "finished again"
        assert await send(Abort("a", name)) is False
        assert await media.get("a") == b"onetwo"


async def test_a_part_may_be_written_again(make: Make) -> None:
    async with over(make()) as media:
        send = media.bound.send
        name = await send(Begin("a"))
        await send(PutPart("a", name, 1, b"bad"))
        etag = await send(PutPart("a", name, 1, b"good"))
        await send(Finish("a", name, (etag,)))
        assert await media.get("a") == b"good"


async def test_an_aborted_upload_is_gone(make: Make) -> None:
    async with over(make()) as media:
        send = media.bound.send
        name = await send(Begin("a"))
        etag = await send(PutPart("a", name, 1, b"one"))
        assert await send(Abort("a", name)) is True
        assert await send(Abort("a", name)) is False
        with pytest.raises(Invalid, match="no such upload"):
            await send(PutPart("a", name, 2, b"two"))
        with pytest.raises(Invalid, match="no such upload"):
            await send(Finish("a", name, (etag,)))
        assert await media.get("a") is None


async def test_an_upload_belongs_to_its_key_and_scope(make: Make) -> None:
    async with over(make()) as media:
        send = media.bound.send
        name = await send(Begin("a", scope="s"))
        for key, scope in (("b", "s"), ("a", ""), ("a", "t")):
            with pytest.raises(Invalid):
                await send(PutPart(key, name, 1, b"", scope=scope))
            with pytest.raises(Invalid):
                await send(Finish(key, name, (), scope=scope))
            assert await send(Abort(key, name, scope=scope)) is False
        await send(Finish("a", name, (), scope="s"))
        assert await media.scoped("s").get("a") == b""


@pytest.mark.parametrize("name", ["../../blobs", "/tmp", "..", "x" * 1024])
async def test_an_upload_nobody_began_is_refused(make: Make, name: str) -> None:
    async with over(make()) as media:
        for op in (PutPart("a", name, 1, b""), Finish("a", name, ())):
            with pytest.raises(Invalid, match="no such upload"):
                await media.bound.send(op)
        assert await media.bound.send(Abort("a", name)) is False


async def test_a_part_that_was_not_written_is_refused(make: Make) -> None:
    async with over(make()) as media:
        send = media.bound.send
        name = await send(Begin("a"))
        etag = await send(PutPart("a", name, 1, b"one"))
        for parts in ((etag, etag), ("0" * 64,), ("../../../etc/passwd",), ("",)):
            with pytest.raises(Invalid, match="a part"):
                await send(Finish("a", name, parts))
        await send(Finish("a", name, (etag,)))
        assert await media.get("a") == b"one"


async def test_metadata_is_an_object(make: Make) -> None:
    async with over(make()) as media:
        for data in (b"[1]", b"1", b"{", b"\xff"):
            with pytest.raises(Invalid, match="metadata"):
                await media.bound.send(Put("a", b"", metadata=Json(data)))
            with pytest.raises(Invalid, match="metadata"):
                await media.bound.send(Begin("a", metadata=Json(data)))
        with pytest.raises(Invalid):
            await media.set("a", b"", metadata={"x": float("nan")})
        assert await media.get("a") is None


async def test_metadata_and_type_may_be_huge(make: Make) -> None:
    async with over(make()) as media:
        text = "\u202e" * 3_500_000
        await media.set("a", b"1", type=text, metadata={"x": text})
        info = await media.head("a")
        assert info is not None
        assert (info.type, info.metadata["x"]) == (text, text)
        assert len(repr(info)) < 300


async def test_sizes_around_a_part(make: Make) -> None:
    async with over(make()) as media:
        for data in (BIG[:-1], BIG, BIG + b"x"):
            await media.set("a", data)
            assert await media.get("a") == data
            assert await media.range("a", len(data) - 2, 5) == data[-2:]


async def test_many_writers_of_one_key_leave_one_whole_version(make: Make) -> None:
    async with over(make()) as media:
        versions = [bytes([65 + number]) * 1000 for number in range(8)]
        async with asyncio.TaskGroup() as group:
            for data in versions:
                group.create_task(media.set("a", data))
                group.create_task(media.set("same", b"equal"))
        assert await media.get("a") in versions
        assert await media.get("same") == b"equal"


async def test_equal_bytes_outlive_the_deletion_of_others(make: Make) -> None:
    async with over(make()) as media:

        async def churn(key: str) -> None:
            for _ in range(6):
                await media.set(key, b"equal")
                assert await media.get(key) == b"equal"
                assert await media.delete(key)
            await media.set(key, b"equal")

        async with asyncio.TaskGroup() as group:
            for key in "abcd":
                group.create_task(churn(key))
        assert [await media.get(key) for key in "abcd"] == [b"equal"] * 4


async def test_a_read_racing_writes_sees_whole_versions(make: Make) -> None:
    async with over(make()) as media:
        await media.set("a", b"A" * 100)

        async def write() -> None:
            for letter in b"BCDEFGHIJK":
                await media.set("a", bytes([letter]) * 100)

        async def read() -> None:
            for _ in range(15):
                data = await media.get("a")
                assert data is not None
                assert len(data) == 100
                assert len(set(data)) == 1

        async with asyncio.TaskGroup() as group:
            group.create_task(write())
            group.create_task(read())
            group.create_task(read())


async def test_check_passes_on_a_sound_store(make: Make) -> None:
    async with over(make()) as media:
        await media.check()
        assert await media.search("") == ()


async def test_errors_are_ours(make: Make) -> None:
    async with over(make()) as media:
        await media.set("a", b"")
        with pytest.raises(StorageError) as caught:
            await media.bound.send(ReadRange("a", -1))
        assert not isinstance(caught.value, Corrupt)
        assert caught.value.brief is not None
        assert caught.value.brief.target == "'a'"


async def test_memory_has_no_urls() -> None:
    with pytest.raises(Unsupported, match="Sign is not served"):
        await over(MemoryMedia()).url("a")
