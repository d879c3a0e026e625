"""Put scored slots in their final order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float32]"
Doubles: TypeAlias = "NDArray[np.float64]"
Slots: TypeAlias = "NDArray[np.intp]"
Mask: TypeAlias = "NDArray[np.bool_]"
Ranked: TypeAlias = "tuple[Slots, Floats]"

_LARGEST: Final = float(np.finfo(np.float32).max)


@final
@dataclass(frozen=True, slots=True)
class Hit:
    """One answer of a search; *score* is a float32 number."""

    id: str
    score: float


def single(numbers: Doubles | float) -> Doubles:
    """Return *numbers* as float32 has them, the largest in place of an infinite one."""
    return np.clip(numbers, -_LARGEST, _LARGEST).astype(np.float32).astype(np.float64)


def rank(slots: Slots, scores: Doubles, top_k: int) -> Ranked:
    """Return the best *top_k*, best first; equal float32 scores stay in insertion order.

    Rounding comes before sorting: scores that differ only beyond float32 are ties.
    """
    rounded = single(scores).astype(np.float32)
    order = np.lexsort((slots, -rounded))[:top_k]
    return slots[order], rounded[order]
