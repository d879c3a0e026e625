"""What a query string asks for, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Field:
    """A column, or a place inside it: *path* are arrows with keys, or with numbers of elements."""

    name: str
    path: tuple[tuple[str, str | int], ...] = ()


@dataclass(frozen=True, slots=True)
class Chosen:
    """One part of an answer's row; the name ``*`` is all columns."""

    field: Field
    alias: str | None = None
    cast: str | None = None
    aggregate: str | None = None
    aggregate_cast: str | None = None


@dataclass(frozen=True, slots=True)
class Embed:
    """Rows of another table inside each row; *spread* puts their columns beside the row's own."""

    name: str
    chosen: tuple[Part, ...]
    alias: str | None = None
    hint: str | None = None
    inner: bool = False
    spread: bool = False

    @property
    def label(self) -> str:
        return self.alias or self.name


Part: TypeAlias = Chosen | Embed


def aggregates(parts: tuple[Part, ...]) -> bool:
    """Tell whether any of *parts* sums rows up."""
    return any(
        part.aggregate is not None if isinstance(part, Chosen) else aggregates(part.chosen)
        for part in parts
    )


@dataclass(frozen=True, slots=True)
class Filter:
    """One comparison; *quantifier* is any or all, *config* a language of full-text search."""

    field: Field
    operator: str
    value: str | tuple[str, ...]
    negated: bool = False
    quantifier: str | None = None
    config: str | None = None


@dataclass(frozen=True, slots=True)
class Tree:
    """Conditions joined by and, or by or."""

    joined: str
    members: tuple[Condition, ...]
    negated: bool = False


Condition: TypeAlias = Filter | Tree


@dataclass(frozen=True, slots=True)
class Order:
    """One thing to sort by; *of* is the embedded row that has it."""

    field: Field
    direction: str | None = None
    nulls: str | None = None
    of: str | None = None


@dataclass(slots=True)
class Level:
    """What is asked of one table: of the main one, or of one that is embedded."""

    conditions: list[Condition] = field(default_factory=list["Condition"])
    order: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int = 0


Path: TypeAlias = tuple[str, ...]


@dataclass(slots=True)
class Asked:
    """A whole query string; levels are found by the names on the way to them."""

    chosen: tuple[Part, ...] = (Chosen(Field("*")),)
    levels: dict[Path, Level] = field(default_factory=lambda: {(): Level()})
    columns: tuple[str, ...] | None = None
    on_conflict: tuple[str, ...] | None = None
    arguments: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    @property
    def top(self) -> Level:
        return self.levels[()]

    def level(self, path: Path) -> Level:
        return self.levels.setdefault(path, Level())
