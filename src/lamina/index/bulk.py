"""Turn what callers give into one checked float32 matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from lamina.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.index.ranking import Floats
    from lamina.values import Vector

_CHUNK: Final = 256  # joining more bytes at once would hold the GIL for long


def matrix_of(vectors: Sequence[Vector] | Floats, dimension: int | None) -> Floats:
    """Return *vectors* as rows of *dimension* numbers (None: as many as the first has).

    Raises:
        Invalid: Not a float32 matrix, or a vector has another dimension.
    """
    if isinstance(vectors, np.ndarray):
        if vectors.ndim != 2 or vectors.dtype != np.float32:
            msg = f"expected a float32 matrix, got {vectors.dtype} with {vectors.ndim} dimensions"
            raise Invalid(msg)
        check_dimension(vectors.shape[1], vectors.shape[1] if dimension is None else dimension)
        return vectors
    if dimension is None:
        dimension = vectors[0].dimension if vectors else 1
    for vector in vectors:
        check_dimension(vector.dimension, dimension)
    rows: Floats = np.empty((len(vectors), dimension), dtype=np.float32)
    for start in range(0, len(vectors), _CHUNK):
        part = vectors[start : start + _CHUNK]
        data = b"".join([vector.data for vector in part])
        rows[start : start + len(part)] = np.frombuffer(data, dtype="<f4").reshape(-1, dimension)
    return rows


def check_dimension(got: int, expected: int) -> None:
    """Refuse a vector of another dimension."""
    if got != expected or got < 1:
        msg = f"invalid vector dimension: {got}, expected: {max(1, expected)}"
        raise Invalid(msg)
