"""Embed text as sparse vectors whose inner product is BM25, without the rarity of terms."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from typing import Final

from lamina.testing.servers.upstash.words import terms
from lamina.values import SparseVector

_K1: Final = 1.2
_B: Final = 0.75
_AVERAGE: Final = 32


def document(text: str) -> SparseVector:
    """Return the vector that is stored: each term's saturated frequency.

    Rarity (IDF) is left to the query's weighting strategy, as the service does.
    """
    found = Counter(terms(text))
    length = _K1 * (1 - _B + _B * found.total() / _AVERAGE)
    return _vector({term: count * (_K1 + 1) / (count + length) for term, count in found.items()})


def question(text: str) -> SparseVector:
    """Return the vector that is asked with: each term counts once."""
    return _vector(dict.fromkeys(terms(text), 1.0))


def _vector(weights: dict[str, float]) -> SparseVector:
    summed: dict[int, float] = {}
    for term, weight in weights.items():
        index = _index(term)
        summed[index] = summed.get(index, 0.0) + weight
    ordered = sorted(summed)
    return SparseVector(tuple(ordered), tuple(summed[index] for index in ordered))


def _index(term: str) -> int:
    digest = blake2b(term.encode("utf-8", "replace"), digest_size=4).digest()
    return int.from_bytes(digest, "little") & 0x7FFFFFFF
