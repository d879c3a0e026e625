"""Tell in a quarter of the time which rows cannot be among the nearest: the lead of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

import numpy as np

from lamina.index.product import product

if TYPE_CHECKING:
    from lamina.index.ranking import Doubles, Floats

_PART: Final = 4  # the lead is a quarter of the numbers
_SAMPLE: Final = 4096  # rows that the axes are taken from
_SHARE: Final = 0.6  # of a row's square that the lead must hold, or it tells too little
_UNTHREADED: Final = 262_144  # multiplications for which BLAS surely starts no thread
_SLACK: Final = 5e-4  # far above what float32 rounds off
_GROWN: Final = 2  # times as many rows as the axes were made for: make them anew


@final
class Lead:
    """Unit rows turned onto their main axes (PCA), cut after a quarter, with what was cut.

    A dot product is that of the leads plus at most the product of the two remainders' lengths
    (Cauchy-Schwarz), so `bound` never says less than the truth. How much it rules out depends on
    the data: text embeddings lie near few axes, noise does not.
    """

    def __init__(self, rows: Floats, inverse: Floats) -> None:
        self._made_for = len(rows)
        self.count = 0
        step = max(1, len(rows) // _SAMPLE)
        sample = rows[::step].astype(np.float64) * inverse[::step, np.newaxis]
        spread, axes = np.linalg.eigh(sample.T @ sample)
        width = rows.shape[1] // _PART
        self._axes: Floats = np.ascontiguousarray(axes[:, -width:], dtype=np.float32)
        total = float(spread.sum())
        self.tells = total > 0.0 and float(spread[-width:].sum()) / total >= _SHARE
        self._leads: Floats = np.empty((0, width), dtype=np.float32)
        self._rests: Floats = np.empty(0, dtype=np.float32)

    def serves(self, count: int) -> bool:
        """Tell whether the axes still suit so many rows."""
        return self.count <= count < _GROWN * self._made_for

    def follow(self, rows: Floats, inverse: Floats) -> None:
        """Take in the rows that were added since."""
        first, count = self.count, len(rows)
        if count > len(self._leads):
            capacity = max(count, 2 * len(self._leads))
            leads: Floats = np.empty((capacity, self._axes.shape[1]), dtype=np.float32)
            rests: Floats = np.empty(capacity, dtype=np.float32)
            leads[:first], rests[:first] = self._leads[:first], self._rests[:first]
            self._leads, self._rests = leads, rests
        for start in range(first, count, 1024):
            end = min(start + 1024, count)
            part = rows[start:end] * inverse[start:end, np.newaxis]
            self._leads[start:end], self._rests[start:end] = self._turned(part)
        self.count = count

    def bound(self, query: Floats) -> Floats:
        """Return for each row a number that its product with the unit *query* does not exceed."""
        leads, rests = self._turned(query[np.newaxis])
        bound = product(self._leads[: self.count], leads[0])
        bound += self._rests[: self.count] * rests[0]
        bound += np.float32(_SLACK)
        return bound

    def _turned(self, rows: Floats) -> tuple[Floats, Floats]:
        size, width = self._axes.shape
        together = max(1, _UNTHREADED // (size * width))
        leads: Floats = np.empty((len(rows), width), dtype=np.float32)
        whole = len(rows) // together * together
        blocks = rows[:whole].reshape(-1, together, size)
        leads[:whole] = np.matmul(blocks, self._axes).reshape(-1, width)
        leads[whole:] = rows[whole:] @ self._axes
        held: Doubles = np.einsum("ij,ij->i", leads, leads, dtype=np.float64)
        rests = np.sqrt(np.maximum(1.0 - held, 0.0) + 1e-4)
        return leads, rests.astype(np.float32)
