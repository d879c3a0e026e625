"""What each operator says about metadata.

A missing field makes every operator false but ``HAS NOT FIELD``, and so does a value of another
type. ``true`` equals ``1``. Metadata that is absent matches nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from lamina.testing.servers.upstash.filtering.globs import compiled
from lamina.testing.servers.upstash.filtering.paths import MISSING, Step, found_at
from lamina.testing.servers.upstash.shapes import is_list

Metadata: TypeAlias = dict[str, Any]
Condition: TypeAlias = Callable[[Metadata], bool]
Literal: TypeAlias = str | int | float | bool
Path: TypeAlias = tuple[Step, ...]

ORDERS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def every(parts: list[Condition]) -> Condition:
    """All of *parts* hold."""
    return parts[0] if len(parts) == 1 else lambda metadata: all(part(metadata) for part in parts)


def some(parts: list[Condition]) -> Condition:
    """One of *parts* holds."""
    return parts[0] if len(parts) == 1 else lambda metadata: any(part(metadata) for part in parts)


def equals(path: Path, literal: Literal, *, negated: bool = False) -> Condition:
    """The value is of the literal's type, and equal to it or, if *negated*, not."""

    def holds(metadata: Metadata) -> bool:
        value = found_at(metadata, path)
        return _alike(value, literal) and (value == literal) is not negated

    return holds


def ordered(path: Path, sign: str, literal: Literal) -> Condition:
    """The value is a number on that side of the literal, which must be one too."""
    compare = ORDERS[sign]

    def holds(metadata: Metadata) -> bool:
        value = found_at(metadata, path)
        if isinstance(value, bool) or isinstance(literal, str):
            return False
        return isinstance(value, int | float) and compare(value, literal)

    return holds


def globs(path: Path, pattern: str, *, negated: bool) -> Condition:
    """The value is a string that matches *pattern* or, if *negated*, does not."""
    match = compiled(pattern).match

    def holds(metadata: Metadata) -> bool:
        value = found_at(metadata, path)
        return isinstance(value, str) and (match(value) is None) is negated

    return holds


def contains(path: Path, literal: Literal, *, negated: bool) -> Condition:
    """The value is an array with the literal in it or, if *negated*, without."""

    def holds(metadata: Metadata) -> bool:
        value = found_at(metadata, path)
        if not is_list(value):
            return False
        return any(_alike(item, literal) and item == literal for item in value) is not negated

    return holds


def exists(path: Path, *, negated: bool) -> Condition:
    """The field is there, whatever it holds or, if *negated*, is not."""
    return lambda metadata: (found_at(metadata, path) is MISSING) is negated


def _alike(value: object, literal: Literal) -> bool:
    return isinstance(value, str if isinstance(literal, str) else int | float)
