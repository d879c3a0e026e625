"""A file that was stored by a fallback is found there, by its reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import lamina
from lamina.backends.files import FilesMedia
from lamina.backends.memory import MemoryDocuments, MemoryKeyValue, MemoryMedia, MemoryVectors
from lamina.domains.media import PART, Put
from lamina.errors import StorageError, Unavailable, Unsupported
from lamina.layers.fallback import Fallback
from lamina.stack import Stack
from lamina.storage import UnifiedStorage
from lamina.testing.scripted import ScriptedMedia

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.backend import Backend
    from lamina.domains.media import Media


def down() -> ScriptedMedia:
    made = ScriptedMedia()
    for op in made.capabilities():
        made.expect(op).raises(Unavailable("down", sent="no")).always()
    return made


def over(other: Media, backend: Backend[Media], *, writes: bool = True) -> UnifiedStorage:
    def keep(op: Any, error: StorageError) -> None:
        pass

    plain = Stack()
    layer = Fallback(other.bound, writes=writes, on_fallback=keep)
    return UnifiedStorage(
        keyvalue=plain.over(MemoryKeyValue()),
        vectors=plain.over(MemoryVectors()),
        documents=plain.over(MemoryDocuments()),
        media=Stack(layer).over(backend),
    )


async def test_the_reference_says_who_holds_the_file_and_all_find_it(tmp_path: Path) -> None:
    other = await Stack().over(FilesMedia(tmp_path)).open()
    storage = over(other, down())

    async with lamina.call() as call:
        reference = await storage.store_media(b"bytes", "a.png", "image/png")

    assert reference.startswith("media:files:")
    assert list(call.served_by.values()) == ["files"]
    back = over(other, MemoryMedia())  # the first is up again, and has never heard of it
    assert await back.get_media(reference) == b"bytes"
    reader = await back.open_media(reference)
    assert reader is not None
    assert await reader.read() == b"bytes"
    info = await back.media_info(reference)
    assert info is not None
    assert info["reference"] == reference
    assert (await back.media_url(reference)).startswith("file:")
    assert await back.delete_media(reference)
    assert await back.get_media(reference) is None
    await other.close()


async def test_a_tenant_finds_its_own_there_and_nobody_else_s(tmp_path: Path) -> None:
    other = await Stack().over(FilesMedia(tmp_path)).open()
    storage = over(other, down())

    reference = await storage.tenant("acme").store_media(b"bytes", "a.png", "image/png")

    assert await storage.tenant("acme").get_media(reference) == b"bytes"
    assert await storage.tenant("other").get_media(reference) is None
    assert await storage.get_media(reference) is None
    await other.close()


async def test_what_the_first_stored_is_its_own() -> None:
    storage = over(Stack().over(ScriptedMedia()), MemoryMedia())

    reference = await storage.store_media(b"bytes", "a.png", "image/png")

    assert reference.startswith("media:memory:")
    assert await storage.get_media(reference) == b"bytes"


async def test_a_large_file_is_stored_by_the_first_or_not_at_all() -> None:
    other = ScriptedMedia()
    storage = over(Stack().over(other), down())

    with pytest.raises(Unavailable):
        await storage.store_media(bytes(PART + 1), "a.png", "image/png")

    assert [op for op in other.calls if isinstance(op, Put)] == []


async def test_one_that_takes_no_writes_holds_nothing_by_reference_of_another() -> None:
    storage = over(Stack().over(MemoryMedia()), ScriptedMedia(), writes=False)

    with pytest.raises(Unsupported, match="held by backend 'elsewhere'"):
        await storage.get_media("media:elsewhere:abc")
