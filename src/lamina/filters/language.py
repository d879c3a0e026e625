"""How filters are written: ``F.name``, compared."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, final

from lamina.errors import Invalid
from lamina.values import check_text, each_of

if TYPE_CHECKING:
    from collections.abc import Iterable

from lamina.filters.nodes import Compare, Contains, Exists, Filter, OneOf, Scalar, kind


@final
class Field:
    """A metadata field, to be compared: ``F.year >= 2020``; reached as ``F.name`` or ``F["a.b"]``.

    Raises:
        Invalid: The name is not made of identifiers and dots, or a value is no finite scalar.
    """

    __hash__ = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]  # == builds a filter, so fields cannot be keys

    def __init__(self, name: str) -> None:
        check_text(name, what="a field name")
        if not all(step.isidentifier() and step.isascii() for step in name.split(".")):
            msg = f"a field name is ascii identifiers joined by dots, got {name[:80]!r}"
            raise Invalid(msg)
        self._name = name

    def __eq__(self, value: Scalar) -> Filter:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # the language's purpose
        return Compare(self._name, "==", _scalar(value))

    def __ne__(self, value: Scalar) -> Filter:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # the language's purpose
        return Compare(self._name, "!=", _scalar(value))

    def __lt__(self, value: str | float) -> Filter:
        return Compare(self._name, "<", _ordered(value))

    def __le__(self, value: str | float) -> Filter:
        return Compare(self._name, "<=", _ordered(value))

    def __gt__(self, value: str | float) -> Filter:
        return Compare(self._name, ">", _ordered(value))

    def __ge__(self, value: str | float) -> Filter:
        return Compare(self._name, ">=", _ordered(value))

    def is_in(self, values: Iterable[Scalar]) -> Filter:
        """Match when the field equals one of *values*."""
        values = each_of(values, what="values")
        return OneOf(self._name, tuple(_scalar(value) for value in values))

    def contains(self, value: Scalar) -> Filter:
        """Match when the field is a list that holds *value*."""
        return Contains(self._name, _scalar(value))

    def exists(self) -> Filter:
        """Match when the field is there."""
        return Exists(self._name)

    def between(self, low: str | float, high: str | float) -> Filter:
        """Match when *low* <= field <= *high*."""
        return (self >= low) & (self <= high)


@final
class _Fields:
    def __getattr__(self, name: str) -> Field:
        return Field(name)

    def __getitem__(self, name: str) -> Field:
        return Field(name)


F: Final = _Fields()


def _scalar(value: Scalar) -> Scalar:
    if kind(value) == "other" or (isinstance(value, float) and not math.isfinite(value)):
        msg = f"a filter compares text, finite numbers and bools, got {type(value).__name__}"
        raise Invalid(msg)
    return value


def _ordered(value: str | float) -> str | float:
    if isinstance(value, bool):
        msg = "an order comparison takes a number or a string, got bool"
        raise Invalid(msg)
    return _scalar(value)
