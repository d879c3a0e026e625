"""How much memory an entry takes."""

from __future__ import annotations

from enum import Enum
from math import inf
from sys import getsizeof
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lamina.layers.cache.marks import Mark

OVERHEAD: Final = 630
"""Bytes of one entry besides its answer, its key and its tag.

Measured by tracemalloc on CPython 3.11 and 3.13, with 1,000 to 10,000 entries: 560 to 610 while a
cache fills, 650 to 720 once others have come and gone, for dictionaries keep room for these. The
shelf's memory of what left, 4 to 8 bytes an entry, is in it.
"""

_FREE: Final = frozenset({type(None), bool, type, type(...)})
"""Of these, each value is there once for all."""

_FLAT: Final = frozenset({str, bytes, int, float})
"""These hold nothing else."""


def footprint(
    identity: object, answer: object, marks: Iterable[Mark] = (), most: float = inf
) -> int:
    """Return the bytes that an answer takes in a cache, about; above *most* it may be more."""
    size = OVERHEAD + weigh(answer, most) + weigh(identity, most)
    for mark in marks:
        if mark.tag:
            size += mark.tag.__sizeof__()
    return size


def weigh(value: object, most: float = inf) -> int:
    """Return the bytes of *value* and all inside it; what it has several times counts once.

    What the program has anyway, such as None, small numbers and members of enums, counts nothing.
    It stops at what exceeds *most*, so that a huge value does not hold up the event loop.
    """
    size = 0
    seen: set[int] = set()
    parts: list[object] = [value]
    for part in parts:  # grows meanwhile
        kind = type(part)
        if kind in _FREE or id(part) in seen:
            continue
        if kind in _FLAT:
            if not _is_shared(part):
                seen.add(id(part))
                size += part.__sizeof__()  # getsizeof takes eight times as long
        elif not isinstance(part, Enum):
            seen.add(id(part))
            size += getsizeof(part, 64)
            if size > most:
                break
            parts += _inside(part)
    return size


def _is_shared(part: object) -> bool:
    """Tell whether CPython has such a value once for all."""
    if isinstance(part, int):
        return -5 <= part <= 256
    return isinstance(part, str | bytes) and len(part) <= 1


def _inside(part: object) -> Iterable[object]:
    """Return what *part* is made of."""
    if isinstance(part, tuple | list | frozenset | set):
        return cast("Iterable[object]", part)
    if isinstance(part, dict):
        held = cast("Mapping[object, object]", part)
        return [*held, *held.values()]
    names = getattr(type(part), "__dataclass_fields__", None)
    if names is not None:
        return [getattr(part, name, None) for name in names]
    return list(getattr(part, "__dict__", {}).values())
