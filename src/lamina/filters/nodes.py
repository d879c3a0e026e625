"""The conditions that filters are made of, and what they mean."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast, final

from lamina.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


Scalar: TypeAlias = str | int | float | bool

Comparison: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">="]

_MISSING: Final = object()
_DEEPEST: Final = 100

_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Filter(ABC):
    """A condition on metadata; build it with ``F``."""

    __slots__ = ()

    @abstractmethod
    def matches(self, metadata: Mapping[str, Any], /) -> bool:
        """Tell whether *metadata* meets the condition."""

    @abstractmethod
    def key(self) -> tuple[Any, ...]:
        """Return a hashable value that is equal for equal filters only."""

    def __and__(self, other: Filter) -> Filter:
        return Every((*_parts(Every, self), *_parts(Every, other)))

    def __or__(self, other: Filter) -> Filter:
        return Some((*_parts(Some, self), *_parts(Some, other)))

    def __invert__(self) -> Filter:
        return self.part if isinstance(self, Not) else Not(self)

    def __bool__(self) -> bool:
        msg = "a filter has no truth value; combine filters with & | ~, not with and, or, not"
        raise TypeError(msg)


@final
@dataclass(frozen=True, slots=True)
class Compare(Filter):
    """``field <op> value``; order comparisons take numbers or strings of one kind."""

    field: str
    op: Comparison
    value: Scalar

    def matches(self, metadata: Mapping[str, Any], /) -> bool:
        found = lookup(metadata, self.field)
        if kind(found) != kind(self.value):
            return False
        return _COMPARE[self.op](found, self.value)

    def key(self) -> tuple[Any, ...]:
        return ("compare", self.field, self.op, kind(self.value), self.value)


@final
@dataclass(frozen=True, slots=True)
class OneOf(Filter):
    """The field's value is one of *values*."""

    field: str
    values: tuple[Scalar, ...]

    def matches(self, metadata: Mapping[str, Any], /) -> bool:
        found = lookup(metadata, self.field)
        return any(kind(found) == kind(value) and found == value for value in self.values)

    def key(self) -> tuple[Any, ...]:
        return ("in", self.field, tuple((kind(value), value) for value in self.values))


@final
@dataclass(frozen=True, slots=True)
class Contains(Filter):
    """The field is a list that holds *value*."""

    field: str
    value: Scalar

    def matches(self, metadata: Mapping[str, Any], /) -> bool:
        found = lookup(metadata, self.field)
        if not isinstance(found, list | tuple):
            return False
        items = cast("Sequence[Any]", found)
        return any(kind(item) == kind(self.value) and item == self.value for item in items)

    def key(self) -> tuple[Any, ...]:
        return ("contains", self.field, kind(self.value), self.value)


@final
@dataclass(frozen=True, slots=True)
class Exists(Filter):
    """The field is there, whatever it holds."""

    field: str

    def matches(self, metadata: Mapping[str, Any], /) -> bool:
        return lookup(metadata, self.field) is not _MISSING

    def key(self) -> tuple[Any, ...]:
        return ("exists", self.field)


@final
@dataclass(frozen=True, slots=True)
class Not(Filter):
    """The opposite of *part*."""

    part: Filter

    def matches(self, metadata: Mapping[str, Any], /) -> bool:
        return not self.part.matches(metadata)

    def key(self) -> tuple[Any, ...]:
        return ("not", self.part.key())


@final
@dataclass(frozen=True, slots=True)
class Every(Filter):
    """All *parts* hold; with no parts it is true."""

    parts: tuple[Filter, ...]

    def matches(self, metadata: Mapping[str, Any], /) -> bool:
        return all(part.matches(metadata) for part in self.parts)

    def key(self) -> tuple[Any, ...]:
        return ("every", *(part.key() for part in self.parts))


@final
@dataclass(frozen=True, slots=True)
class Some(Filter):
    """At least one of *parts* holds; with no parts it is false."""

    parts: tuple[Filter, ...]

    def matches(self, metadata: Mapping[str, Any], /) -> bool:
        return any(part.matches(metadata) for part in self.parts)

    def key(self) -> tuple[Any, ...]:
        return ("some", *(part.key() for part in self.parts))


def lookup(metadata: Mapping[str, Any], field: str) -> Any:
    """Return what *field* names in *metadata*, or a marker that equals nothing."""
    found: Any = metadata
    step: str
    for step in field.split("."):
        if not isinstance(found, Mapping) or step not in found:
            return _MISSING
        found = cast("Mapping[str, Any]", found)[step]
    return found


def kind(value: object) -> str:
    """Return ``bool``, ``number``, ``string`` or ``other``: only one kind compares with itself."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else "other"


def check_filter(value: object, *, what: str) -> None:
    """Refuse what is no filter, or one too deep to be gone through.

    Raises:
        Invalid: Another type, or nested deeper than 100.
    """
    level = [value]
    for _ in range(_DEEPEST):
        if not all(isinstance(one, Filter) for one in level):
            msg = f"{what} must be a Filter, made with F"
            raise Invalid(msg)
        level = [part for one in level for part in _inside(one)]
        if not level:
            return
    msg = f"{what} is nested deeper than {_DEEPEST}"
    raise Invalid(msg)


def _inside(value: object) -> tuple[object, ...]:
    match value:
        case Not(part):
            return (part,)
        case Every(parts) | Some(parts):
            return parts
        case _:
            return ()


def _check_part(part: object) -> None:
    if not isinstance(part, Filter):
        msg = f"a filter is combined with filters, got {type(part).__name__}"
        raise Invalid(msg)


def _parts(join: type[Every | Some], part: Filter) -> tuple[Filter, ...]:
    _check_part(part)
    return part.parts if isinstance(part, join) else (part,)
