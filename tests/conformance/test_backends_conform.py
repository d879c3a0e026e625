"""Every backend that ships does what its domain's interface promises."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Final

import pytest

from lamina.backends.files import FilesMedia
from lamina.backends.memory import MemoryDocuments, MemoryKeyValue, MemoryMedia, MemoryVectors
from lamina.backends.sqlite import SqliteDocuments, SqliteKeyValue, SqliteVectors
from lamina.embed import LexicalEmbedder
from lamina.testing.contracts import (
    DocumentsContract,
    KeyValueContract,
    MediaContract,
    VectorsContract,
)

_EMBEDDER: Final = LexicalEmbedder()


class OnDisk:
    """Gives each backend a place of its own."""

    examples = 10

    @pytest.fixture(autouse=True)
    def _places(self, tmp_path: Path) -> None:
        self._folder = tmp_path
        self._numbers = count()

    def place(self) -> Path:
        return self._folder / f"store {next(self._numbers)}"


class TestMemoryKeyValue(KeyValueContract):
    examples = 150

    def backend(self) -> MemoryKeyValue:
        return MemoryKeyValue()


class TestMemoryDocuments(DocumentsContract):
    examples = 100

    def backend(self) -> MemoryDocuments:
        return MemoryDocuments()


class TestMemoryVectors(VectorsContract):
    examples = 100
    dimension = _EMBEDDER.dimension

    def backend(self) -> MemoryVectors:
        return MemoryVectors(embedder=_EMBEDDER)


class TestMemoryVectorsByDot(VectorsContract):
    dimension = _EMBEDDER.dimension

    def backend(self) -> MemoryVectors:
        return MemoryVectors(embedder=_EMBEDDER, metric="dot")


class TestMemoryMedia(MediaContract):
    examples = 100
    upload_points = None

    def backend(self) -> MemoryMedia:
        self._last = MemoryMedia()
        return self._last

    async def unfinished(self) -> int:
        return len(self._last._uploads)


class TestSqliteKeyValue(OnDisk, KeyValueContract):
    def backend(self) -> SqliteKeyValue:
        return SqliteKeyValue(self.place())


class TestSqliteDocuments(OnDisk, DocumentsContract):
    def backend(self) -> SqliteDocuments:
        return SqliteDocuments(self.place())


class TestSqliteVectors(OnDisk, VectorsContract):
    dimension = _EMBEDDER.dimension

    def backend(self) -> SqliteVectors:
        return SqliteVectors(self.place(), embedder=_EMBEDDER)


class TestSqliteVectorsByDistance(OnDisk, VectorsContract):
    dimension = _EMBEDDER.dimension

    def backend(self) -> SqliteVectors:
        return SqliteVectors(self.place(), embedder=_EMBEDDER, metric="euclidean")


class TestFilesMedia(OnDisk, MediaContract):
    def backend(self) -> FilesMedia:
        return FilesMedia(self.place())
