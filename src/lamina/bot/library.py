"""What the bot keeps of your files: their chunks, and which file gave which."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

from lamina.values import Json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from lamina.bot.ingest.chunk import Chunk
    from lamina.storage import UnifiedStorage

RECIPE: Final = 1
"""Counts up when the same file would give other chunks, so that it is read again."""

_PREFIX: Final = "bot:file:"


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """One file in the library; *digest* is empty while its chunks are being written."""

    key: str
    path: str
    digest: str
    chunks: tuple[str, ...]


def entry_key(path: Path) -> str:
    """Return the key of a file's entry, the same for all ways to the file."""
    return _PREFIX + hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:40]


def path_text(path: Path) -> str:
    """Return the file's full path as text, whatever bytes its name has."""
    return os.fsencode(os.path.realpath(path)).decode("utf-8", "backslashreplace")


@final
class Library:
    """Chunks and entries, all of them in the bot's storage."""

    def __init__(self, storage: UnifiedStorage) -> None:
        self._storage = storage

    async def entries(self) -> dict[str, Entry]:
        """Return the entries of all files, by key."""
        keyvalue = self._storage.keyvalue
        keys = sorted({key async for key in keyvalue.scan(_PREFIX)})
        found: dict[str, Entry] = {}
        for start in range(0, len(keys), 100):
            part = keys[start : start + 100]
            for key, value in zip(part, await keyvalue.get_many(part), strict=True):
                if value is not None:
                    found[key] = _entry(key, Json(value).thaw())
        return found

    async def write(self, entries: Iterable[Entry]) -> None:
        """Write entries."""
        items = {
            entry.key: Json.of(
                {
                    "path": entry.path,
                    "digest": entry.digest,
                    "chunks": list(entry.chunks),
                    "recipe": RECIPE,
                }
            ).data
            for entry in entries
        }
        if items:
            await self._storage.keyvalue.set_many(items)

    async def put(self, chunks: Sequence[tuple[str, Chunk]]) -> None:
        """Store chunks, each with the path of its file, for both kinds of search."""
        await self._storage.batch_store_documents(
            [
                {
                    "id": one.id,
                    "content": one.content,
                    "metadata": {
                        "source": source,
                        "name": one.name,
                        "heading": one.heading,
                        "position": one.position,
                    },
                }
                for source, one in chunks
            ]
        )

    async def drop(self, ids: Iterable[str]) -> None:
        """Delete chunks; those that are gone already are no error."""
        for id_ in ids:
            await self._storage.delete_document(id_)

    async def remove(self, entry: Entry) -> None:
        """Delete a file's chunks, then its entry."""
        await self.drop(entry.chunks)
        await self._storage.keyvalue.delete(entry.key)


def _entry(key: str, value: Mapping[str, Any]) -> Entry:
    digest = value["digest"] if value.get("recipe") == RECIPE else ""
    return Entry(key, value["path"], digest, tuple(value["chunks"]))
