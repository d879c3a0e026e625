"""One field's values of one kind, in arrays beside the slots that hold them."""

from __future__ import annotations

import math
import operator
from array import array
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.filters import Comparison, Scalar
    from lamina.index.ranking import Doubles, Mask, Slots

_COMPARE: Final[dict[Comparison, Callable[[Any, Any], Any]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@final
class Numbers:
    """Numbers (or bools) as float64; integers that float64 cannot hold are kept aside."""

    def __init__(self) -> None:
        self._slots = array("i")
        self._values = array("d")
        self._large: list[tuple[int, Scalar]] = []

    def append(self, slot: int, value: Scalar) -> None:
        """Add a value of a new *slot*."""
        rounded = _exact(value)
        if rounded is None:
            self._large.append((slot, value))
        else:
            self._slots.append(slot)
            self._values.append(rounded)

    def compare(self, op: Comparison, value: Scalar) -> Slots:
        """Return the slots for which ``number <op> value``, repeated if they hold several."""
        holds = _COMPARE[op]
        rounded = _exact(value)
        if rounded is None:  # python compares exactly, one by one
            flags: Mask = np.fromiter(
                (holds(number, value) for number in self._values), dtype=np.bool_
            )
        else:
            flags = holds(_doubles(self._values), rounded)
        large = [slot for slot, number in self._large if holds(number, value)]
        return np.concatenate((slots_of(self._slots)[flags], np.array(large, dtype=np.intp)))

    def one_of(self, values: Sequence[Scalar]) -> Slots:
        """Return the slots whose number equals one of *values*."""
        rounded = [_exact(value) for value in values]
        wanted = [number for number in rounded if number is not None and not math.isnan(number)]
        flags = np.isin(_doubles(self._values), wanted)
        large = [slot for slot, number in self._large if number in values]
        return np.concatenate((slots_of(self._slots)[flags], np.array(large, dtype=np.intp)))

    def renumber(self, new: Slots) -> bool:
        """Move every slot to ``new[slot]``, -1 drops it; tell whether any is left."""
        moved = new[slots_of(self._slots)]
        kept = moved >= 0
        self._values = array("d", _doubles(self._values)[kept].tobytes())
        self._slots = positions(moved[kept])
        large = [(int(new[slot]), number) for slot, number in self._large]
        self._large = [pair for pair in large if pair[0] >= 0]
        return bool(self._slots or self._large)


@final
class Texts:
    """Strings, each distinct one kept once and numbered."""

    def __init__(self) -> None:
        self._slots = array("i")
        self._codes = array("i")
        self._known: dict[Scalar, int] = {}

    def append(self, slot: int, value: Scalar) -> None:
        """Add a value of a new *slot*."""
        self._slots.append(slot)
        self._codes.append(self._known.setdefault(value, len(self._known)))

    def compare(self, op: Comparison, value: Scalar) -> Slots:
        """Return the slots for which ``text <op> value``, repeated if they hold several."""
        if op in {"==", "!="}:
            flags: Mask = _COMPARE[op](slots_of(self._codes), self._known.get(value, -1))
        else:
            holds = _COMPARE[op]
            known = np.fromiter((holds(text, value) for text in self._known), dtype=np.bool_)
            flags = known[slots_of(self._codes)]
        return slots_of(self._slots)[flags]

    def one_of(self, values: Sequence[Scalar]) -> Slots:
        """Return the slots whose text equals one of *values*."""
        wanted = [self._known.get(value, -1) for value in values]
        return slots_of(self._slots)[np.isin(slots_of(self._codes), wanted)]

    def renumber(self, new: Slots) -> bool:
        """Move every slot to ``new[slot]``, -1 drops it; tell whether any is left."""
        moved = new[slots_of(self._slots)]
        kept = moved >= 0
        used, codes = np.unique(slots_of(self._codes)[kept], return_inverse=True)
        texts = list(self._known)
        self._known = {texts[code]: place for place, code in enumerate(used.tolist())}
        self._codes = positions(codes)
        self._slots = positions(moved[kept])
        return bool(self._slots)


def slots_of(numbers: array[int]) -> Slots:
    """Return a copy: an array that is being looked at cannot grow."""
    return np.array(numbers, dtype=np.intp)


def positions(slots: Slots) -> array[int]:
    """Return *slots* as an array that can grow."""
    return array("i", slots.astype(np.int32).tobytes())


def _doubles(numbers: array[float]) -> Doubles:
    return np.array(numbers, dtype=np.float64)


def _exact(value: Scalar) -> float | None:
    """Return *value* as a float if that changes nothing."""
    try:
        rounded = float(value)
    except OverflowError:
        return None
    return rounded if rounded == value or math.isnan(rounded) else None
