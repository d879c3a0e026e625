"""Take files and folders into the library."""

from __future__ import annotations

import asyncio
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, final

from lamina.bot.ingest.chunk import Chunk, chunk
from lamina.bot.ingest.extract import Binary, Empty, Unreadable, extract, load
from lamina.bot.ingest.walk import walk
from lamina.bot.library import Entry, Library, entry_key, path_text

if TYPE_CHECKING:
    from collections.abc import Mapping

BATCH: Final = 64
"""Chunks that are stored at once."""

_MARKDOWN: Final = frozenset({".md", ".markdown", ".mdx", ".mkd"})


class Progress(Protocol):
    """Is told how far it is."""

    def start(self, files: int, size: int) -> None:
        """Begin, with so many files of *size* bytes in all."""
        ...

    def advance(self, path: Path, size: int) -> None:
        """Another *size* bytes are done, of *path*."""
        ...

    def stop(self) -> None:
        """End, whether all was done or not."""
        ...


@final
@dataclass(slots=True)
class Report:
    """What became of the files."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    gone: int = 0
    hidden: int = 0
    binary: int = 0
    empty: int = 0
    chunks: int = 0
    failed: list[tuple[Path, str]] = field(default_factory=list[tuple[Path, str]])
    notices: list[tuple[Path, str]] = field(default_factory=list[tuple[Path, str]])


@final
@dataclass(frozen=True, slots=True)
class Cut:
    """A file that was read: its entry to be, and its chunks."""

    file: Path
    size: int
    entry: Entry
    chunks: tuple[Chunk, ...]
    notice: str | None


@final
class Ingest:
    """Takes files into a library; what is unchanged is skipped, what is gone is deleted.

    Interrupted at any moment, the next run goes on where it was: a file counts as done when its
    entry says so, and until then its entry names every chunk that may have been stored.
    """

    def __init__(self, library: Library, progress: Progress) -> None:
        self._library = library
        self._progress = progress
        self._held: list[Cut] = []

    async def take(self, root: Path) -> Report:
        """Take a file, or all files of a folder.

        Raises:
            Unreadable: There is no such file or folder.
            StorageError: The storage failed; run it again later.
        """
        walked = await asyncio.to_thread(walk, root)
        report = Report(hidden=walked.hidden, failed=list(walked.unreadable))
        entries = await self._library.entries()
        self._held = []
        self._progress.start(len(walked.files), sum(map(_size, walked.files)))
        try:
            for file in walked.files:
                await self._one(file, entries, report)
            await self._flush(entries, report)
            await self._forget_gone(root, walked.files, entries, report)
        finally:
            self._progress.stop()
        return report

    async def _one(self, file: Path, entries: Mapping[str, Entry], report: Report) -> None:
        known = entries.get(entry_key(file))
        try:
            cut = await asyncio.to_thread(_cut, file, known)
        except Binary:
            report.binary += 1
        except Empty:
            report.empty += 1
        except Unreadable as error:
            report.failed.append((file, str(error)))
        else:
            if cut is not None:
                self._held.append(cut)
                if sum(len(held.chunks) for held in self._held) >= BATCH:
                    await self._flush(entries, report)
                return
            report.unchanged += 1
        self._progress.advance(file, _size(file))

    async def _flush(self, entries: Mapping[str, Entry], report: Report) -> None:
        """Store what is held: entries naming old and new chunks, the chunks, the true entries."""
        held, self._held = self._held, []
        known = [entries.get(cut.entry.key) for cut in held]
        await self._library.write(
            Entry(cut.entry.key, cut.entry.path, "", _union(cut.entry, before))
            for cut, before in zip(held, known, strict=True)
        )
        await self._store(held, report)
        for cut, before in zip(held, known, strict=True):
            if before is not None:
                await self._library.drop(sorted(set(before.chunks) - set(cut.entry.chunks)))
        await self._library.write(cut.entry for cut in held)
        for cut, before in zip(held, known, strict=True):
            done = before is not None and bool(before.digest)
            report.changed += done
            report.added += not done
            if cut.notice:
                report.notices.append((cut.file, cut.notice))

    async def _store(self, held: list[Cut], report: Report) -> None:
        chunks = [(cut, one) for cut in held for one in cut.chunks]
        for start in range(0, len(chunks), BATCH):
            part = chunks[start : start + BATCH]
            await self._library.put([(cut.entry.path, one) for cut, one in part])
            report.chunks += len(part)
            for cut, one in part:
                last = one.position + 1 == len(cut.chunks)
                share = cut.size // len(cut.chunks)
                self._progress.advance(cut.file, cut.size - share * one.position if last else share)

    async def _forget_gone(
        self, root: Path, files: list[Path], entries: Mapping[str, Entry], report: Report
    ) -> None:
        """Delete what came from files under *root* that are no longer there."""
        here = {entry_key(file) for file in files}
        under = path_text(root) + os.sep
        missing = [
            entry
            for entry in entries.values()
            if entry.key not in here and entry.path.startswith(under)
        ]
        for entry in await asyncio.to_thread(_gone, missing):
            await self._library.remove(entry)
            report.gone += 1


def _cut(file: Path, known: Entry | None) -> Cut | None:
    """Read and cut a file; None if nothing about it has changed."""
    data = load(file)
    digest = hashlib.sha256(data).hexdigest()
    if known is not None and known.digest == digest:
        return None
    found = extract(data)
    source = path_text(file)
    name = os.fsencode(file.name).decode("utf-8", "backslashreplace")
    markdown = file.suffix.lower() in _MARKDOWN
    chunks = chunk(found.text, source=source, name=name, markdown=markdown)
    if not chunks:
        msg = "empty"
        raise Empty(msg)
    entry = Entry(entry_key(file), source, digest, tuple(one.id for one in chunks))
    return Cut(file, len(data), entry, chunks, found.notice)


def _gone(entries: list[Entry]) -> list[Entry]:
    return [entry for entry in entries if not os.path.lexists(entry.path)]


def _union(entry: Entry, before: Entry | None) -> tuple[str, ...]:
    old = () if before is None else before.chunks
    return tuple(dict.fromkeys((*old, *entry.chunks)))


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
