"""Embed text offline; the models are loaded when the first text comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, final

from lamina.testing.servers.upstash import bm25
from lamina.values import Vector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.embed import Embedder
    from lamina.index.kinds import Kind
    from lamina.values import SparseVector

DIMENSION: Final = 256
"""Of what the installed embedders give."""
SPARSE_MODEL: Final = "BM25"


class Embedded(NamedTuple):
    """What a text became, as far as the index holds it."""

    vector: Vector | None
    sparse: SparseVector | None


@final
class Texts:
    """Turns texts into the vectors of one kind of index.

    Dense ones come from the best installed embedder, with zeros added, or numbers cut off, for
    another dimension; zeros change no cosine.
    """

    def __init__(self, kind: Kind) -> None:
        self._kind: Kind = kind
        self._embedder: Embedder | None = None

    def stored(self, texts: Sequence[str], dimension: int) -> list[Embedded]:
        """Return what to store for each text."""
        dense = self._dense(texts, dimension) if self._kind != "sparse" else [None] * len(texts)
        sparse = [bm25.document(text) if self._kind != "dense" else None for text in texts]
        return [Embedded(*pair) for pair in zip(dense, sparse, strict=True)]

    def asked(self, text: str, dimension: int, *, dense: bool, sparse: bool) -> Embedded:
        """Return what to ask with."""
        vector = self._dense([text], dimension)[0] if dense else None
        return Embedded(vector, bm25.question(text) if sparse else None)

    def _dense(self, texts: Sequence[str], dimension: int) -> list[Vector]:
        from lamina.embed import default_embedder, embedded

        if self._embedder is None:
            self._embedder = default_embedder()
        size = 4 * dimension
        vectors = embedded(self._embedder, texts)
        return [Vector(vector.data.ljust(size, b"\0")[:size]) for vector in vectors]


def dense_model() -> str:
    """Return the name of the dense model that would be used."""
    from lamina.embed import default_embedder

    return default_embedder().name.upper().replace("-", "_")
