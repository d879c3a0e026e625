"""Guess the nearest rows from a graph: the optional ``[ann]`` extra, usearch."""

from __future__ import annotations

from array import array
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
from usearch.index import Index

from lamina.index.columns import positions, slots_of

if TYPE_CHECKING:
    from lamina.index.ranking import Doubles, Floats, Slots

_CHUNK: Final = 1024


@final
class Graph:
    """A graph of unit vectors in float16, for cosine only; its guesses are scored elsewhere.

    Adding costs about 0.5 ms a vector. Searches take turns: the library gives each call the
    same thread's memory.
    """

    def __init__(self, dimension: int) -> None:
        self._index: Any = Index(ndim=dimension, metric="cos", dtype="f16")
        self._slots = array("i")  # by key; -1: removed
        self._turn = Lock()

    def append(self, slot: int, rows: Floats, norms: Doubles) -> None:
        """Add *rows* as the slots that begin with *slot*."""
        for start in range(0, len(rows), _CHUNK):
            lengths = norms[start : start + _CHUNK, np.newaxis]
            part = rows[start : start + _CHUNK] / np.where(lengths > 0.0, lengths, 1.0)
            first = len(self._slots)
            self._index.add(np.arange(first, first + len(part)), part.astype(np.float32))
            self._slots.extend(range(slot + start, slot + start + len(part)))

    def near(self, query: Floats, top_k: int) -> Slots:
        """Return slots that are probably nearest to *query*, dead ones among them."""
        scale = float(np.linalg.norm(query.astype(np.float64))) or 1.0
        with self._turn:
            found = self._index.search((query / scale).astype(np.float32), max(64, 4 * top_k))
        slots = slots_of(self._slots)[np.asarray(found.keys).astype(np.intp)]
        return np.unique(slots[slots >= 0])

    def renumber(self, new: Slots) -> None:
        """Move every slot to ``new[slot]``; -1 removes it."""
        old = slots_of(self._slots)
        moved = np.where(old >= 0, new[old], -1)
        gone = np.flatnonzero((old >= 0) & (moved < 0))
        self._index.remove(gone)
        self._slots = positions(moved)
