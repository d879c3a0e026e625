"""Filters in the service's own language, as far as it can tell the same.

What is sent is met by every record that meets the filter, and perhaps by others: the service
takes ``true`` for ``1``, orders numbers only, has no negation, hides records without metadata and
does not say how strings are escaped. So each record that it finds is looked at again.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from lamina.filters import Compare, Contains, Every, Exists, Not, OneOf, Some

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lamina.filters import Filter, Scalar

_FIELD: Final = re.compile(r"[a-zA-Z_][a-zA-Z_0-9]*(?:\.[a-zA-Z_][a-zA-Z_0-9]*)*")
_RESERVED: Final = {"and", "or", "not", "glob", "in", "contains", "has", "field", "true", "false"}
_NO_STRING: Final = {"true", "false", "null", "nan", "infinity", "inf", "yes", "no", "on", "off"}
_LARGEST: Final = 2**53
_DIGITS: Final = 40
_DEEPEST: Final = 20
_LONGEST: Final = 16_384
_MOST_VALUES: Final = 500  # after one IN; the service refuses 1,000, and does not say from when


class Clause(NamedTuple):
    """What is sent: ``""`` for all records, None if none can meet the filter.

    *exact* says that just the records that meet the filter meet this.
    """

    text: str | None
    exact: bool


_ALL: Final = Clause("", exact=False)
_NONE: Final = Clause(None, exact=True)


def compiled(where: Filter | None) -> Clause:
    """Return what to send for a filter."""
    if where is None:
        return Clause("", exact=True)
    clause = _clause(where, _DEEPEST)
    if clause.text and (len(clause.text) > _LONGEST or where.matches({})):
        return _ALL  # a record without metadata meets nothing that is sent
    return clause


def _clause(where: Filter, depth: int) -> Clause:
    if not depth:
        return _ALL
    match where:
        case Every(parts):
            return _every([_clause(part, depth - 1) for part in parts])
        case Some(parts):
            return _some([_clause(part, depth - 1) for part in parts])
        case Not(part):
            return _denied(part, depth - 1)
        case Compare(field) | OneOf(field) | Contains(field) if _is_field(field):
            return _told(where)
        case _:  # whether a field that holds null is there, the service does not say
            return _ALL


def _denied(where: Filter, depth: int) -> Clause:
    if not depth:
        return _ALL
    match where:
        case Every(parts):
            return _some([_denied(part, depth - 1) for part in parts])
        case Some(parts):
            return _every([_denied(part, depth - 1) for part in parts])
        case Not(part):
            return _clause(part, depth - 1)
        case Exists(field) if _is_field(field):
            return Clause(f"HAS NOT FIELD {field}", exact=False)
        case _:
            return _ALL


def _every(clauses: Sequence[Clause]) -> Clause:
    if any(clause.text is None for clause in clauses):
        return _NONE
    text = " AND ".join(clause.text for clause in clauses if clause.text)
    return Clause(text, exact=all(clause.exact for clause in clauses))


def _some(clauses: Sequence[Clause]) -> Clause:
    texts = [clause.text for clause in clauses if clause.text is not None]
    if not texts:
        return _NONE
    exact = all(clause.exact for clause in clauses)
    if "" in texts:
        return Clause("", exact=exact)
    return Clause(texts[0] if len(texts) == 1 else f"({' OR '.join(texts)})", exact=exact)


def _told(where: Compare | OneOf | Contains) -> Clause:
    values = where.values if isinstance(where, OneOf) else (where.value,)
    if not values:
        return _NONE
    literals = [literal for literal in map(_literal, values) if literal is not None]
    sign = _sign(where)
    if sign is None or len(literals) < len(values) or len(values) > _MOST_VALUES:
        return Clause(f"HAS FIELD {where.field}", exact=False)
    told = f"({', '.join(literals)})" if sign == "IN" else literals[0]
    return Clause(f"{where.field} {sign} {told}", exact=sign != "!=" and _are_words(values))


def _sign(where: Compare | OneOf | Contains) -> str | None:
    """Return the operator, None if there is none: only numbers are ordered."""
    match where:
        case OneOf():
            return "IN"
        case Contains():
            return "CONTAINS"
        case Compare(_, "==", _):
            return "="
        case Compare(_, "!=", _):
            return "!="
        case Compare(_, op, value):
            return None if isinstance(value, str | bool) else op


def _is_field(name: str) -> bool:
    return _FIELD.fullmatch(name) is not None and name.lower() not in _RESERVED


def _literal(value: Scalar) -> str | None:
    """Return *value* as the service writes it, None if that is not surely the same."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quoted(value)
    if not abs(value) <= _LARGEST:  # nor what is no number
        return None
    text = str(int(value)) if value == int(value) else format(Decimal(repr(value)), "f")
    return text if len(text) <= _DIGITS else None


def _quoted(value: str) -> str | None:
    if not value or "\\" in value or not value.isprintable():
        return None
    for quote in ("'", '"'):
        if quote not in value:
            return f"{quote}{value}{quote}"
    return None


def _are_words(values: Iterable[Scalar]) -> bool:
    """Tell whether none of *values* could be taken for anything but a string."""
    return all(
        isinstance(value, str) and value[:1].isalpha() and value.lower() not in _NO_STRING
        for value in values
    )
