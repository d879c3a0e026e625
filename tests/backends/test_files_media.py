"""Media on disk: what can go wrong there."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import pytest
from backends.media_cases import BIG, HOSTILE, Slow, over

from lamina.backends.files import FilesMedia
from lamina.backends.files.locks import FileLock
from lamina.domains.media import PART, Begin, Finish, Put, PutPart
from lamina.errors import Closed, Conflict, Corrupt, Invalid, StackError, Unavailable
from lamina.testing.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Iterator


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if not path.is_dir())


def blob(root: Path, data: bytes) -> Path:
    digest = sha256(data).hexdigest()
    return root / "blobs" / digest[:2] / digest


def change(root: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(root / "index.db")) as index:
        index.execute(statement, values)
        index.commit()


def child(code: str, *args: object) -> subprocess.Popen[str]:
    start = textwrap.dedent(
        """
        import asyncio, sys
        from lamina.backends.files import FilesMedia
        from lamina.stack import Stack
        """
    )
    command = [sys.executable, "-c", start + textwrap.dedent(code), *map(str, args)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
    )


def said(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=60)
    return output


async def test_needs_to_be_opened_and_stays_closed(tmp_path: Path) -> None:
    backend = FilesMedia(tmp_path / "m")
    media = over(backend)
    with pytest.raises(Closed, match="not opened"):
        await media.get("a")
    with pytest.raises(Closed, match="not open"):
        await backend.put(Put("a", b""))
    assert not (tmp_path / "m").exists()
    await media.open()
    await media.set("a", b"1")
    await media.close()
    with pytest.raises(Closed):
        await media.get("a")
    with pytest.raises(Closed, match="not open"):
        await backend.put(Put("a", b""))


async def test_keeps_all_across_openings_and_leaves_nothing_else(tmp_path: Path) -> None:
    for _ in range(2):
        async with over(FilesMedia(tmp_path)) as media:
            await media.set("a", b"1", metadata={"x": 1})
            await media.set("b", BIG + b"x")
    async with over(FilesMedia(tmp_path)) as media:
        assert await media.get("a") == b"1"
        assert await media.get("b") == BIG + b"x"
    assert files(tmp_path) == sorted(
        [blob(tmp_path, b"1"), blob(tmp_path, BIG + b"x"), tmp_path / "index.db", tmp_path / "lock"]
    )


async def test_equal_bytes_are_stored_once_and_removed_with_the_last_key(tmp_path: Path) -> None:
    async with over(FilesMedia(tmp_path)) as media:
        await media.set("a", b"same")
        await media.scoped("t").set("b", b"same")
        assert files(tmp_path / "blobs") == [blob(tmp_path, b"same")]
        await media.delete("a")
        assert await media.scoped("t").get("b") == b"same"
        await media.scoped("t").set("b", b"other")
        assert files(tmp_path / "blobs") == [blob(tmp_path, b"other")]


async def test_no_key_leads_out_of_the_root(tmp_path: Path) -> None:
    root = tmp_path / "in" / "root"
    async with over(FilesMedia(root)) as media:
        for key in HOSTILE:
            for scope in ("../..", "/tmp", "\u202e"):
                await media.scoped(scope).set(key, key.encode())
                assert await media.scoped(scope).get(key) == key.encode()
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["root"]
    assert len(files(root / "blobs")) == len(HOSTILE)


async def test_links_are_not_followed(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    async with over(FilesMedia(root)) as media:
        (root / "blobs" / sha256(b"new").hexdigest()[:2]).symlink_to(outside)
        with pytest.raises(Corrupt, match="link"):
            await media.set("a", b"new")

        await media.set("b", b"public")
        blob(root, b"public").unlink()
        blob(root, b"public").symlink_to(outside / "secret")
        with pytest.raises(Corrupt, match="link"):
            await media.get("b")

        upload = await media.bound.send(Begin("c"))
        (root / "uploads" / upload).symlink_to(outside)
        with pytest.raises(Corrupt, match="link"):
            await media.bound.send(PutPart("c", upload, 1, b"x"))
    (root / "temp" / "link").symlink_to(outside)
    (root / "uploads" / "link").symlink_to(outside)
    async with over(FilesMedia(root)):
        assert files(root / "temp") == [next((root / "temp").glob("*.lock"))]
        assert files(root / "uploads") == []
    assert files(outside) == [outside / "secret"]
    (root / "temp").rmdir()
    (root / "temp").symlink_to(outside)
    with pytest.raises(Corrupt, match="link"):
        await over(FilesMedia(root)).open()
    assert files(outside) == [outside / "secret"]


@pytest.mark.parametrize("place", ["file", "file/below"])
async def test_a_root_that_is_no_folder_is_invalid(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Invalid, match="not a folder"):
        async with over(FilesMedia(tmp_path / place)):
            pass


def test_a_root_that_is_no_path_is_refused() -> None:
    for root in ("", "a\0b"):
        with pytest.raises(StackError, match="root must be the path"):
            FilesMedia(root)
    for options in ({"threads": 0}, {"uploads_kept": 0}, {"uploads_kept": float("nan")}):
        with pytest.raises(StackError, match="more than 0"):
            FilesMedia("x", **options)


def test_a_root_that_may_not_be_written_says_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    process = child(
        """
        import os
        media = Stack().over(FilesMedia(sys.argv[1]))
        if os.geteuid() == 0:
            os.setuid(65534)
        try:
            asyncio.run(media.open())
        except Exception as error:
            print(type(error).__name__, error.transient, error)
        """,
        tmp_path / "root",
    )
    told = said(process)
    assert told.startswith("Unavailable False"), told
    assert "give this user write permission" in told


def test_a_full_disk_says_so_and_loses_nothing(tmp_path: Path) -> None:
    process = child(
        """
        import resource, signal
        async def main():
            async with Stack().over(FilesMedia(sys.argv[1])) as media:
                await media.set("a", b"old")
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
                for value in (b"x" * 2_000_000, b"y" * 9_000_000):
                    try:
                        await media.set("a", value)
                    except Exception as error:
                        print(type(error).__name__, error.transient, error)
                await media.set("b", b"still works")
        asyncio.run(main())
        """,
        tmp_path,
    )
    told = said(process).splitlines()
    assert len(told) == 2, told
    for line in told:
        assert line.startswith("Unavailable True"), line
        assert "is full (EFBIG): nothing was written" in line
    assert files(tmp_path / "temp") == files(tmp_path / "uploads") == []

    async def look() -> None:
        async with over(FilesMedia(tmp_path)) as media:
            assert await media.get("a") == b"old"
            assert await media.get("b") == b"still works"

    asyncio.run(look())
    assert len(files(tmp_path / "blobs")) == 2


@pytest.mark.parametrize(
    ("damaged", "told"),
    [(b"sh", "2 are there, 8 were written"), (b"flipped!", "digest"), (None, "missing")],
)
async def test_damaged_bytes_are_not_given(
    tmp_path: Path, damaged: bytes | None, told: str
) -> None:
    async with over(FilesMedia(tmp_path)) as media:
        await media.set("a", b"original")
        path = blob(tmp_path, b"original")
        if damaged is None:
            path.unlink()
        else:
            path.write_bytes(damaged)
        with pytest.raises(Corrupt, match=told):
            await media.get("a")
        if damaged != b"flipped!":
            with pytest.raises(Corrupt, match=told):
                await media.range("a", 1, 2)
        await media.set("b", b"original")
        assert await media.get("a") == b"original", "written anew, it is whole again"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("digest", "../../../../etc/passwd"),
        ("digest", "0" * 63),
        ("size", "many"),
        ("type", b"bytes"),
        ("metadata", b"{"),
        ("metadata", b"[]"),
        ("metadata", "text"),
        ("modified", "never"),
    ],
)
async def test_a_damaged_entry_is_corrupt(tmp_path: Path, column: str, value: Any) -> None:
    async with over(FilesMedia(tmp_path)) as media:
        await media.set("a", b"1")
        await media.set("b", b"2")
        change(tmp_path, f"UPDATE media_objects SET {column} = ? WHERE key = 'a'", value)
        with pytest.raises(Corrupt):
            await media.get("a")
        with pytest.raises(Corrupt):
            await media.head("a")
        with pytest.raises(Corrupt):
            await media.search("")
        assert await media.get("b") == b"2"
        await media.set("a", b"3")
        assert await media.get("a") == b"3"


async def test_an_index_that_cannot_be_read_is_corrupt(tmp_path: Path) -> None:
    async with over(FilesMedia(tmp_path)) as media:
        await media.set("a", b"1")
    (tmp_path / "index.db").write_bytes(b"not a database " * 1000)
    with pytest.raises(Corrupt):
        await over(FilesMedia(tmp_path)).open()
    assert blob(tmp_path, b"1").exists()


async def test_a_missing_index_does_not_cost_the_bytes(tmp_path: Path) -> None:
    async with over(FilesMedia(tmp_path)) as media:
        await media.set("a", b"1")
    (tmp_path / "index.db").unlink()
    with pytest.raises(Corrupt, match="index is missing"):
        async with over(FilesMedia(tmp_path)):
            pass
    assert blob(tmp_path, b"1").exists()


async def test_a_damaged_part_is_corrupt(tmp_path: Path) -> None:
    async with over(FilesMedia(tmp_path)) as media:
        upload = await media.bound.send(Begin("a"))
        etag = await media.bound.send(PutPart("a", upload, 1, b"part"))
        files(tmp_path / "uploads")[0].write_bytes(b"trap")
        with pytest.raises(Corrupt, match="part 1 is damaged"):
            await media.bound.send(Finish("a", upload, (etag,)))
        assert await media.get("a") is None


async def test_an_upload_has_so_many_parts(tmp_path: Path) -> None:
    async with over(FilesMedia(tmp_path)) as media:
        upload = await media.bound.send(Begin("a"))
        with pytest.raises(Invalid, match="at most 100000 parts"):
            await media.bound.send(PutPart("a", upload, 100_001, b""))


async def test_opening_removes_old_uploads_and_keeps_young_ones(tmp_path: Path) -> None:
    async with over(FilesMedia(tmp_path, uploads_kept=100)) as media:
        send = media.bound.send
        old, young = await send(Begin("old")), await send(Begin("young"))
        for key, upload in (("old", old), ("young", young)):
            etag = await send(PutPart(key, upload, 1, b"part"))
        await asyncio.sleep(99)
        await send(PutPart("young", young, 2, b"more"))
        await asyncio.sleep(2)
    async with over(FilesMedia(tmp_path, uploads_kept=100)) as media:
        assert {path.parent.name for path in files(tmp_path / "uploads")} == {young}
        with pytest.raises(Invalid, match="no such upload"):
            await media.bound.send(Finish("old", old, (etag,)))
        await media.bound.send(Finish("young", young, (etag,)))
        assert await media.get("young") == b"part"
        assert files(tmp_path / "uploads") == []


async def test_opening_removes_what_nobody_names(tmp_path: Path) -> None:
    async with over(FilesMedia(tmp_path)) as media:
        await media.set("a", b"1")
        orphan = blob(tmp_path, b"orphan")
        orphan.parent.mkdir()
        orphan.write_bytes(b"orphan")
        (tmp_path / "blobs" / "note.txt").write_bytes(b"not ours")
        alive = files(tmp_path / "temp")
        (tmp_path / "temp" / "dead").mkdir()
        (tmp_path / "temp" / "dead" / "x").write_bytes(b"")
        (tmp_path / "uploads" / "dead").mkdir()
        async with over(FilesMedia(tmp_path)) as other:
            assert not orphan.exists()
            assert set(alive) < set(files(tmp_path / "temp")), "the first is still open"
            assert not (tmp_path / "temp" / "dead").exists()
            assert files(tmp_path / "uploads") == []
            assert await other.get("a") == b"1"
        await media.set("b", b"2")
        assert (tmp_path / "blobs" / "note.txt").exists()


async def test_the_url_is_that_of_a_file(tmp_path: Path) -> None:
    async with over(FilesMedia(tmp_path / "a b%")) as media:
        await media.set("../x", b"bytes")
        url = urlparse(await media.url("../x"))
        assert url.scheme == "file"
        assert Path(url2pathname(url.path)).read_bytes() == b"bytes"
        with pytest.raises(Invalid, match="no such object"):
            await media.url("none")


@pytest.mark.parametrize("erased", [True, False])
async def test_a_reader_never_mixes_versions(tmp_path: Path, erased: bool) -> None:
    async with over(FilesMedia(tmp_path)) as media:
        await media.set("a", BIG + b"old")
        reader = await media.open_reader("a")
        assert reader is not None
        assert await reader.read(PART) == BIG
        await (media.delete("a") if erased else media.set("a", BIG + b"new"))
        with pytest.raises(Conflict):
            await reader.read()


async def test_a_store_that_cannot_write_fails_its_check(tmp_path: Path) -> None:
    async with over(FilesMedia(tmp_path)) as media:
        await media.check()
        own = next(path for path in (tmp_path / "temp").iterdir() if path.is_dir())
        own.rmdir()
        with pytest.raises(Unavailable, match="ENOENT"):
            await media.check()
        own.mkdir()
        await media.check()


async def test_a_root_held_by_another_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lamina.backends.files.disk._BUSY", 0.02)
    lock = FileLock(tmp_path / "lock")
    assert lock.take()
    with pytest.raises(Unavailable, match=r"held the root for 0.02 s"):
        async with over(FilesMedia(tmp_path)):
            pass
    lock.drop()
    async with over(FilesMedia(tmp_path)) as media:
        await media.check()


def test_cancelled_at_any_await_nothing_is_left(tmp_path: Path) -> None:
    roots: Iterator[Path] = (tmp_path / str(number) for number in range(1000))
    used: list[Path] = []
    data = BIG + b"x"

    async def upload() -> None:
        used.append(next(roots))
        media = over(FilesMedia(used[-1], threads=1))
        try:
            async with media:
                await media.set("a", Slow(data, PART))
        except asyncio.CancelledError:
            await media.bound.runtime.drain()
            raise

    def sound() -> None:
        root = used[-1]
        left = files(root / "temp") + files(root / "uploads")
        assert left == []
        assert files(root / "blobs") in ([], [blob(root, data)])
        if (root / "index.db").exists():
            with closing(sqlite3.connect(root / "index.db")) as index:
                assert index.execute("SELECT count(*) FROM media_uploads").fetchone() == (0,)
                found = index.execute("SELECT count(*) FROM media_objects").fetchone()[0]
            assert found == len(files(root / "blobs"))

    told = sweep(upload, after=sound, allow_finish=True)
    assert told.points >= 6


@pytest.mark.slow
def test_kill_at_random_moments_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, Path(__file__).with_name("media_killer.py"), tmp_path / "root", "40"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    told = process.stdout.split()
    assert told[:1] == ["acknowledged"], process.stdout
    assert int(told[1]) > 100


@pytest.mark.slow
def test_big_objects_need_little_memory(tmp_path: Path) -> None:
    process = child(
        """
        import resource
        class Zeros:
            async def read(self, start, length):
                return bytes(max(0, min(length, 12 * 8 * 2**20 - start)))
        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        async def main():
            async with Stack().over(FilesMedia(sys.argv[1], threads=1)) as media:
                before = peak()
                await media.set("a", Zeros())
                reader = await media.open_reader("a")
                assert reader.info.size == 12 * 8 * 2**20
                async for chunk in reader:
                    assert len(chunk) == 8 * 2**20
            print(peak() - before)
        asyncio.run(main())
        """,
        tmp_path,
    )
    assert int(said(process)) < 60, "MiB, for an object of 96"


@pytest.mark.slow
def test_two_processes_share_one_root(tmp_path: Path) -> None:
    code = """
        async def main():
            async with Stack().over(FilesMedia(sys.argv[1])) as media:
                async def work(key):
                    for number in range(30):
                        await media.set(key, b"equal")
                        assert await media.get(key) == b"equal", key
                        await media.set("both", bytes([number]))
                        await media.delete(key)
                    await media.set(key, b"equal")
                await asyncio.gather(work("a" + sys.argv[2]), work("b" + sys.argv[2]))
            print("fine")
        asyncio.run(main())
        """
    both = [child(code, tmp_path, number) for number in (1, 2)]
    assert [said(process) for process in both] == ["fine\n", "fine\n"]

    async def look() -> None:
        async with over(FilesMedia(tmp_path)) as media:
            assert [info.key async for info in media.scan()] == ["a1", "a2", "b1", "b2", "both"]
            assert [await media.get(key) for key in ("a1", "a2", "b1", "b2")] == [b"equal"] * 4
            assert await media.get("both") == bytes([29])

    asyncio.run(look())
    assert files(tmp_path / "temp") == []
    assert len(files(tmp_path / "blobs")) == 2
