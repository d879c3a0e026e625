"""Score dense vectors exactly: a fast float32 product first, float64 for what may win."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, final

import numpy as np

from lamina.errors import Invalid
from lamina.index.lead import Lead
from lamina.index.product import Products
from lamina.index.ranking import rank

if TYPE_CHECKING:
    from lamina.index.ranking import Doubles, Floats, Mask, Ranked, Slots

Metric: TypeAlias = Literal["cosine", "dot", "euclidean"]

_ROUND: Final = 2.0**-24  # float32's relative rounding error
_LONGEST: Final = 1e18  # longer, and float32 products overflow
_CHUNK: Final = 1024  # rows at a time: 1 MB of 256 numbers, and short under the GIL
_LED_FROM: Final = 20_000  # rows; a product of fewer is quick anyway
_LED_WIDTH: Final = 128  # numbers in a row, likewise
_TRIED: Final = 8  # times top_k: rows scored first, to know what must be beaten
_GATHER: Final = 4  # up to a quarter of the rows are gathered; more cost a whole product


@final
class DenseRows:
    """Dense vectors by slot, in one matrix whose capacity doubles.

    A search multiplies the whole matrix in float32, keeps every row that could still be among
    the best given the largest rounding error of such a product, and scores those in float64. So
    answers are exact, ties included. Under cosine, rows of extreme length are kept scaled by a
    power of two, which changes no score.
    """

    def __init__(self, dimension: int, metric: Metric) -> None:
        self.dimension = dimension
        self.count = 0
        self._metric = metric
        self._slack = (dimension + 16) * _ROUND
        self._rows: Floats = np.empty((0, dimension), dtype=np.float32)
        self._norms: Doubles = np.empty(0)
        self._products = Products()
        self._lead: Lead | None = None
        self._leading = Lock()
        self._inverse: Floats = np.empty(0, dtype=np.float32)  # norms, for cosine; 0 for 0

    def prepared(self, rows: Floats) -> tuple[Floats, Doubles]:
        """Return *rows* as they are kept, and their lengths.

        Raises:
            Invalid: A number is not finite, or a vector is longer than 1e18 (cosine takes any).
        """
        norms = _norms(rows)
        if not np.isfinite(norms).all():
            msg = "a vector's numbers must be finite"
            raise Invalid(msg)
        if self._metric == "cosine":
            return _moderate(rows, norms)
        if norms.max(initial=0.0) > _LONGEST:
            msg = f"a vector's length must be at most {_LONGEST:g} under {self._metric}"
            raise Invalid(msg)
        return rows, norms

    def append(self, rows: Floats, norms: Doubles) -> None:
        """Add `prepared` rows as the next slots."""
        end = self.count + len(rows)
        if end > len(self._rows):
            self._grow(max(end, 2 * len(self._rows), 16))
        self._rows[self.count : end] = rows
        self._norms[self.count : end] = norms
        if self._metric == "cosine":
            inverse = np.divide(1.0, norms, out=np.zeros(len(norms)), where=norms > 0.0)
            self._inverse[self.count : end] = inverse
        self.count = end

    def since(self, first: int) -> tuple[Floats, Doubles]:
        """Return the rows from slot *first* on, and their lengths; not copies."""
        return self._rows[first : self.count], self._norms[first : self.count]

    def best(self, query: Floats, top_k: int, chosen: Mask | None) -> Ranked:
        """Return the best of *chosen* (None: of all), best first."""
        kept, norms = self.prepared(query[np.newaxis])
        slots = None if chosen is None else np.flatnonzero(chosen)
        if self._metric == "cosine" and not norms[0]:  # all score alike
            slots = np.arange(self.count)[:top_k] if slots is None else slots[:top_k]
        elif (self.count if slots is None else len(slots)) > top_k:
            slots = self._near(kept[0], float(norms[0]), top_k, slots)
            slots = self._possible(kept[0], float(norms[0]), top_k, slots)
        elif slots is None:
            slots = np.arange(self.count)
        return self.scored(slots, query, top_k)

    def scored(self, slots: Slots, query: Floats, top_k: int) -> Ranked:
        """Return the best of *slots* by their exact scores."""
        kept, norms = self.prepared(query[np.newaxis])
        exact = kept[0].astype(np.float64)
        scores = np.empty(len(slots))
        for start in range(0, len(slots), _CHUNK):
            part = slots[start : start + _CHUNK]
            rows = self._rows.take(part, axis=0).astype(np.float64)
            scores[start : start + _CHUNK] = self._score(rows, self._norms[part], exact, norms[0])
        return rank(slots, scores, top_k)

    def renumber(self, new: Slots) -> None:
        """Move every row to ``new[slot]``, never to a later slot; -1 drops it."""
        old = np.flatnonzero(new >= 0)
        for start in range(0, len(old), _CHUNK):
            part = old[start : start + _CHUNK]
            end = start + len(part)
            self._rows[start:end] = self._rows.take(part, axis=0)
            self._norms[start:end] = self._norms[part]
            self._inverse[start:end] = self._inverse[part]
        self.count = len(old)
        self._lead = None

    def _grow(self, capacity: int) -> None:
        rows: Floats = np.empty((capacity, self.dimension), dtype=np.float32)
        norms = np.empty(capacity)
        inverse: Floats = np.empty(capacity, dtype=np.float32)
        rows[: self.count] = self._rows[: self.count]
        norms[: self.count] = self._norms[: self.count]
        inverse[: self.count] = self._inverse[: self.count]
        self._rows, self._norms, self._inverse = rows, norms, inverse

    def _near(self, query: Floats, length: float, top_k: int, slots: Slots | None) -> Slots | None:
        """Leave out of *slots* what the leads rule out, where that spares a whole product."""
        asked = self.count if slots is None else len(slots)
        few = asked < max(_LED_FROM, _GATHER * _TRIED * top_k)
        if few or self._metric != "cosine" or self.dimension < _LED_WIDTH:
            return slots
        lead = self._followed()
        if not lead.tells:
            return slots
        unit: Floats = (query / length).astype(np.float32)
        bound = lead.bound(unit) if slots is None else lead.bound(unit)[slots]
        tried = np.argpartition(bound, -_TRIED * top_k)[-_TRIED * top_k :]
        chosen = tried if slots is None else slots[tried]
        dots = np.einsum("ij,j->i", self._rows.take(chosen, axis=0), unit) * self._inverse[chosen]
        least = np.partition(dots, -top_k)[-top_k] - np.float32(self._slack)
        near = np.flatnonzero(bound >= least)
        if len(near) * _GATHER > asked:
            return slots
        return near if slots is None else slots[near]

    def _followed(self) -> Lead:
        rows, inverse = self._rows[: self.count], self._inverse[: self.count]
        with self._leading:  # searches may overlap
            lead = self._lead
            if lead is None or not lead.serves(self.count):
                lead = self._lead = Lead(rows, inverse)
            if lead.tells:
                lead.follow(rows, inverse)
            return lead

    def _possible(self, query: Floats, length: float, top_k: int, slots: Slots | None) -> Slots:
        """Return those of *slots* that may be the best, whatever the product's rounding error."""
        norms = self._norms[: self.count] if slots is None else self._norms[slots]
        keys: Floats | Doubles
        error: Doubles | float
        if self._metric == "cosine":
            keys = self._dots((query / length).astype(np.float32), slots)
            keys *= self._inverse[: self.count] if slots is None else self._inverse[slots]
            error = self._slack
        elif self._metric == "dot":
            keys = self._dots(query, slots)
            error = self._slack * (1.0 + length * norms)
        else:
            keys = 2.0 * self._dots(query, slots).astype(np.float64) - norms * norms
            error = self._slack * (1.0 + length + norms) ** 2
        at = len(keys) - top_k
        least = np.partition(keys - error, at)[at]
        found = np.flatnonzero(keys + error >= least)
        return found if slots is None else slots[found]

    def _dots(self, query: Floats, slots: Slots | None) -> Floats:
        if slots is None:
            return self._products.of(self._rows[: self.count], query)
        if len(slots) * _GATHER > self.count:
            return self._products.of(self._rows[: self.count], query)[slots]
        dots: Floats = np.empty(len(slots), dtype=np.float32)
        for start in range(0, len(slots), _CHUNK):
            rows = self._rows.take(slots[start : start + _CHUNK], axis=0)
            np.einsum("ij,j->i", rows, query, out=dots[start : start + _CHUNK])
        return dots

    def _score(self, rows: Doubles, norms: Doubles, query: Doubles, length: float) -> Doubles:
        if self._metric == "euclidean":
            rows -= query
            distances: Doubles = np.einsum("ij,ij->i", rows, rows)
            return 1.0 / (1.0 + distances)
        # einsum, not BLAS: equal rows must score alike wherever they lie
        dots: Doubles = np.einsum("ij,j->i", rows, query)
        if self._metric == "dot":
            return (1.0 + dots) / 2.0
        lengths = norms * length
        cosines = np.divide(dots, lengths, out=np.zeros(len(dots)), where=lengths > 0.0)
        return (1.0 + np.clip(cosines, -1.0, 1.0)) / 2.0


def _norms(rows: Floats) -> Doubles:
    norms = np.empty(len(rows))
    for start in range(0, len(rows), _CHUNK):
        part = rows[start : start + _CHUNK].astype(np.float64)
        norms[start : start + _CHUNK] = np.sqrt(np.einsum("ij,ij->i", part, part))
    return norms


def _moderate(rows: Floats, norms: Doubles) -> tuple[Floats, Doubles]:
    extreme = (norms > 0.0) & ((norms < 2.0**-40) | (norms > 2.0**40))
    if not extreme.any():
        return rows, norms
    powers = np.where(extreme, -np.frexp(norms)[1], 0)
    return np.ldexp(rows, powers[:, np.newaxis]), np.ldexp(norms, powers)
