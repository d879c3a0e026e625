"""What is behind Seal, Squeeze or both keeps the promises of its domain, as far as it serves."""

from __future__ import annotations

from typing import Final

from lamina.backends.memory import MemoryDocuments, MemoryKeyValue, MemoryMedia, MemoryVectors
from lamina.domains.documents import Documents
from lamina.domains.keyvalue import KeyValue
from lamina.domains.media import Media
from lamina.domains.vectors import Vectors
from lamina.embed import LexicalEmbedder
from lamina.layers.seal import Seal
from lamina.layers.squeeze import Squeeze
from lamina.stack import Stack
from lamina.testing.contracts import (
    DocumentsContract,
    KeyValueContract,
    MediaContract,
    VectorsContract,
)

SEAL: Final = Stack(Seal(Seal.new_key()))
SQUEEZE: Final = Stack(Squeeze(least=1))
BOTH: Final = Stack(Squeeze(least=1), Seal(Seal.new_key()))
EMBEDDER: Final = LexicalEmbedder()


class TestSealedKeyValue(KeyValueContract):
    def backend(self) -> MemoryKeyValue:
        return MemoryKeyValue()

    def store(self) -> KeyValue:
        return SEAL.over(self.backend())


class TestSqueezedKeyValue(KeyValueContract):
    def backend(self) -> MemoryKeyValue:
        return MemoryKeyValue()

    def store(self) -> KeyValue:
        return SQUEEZE.over(self.backend())


class TestSealedAndSqueezedKeyValue(KeyValueContract):
    examples = 20

    def backend(self) -> MemoryKeyValue:
        return MemoryKeyValue()

    def store(self) -> KeyValue:
        return BOTH.over(self.backend())


class TestSealedDocuments(DocumentsContract):
    def backend(self) -> MemoryDocuments:
        return MemoryDocuments()

    def store(self) -> Documents:
        return SEAL.over(self.backend())


class TestSealedAndSqueezedDocuments(DocumentsContract):
    def backend(self) -> MemoryDocuments:
        return MemoryDocuments()

    def store(self) -> Documents:
        return BOTH.over(self.backend())


class TestSealedVectors(VectorsContract):
    dimension = EMBEDDER.dimension

    def backend(self) -> MemoryVectors:
        return MemoryVectors(embedder=EMBEDDER)

    def store(self) -> Vectors:
        return SEAL.over(self.backend())


class TestSealedMedia(MediaContract):
    def backend(self) -> MemoryMedia:
        self._last = MemoryMedia()
        return self._last

    def store(self) -> Media:
        return SEAL.over(self.backend())

    async def unfinished(self) -> int:
        return len(self._last._uploads)
