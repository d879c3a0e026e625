"""What is behind Seal, Squeeze or both keeps the promises of its domain, as far as it serves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pytest

from lamina.backends.memory import MemoryDocuments, MemoryKeyValue, MemoryMedia, MemoryVectors
from lamina.domains.documents import Documents
from lamina.domains.keyvalue import KeyValue
from lamina.domains.media import Media
from lamina.domains.vectors import Vectors
from lamina.embed import LexicalEmbedder
from lamina.errors import Unsupported
from lamina.layers.seal import Seal
from lamina.layers.squeeze import Squeeze
from lamina.operation import Operation
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


NEED_WORDS: Final = {
    "test_finds_documents_that_hold_every_word",
    "test_reads_a_query_as_words_whatever_it_holds",
    "test_finds_what_was_written_last",
    "test_decides_filters_as_they_are_defined_or_refuses_them",
    "test_lists_in_the_order_asked",
    "test_pages_are_complete_at_any_size",
    "test_confines_each_scope_to_its_own",
    "test_may_be_cancelled_anywhere",
}
"""They search for words too; what else they check of documents is in test_seal_documents.py."""


def refuses(request: pytest.FixtureRequest, names: set[str]) -> None:
    """Expect of the tests with those *names* that what they ask is not served."""
    if request.function.__name__ in names:
        request.applymarker(pytest.mark.xfail(raises=Unsupported, strict=True))


class NoWords(DocumentsContract):
    """Documents whose words the backend cannot see."""

    @pytest.fixture(autouse=True)
    def _no_words(self, request: pytest.FixtureRequest) -> None:
        refuses(request, NEED_WORDS)

    async def _play(self, steps: Sequence[Operation[Any]]) -> None:
        await super()._play([step for step in steps if getattr(step, "text", None) is None])


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


class TestSealedDocuments(NoWords):
    def backend(self) -> MemoryDocuments:
        return MemoryDocuments()

    def store(self) -> Documents:
        return SEAL.over(self.backend())


class TestSealedAndSqueezedDocuments(NoWords):
    def backend(self) -> MemoryDocuments:
        return MemoryDocuments()

    def store(self) -> Documents:
        return BOTH.over(self.backend())


class TestSealedVectors(VectorsContract):
    dimension = EMBEDDER.dimension

    @pytest.fixture(autouse=True)
    def _no_texts(self, request: pytest.FixtureRequest) -> None:
        refuses(request, {"test_embeds_text_or_says_that_it_cannot"})

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
