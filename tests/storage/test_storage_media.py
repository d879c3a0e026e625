from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from storage_faults import Faults, down, make

from lamina.backends.files import FilesMedia
from lamina.backends.memory import MemoryDocuments, MemoryKeyValue, MemoryVectors
from lamina.domains.media import FileSource
from lamina.errors import Invalid, Unavailable, Unsupported
from lamina.stack import Stack
from lamina.storage import UnifiedStorage

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = [
    "../../etc/passwd",
    "..\\..\\boot.ini",
    "/etc/shadow",
    "photo\u202egnp.exe",
    "a\r\nX-Evil: 1.png",
    "..",
    "",
    "   ",
    "日本語.png",
    "%2e%2e%2fx",
]


async def test_gives_back_what_was_stored() -> None:
    storage = make()

    reference = await storage.store_media(b"bytes", "Photo.PNG", "image/png", {"chat": "é"})

    assert re.fullmatch(r"media:memory:[0-9a-f]{32}\.png", reference)
    assert await storage.get_media(reference) == b"bytes"
    info = await storage.media_info(reference)
    assert info is not None
    assert info["file_name"] == "Photo.PNG"
    assert info["content_type"] == "image/png"
    assert info["metadata"] == {"chat": "é"}
    assert (info["size"], info["reference"]) == (5, reference)
    assert await storage.delete_media(reference)
    assert await storage.get_media(reference) is None
    assert await storage.media_info(reference) is None
    assert await storage.open_media(reference) is None
    assert not await storage.delete_media(reference)


@pytest.mark.parametrize("name", HOSTILE)
async def test_no_file_name_becomes_part_of_a_key_or_a_header(name: str) -> None:
    storage = make()

    reference = await storage.store_media(b"x", name, "image/png", {"caption": "né\n"})

    (stored,) = await storage.media.search("")
    assert re.fullmatch(r"[0-9a-f]{32}(\.[a-z0-9]{1,10})?", stored.key)
    assert set(stored.metadata) == {"file_name", "metadata"}
    assert all(v.isascii() and v.isprintable() for v in stored.metadata.values())
    info = await storage.media_info(reference)
    assert info is not None
    assert not re.search(r"[/\\\r\n\u202e]", info["file_name"])
    assert info["file_name"].strip(". ")
    assert info["metadata"] == {"caption": "né\n"}


@pytest.mark.parametrize("name", ["a\0b", "\ud800.png", 10_000_000 * "n", None])
async def test_refuses_names_that_cannot_be_kept(name: Any) -> None:
    storage = make()

    with pytest.raises(Invalid, match="file_name"):
        await storage.store_media(b"x", name, "image/png")

    assert await storage.media.search("") == ()


@pytest.mark.parametrize("kind", ["", "png", "image/png\r\nX: y", "a/b/c", "é/x", None])
async def test_refuses_what_is_no_media_type(kind: Any) -> None:
    with pytest.raises(Invalid, match="content_type"):
        await make().store_media(b"x", "a", kind)


async def test_refuses_metadata_that_is_too_long() -> None:
    with pytest.raises(Invalid, match=r"take 4994 ASCII bytes, at most 2048"):
        await make().store_media(b"x", "a", "image/png", {"a": "x" * 4967})


@pytest.mark.parametrize(
    "reference", ["", "x", "media:", "media::a", "media:memory:", None, "s3://a"]
)
async def test_refuses_what_is_no_reference(reference: Any) -> None:
    storage = make()

    for work in (storage.get_media, storage.delete_media, storage.media_url, storage.open_media):
        with pytest.raises(Invalid, match="reference"):
            await work(reference)


async def test_refuses_a_reference_to_another_backend() -> None:
    with pytest.raises(Unsupported, match="held by backend 's3', this storage has 'memory'"):
        await make().get_media("media:s3:abc")


async def test_a_reference_cannot_leave_the_store() -> None:
    storage = make()

    assert await storage.get_media("media:memory:../../etc/passwd") is None


async def test_memory_has_no_urls() -> None:
    storage = make()
    reference = await storage.store_media(b"x", "a", "image/png")

    with pytest.raises(Unsupported):
        await storage.media_url(reference)


async def test_files_have_file_urls_and_read_in_parts(tmp_path: Path) -> None:
    source = tmp_path / "in.bin"
    source.write_bytes(b"0123456789")
    plain = Stack()
    storage = UnifiedStorage(
        keyvalue=plain.over(MemoryKeyValue()),
        vectors=plain.over(MemoryVectors()),
        documents=plain.over(MemoryDocuments()),
        media=plain.over(FilesMedia(tmp_path / "media")),
    )
    async with storage:
        reference = await storage.store_media(FileSource(source), "in.bin", "text/plain")
        assert reference.startswith("media:files:")
        assert (await storage.media_url(reference)).startswith("file:")
        reader = await storage.open_media(reference)
        assert reader is not None
        reader.seek(3)
        assert await reader.read(4) == b"3456"


async def test_failures_are_raised_not_answered() -> None:
    faults = Faults()
    storage = make(faults)
    faults.before.update(Put=down(), ReadRange=down(), Head=down(), Erase=down(), Sign=down())

    for work in (
        storage.store_media(b"x", "a", "image/png"),
        storage.get_media("media:memory:a"),
        storage.media_info("media:memory:a"),
        storage.delete_media("media:memory:a"),
    ):
        with pytest.raises(Unavailable):
            await work
