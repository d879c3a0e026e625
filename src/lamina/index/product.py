"""Multiply a large matrix with a vector, without the GIL and without BLAS's own threads."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Final, final

import numpy as np

if TYPE_CHECKING:
    from lamina.index.ranking import Floats

_STREAMS: Final = 4  # BLAS multiplies 4 rows at a time
_UNTHREADED: Final = 8192  # numbers in a matrix for which BLAS surely starts no thread
_SHORT: Final = 128  # numbers in a row
_LEAST: Final = 4096  # rows; fewer are not worth the arrangement
_SHARED_FROM: Final = 20_000  # rows; a second thread takes half of so many


@final
class Products:
    """Products of one matrix; a thread of its own takes half of a large one.

    The thread ends with this object. A forked child starts another.
    """

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._process = 0

    def of(self, rows: Floats, query: Floats) -> Floats:
        """Return ``rows @ query``."""
        if len(rows) < _SHARED_FROM or os.cpu_count() == 1:
            return product(rows, query)
        half = len(rows) // 2
        first = self._second_thread().submit(product, rows[:half], query)
        rest = product(rows[half:], query)
        return np.concatenate([first.result(), rest])

    def _second_thread(self) -> ThreadPoolExecutor:
        if self._thread is None or self._process != os.getpid():
            self._thread = ThreadPoolExecutor(1, "lamina product", initializer=_step_back)
            self._process = os.getpid()
        return self._thread


def _step_back() -> None:
    """Let the event loop's thread go first when both want a core; Linux only."""
    with suppress(AttributeError, OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


def product(rows: Floats, query: Floats) -> Floats:
    """Return ``rows @ query`` on one core, without the GIL.

    Left to itself BLAS starts threads, and these spin: with both of two cores busy a 6 ms product
    took up to 400 ms. So it gets many matrices too small for threads: long rows by fours, taken
    from 4 distant places, which keeps 4 streams of memory busy (6.5 ms where einsum needs 8);
    short rows by as many as may be (1.8 ms where einsum needs 2.4).
    """
    dots: Floats = np.empty(len(rows), dtype=np.float32)
    size = len(query)
    together = _UNTHREADED // size if size <= _SHORT else _STREAMS
    length = len(rows) // together
    if length * together < _LEAST or together * size > _UNTHREADED:
        np.einsum("ij,j->i", rows, query, out=dots)
        return dots
    whole = together * length
    if size <= _SHORT:
        dots[:whole] = np.matmul(rows[:whole].reshape(length, together, size), query).ravel()
    else:
        places = rows[:whole].reshape(together, length, size).transpose(1, 0, 2)
        dots[:whole] = np.matmul(places, query).T.ravel()
    np.einsum("ij,j->i", rows[whole:], query, out=dots[whole:])
    return dots
