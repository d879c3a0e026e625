from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lamina.bot.answer.find import find
from lamina.bot.ingest.ingest import BATCH, Ingest, Report
from lamina.bot.library import Library
from lamina.errors import StorageError, Unavailable
from lamina.storage import UnifiedStorage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from lamina.storage import NewDocument


class Told:
    """A progress that remembers what it was told."""

    def __init__(self) -> None:
        self.size = self.done = self.stopped = 0

    def start(self, files: int, size: int) -> None:
        self.size = size

    def advance(self, path: Path, size: int) -> None:
        self.done += size

    def stop(self) -> None:
        self.stopped += 1


async def take(storage: UnifiedStorage, root: Path) -> Report:
    return await Ingest(Library(storage), Told()).take(root)


async def ids(storage: UnifiedStorage) -> set[str]:
    """Return the ids of all chunks, which must be the same in documents, index and entries."""
    kept = {document.id async for document in storage.documents.scan()}
    indexed = {id_ async for id_ in storage.vectors.scan()}
    named = {id_ for one in (await Library(storage).entries()).values() for id_ in one.chunks}
    assert kept == indexed == named
    return kept


async def test_a_folder_is_taken_in_and_found(docs: Path) -> None:
    storage = UnifiedStorage.in_memory()

    report = await take(storage, docs)

    assert (report.added, report.changed, report.unchanged) == (4, 0, 0)
    assert report.chunks == len(await ids(storage)) == 9
    found = await find(storage, "how do I bake bread?")
    assert found.passages[0].source == os.path.realpath(docs / "notes/bread.txt")


async def test_what_is_unchanged_is_skipped(docs: Path) -> None:
    storage = UnifiedStorage.in_memory()
    await take(storage, docs)
    before = await ids(storage)

    report = await take(storage, docs)

    assert (report.added, report.changed, report.unchanged, report.chunks) == (0, 0, 4, 0)
    assert await ids(storage) == before


async def test_a_changed_file_gives_new_chunks_and_loses_old_ones(docs: Path) -> None:
    storage = UnifiedStorage.in_memory()
    await take(storage, docs)
    before = await ids(storage)
    (docs / "notes/bread.txt").write_text("Cake needs eggs.\n")

    report = await take(storage, docs)

    assert (report.added, report.changed, report.unchanged) == (0, 1, 3)
    assert len(await ids(storage) - before) == len(before - await ids(storage)) == 1
    assert not (await find(storage, "dough in the oven")).passages


async def test_a_deleted_file_is_forgotten_when_its_folder_is_added_again(docs: Path) -> None:
    storage = UnifiedStorage.in_memory()
    await take(storage, docs)
    (docs / "notes/bread.txt").unlink()

    report = await take(storage, docs)

    assert (report.gone, report.unchanged) == (1, 3)
    assert len(await ids(storage)) == 8


async def test_a_deleted_file_elsewhere_is_kept(docs: Path) -> None:
    storage = UnifiedStorage.in_memory()
    await take(storage, docs)
    (docs / "layers.md").unlink()

    assert (await take(storage, docs / "notes")).gone == 0


async def test_one_unreadable_file_does_not_stop_the_folder(docs: Path) -> None:
    storage = UnifiedStorage.in_memory()
    (docs / "broken.pdf").write_bytes(b"%PDF-1.4 oops")
    (docs / "picture.png").write_bytes(b"\x89PNG\r\n\0\0")
    (docs / "empty.txt").write_bytes(b"")
    (docs / "latin.txt").write_bytes(b"caf\xe9")

    report = await take(storage, docs)

    assert (report.added, report.binary, report.empty) == (5, 1, 1)
    assert [(path.name, why) for path, why in report.failed] == [
        ("broken.pdf", "the PDF is damaged"),
    ]
    assert [path.name for path, _ in report.notices] == ["latin.txt"]


async def test_a_name_that_is_no_utf_8_can_be_taken(docs: Path) -> None:
    storage = UnifiedStorage.in_memory()
    with open(os.fsencode(docs) + b"/caf\xe9.txt", "wb") as file:  # noqa: PTH123  # bytes
        file.write(b"Espresso is strong coffee.")

    assert (await take(storage, docs)).added == 5
    found = await find(storage, "espresso coffee")
    assert found.passages[0].name == "caf\\xe9.txt"
    assert (await take(storage, docs)).unchanged == 5


async def test_progress_reaches_its_end_exactly(docs: Path) -> None:
    (docs / "long.md").write_text("# Long\n\n" + "Words and words. " * 9000)
    (docs / "empty.txt").write_bytes(b"")
    told = Told()

    report = await Ingest(Library(UnifiedStorage.in_memory()), told).take(docs)

    assert report.chunks > 2 * BATCH
    assert told.done == told.size > 0
    assert told.stopped == 1


class Failing:
    """A storage that fails for good after so many writes, as when the process is killed."""

    def __init__(self, storage: UnifiedStorage, writes: int) -> None:
        self._storage = storage
        self._left = writes
        self.failed = False
        self.keyvalue = self

    def scan(self, prefix: str) -> AsyncIterator[str]:
        return self._storage.keyvalue.scan(prefix)

    async def get_many(self, keys: list[str]) -> tuple[bytes | None, ...]:
        return await self._storage.keyvalue.get_many(keys)

    async def set_many(self, items: dict[str, bytes]) -> None:
        self._write()
        await self._storage.keyvalue.set_many(items)

    async def batch_store_documents(self, documents: list[NewDocument]) -> None:
        await self._storage.batch_store_documents(documents[: len(documents) // 2])
        self._write()
        await self._storage.batch_store_documents(documents)

    async def delete_document(self, id_: str) -> None:
        self._write()
        await self._storage.delete_document(id_)

    def _write(self) -> None:
        self._left -= 1
        if self._left < 0:
            self.failed = True
            msg = "gone"
            raise Unavailable(msg)


@pytest.mark.parametrize("after", range(12))
async def test_an_interrupted_run_is_finished_by_the_next(docs: Path, after: int) -> None:
    storage = UnifiedStorage.in_memory()
    await take(storage, docs)
    (docs / "layers.md").write_text("# Layers\n\nAll new.\n\n## Cache\n\nAlso new.\n")
    (docs / "long.md").write_text("# Long\n\n" + "Many words are here. " * 4000)
    failing = Failing(storage, after)

    try:
        await Ingest(Library(failing), Told()).take(docs)  # type: ignore[arg-type]  # stands for it
    except StorageError:
        assert failing.failed
    report = await take(storage, docs)

    assert report.added + report.changed + report.unchanged == 5
    clean = UnifiedStorage.in_memory()
    await take(clean, docs)
    assert await ids(storage) == await ids(clean)
