"""Filters as SQL conditions on the column ``metadata``, with the exact meaning of ``matches``."""

from __future__ import annotations

import math
from typing import Any, Final, TypeAlias

from lamina.filters import Compare, Contains, Every, Exists, Filter, Not, OneOf, Scalar, Some, kind

Condition: TypeAlias = tuple[str, list[Any]]
"""SQL and the values bound in it; it is 1 or 0, never NULL."""

_MOST_VALUES: Final = 900  # SQLite before 3.32 binds 999
_DEEPEST: Final = 16  # SQLite's parser keeps 100 open brackets and operators
_TYPES: Final = {
    "bool": "('true', 'false')",
    "number": "('integer', 'real')",
    "string": "('text')",
}
_OPERATORS: Final = {"==": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


class _OnlyPython(Exception):
    """SQL would judge this differently."""


def condition(wanted: Filter) -> Condition | None:
    """Return *wanted* as SQL; None if only ``wanted.matches`` can tell."""
    values: list[Any] = []
    try:
        text = _compiled(wanted, values)
    except _OnlyPython:
        return None
    return (text, values) if len(values) <= _MOST_VALUES else None


def _compiled(wanted: Filter, values: list[Any], depth: int = 0) -> str:
    if len(values) > _MOST_VALUES or depth > _DEEPEST:
        raise _OnlyPython
    match wanted:
        case Not(part):
            return f"(NOT {_compiled(part, values, depth + 1)})"
        case Every(parts):
            compiled = [_compiled(part, values, depth + 1) for part in parts]
            return f"({' AND '.join(compiled) or '1'})"
        case Some(parts):
            return _any([_compiled(part, values, depth + 1) for part in parts])
        case _:
            return _leaf(wanted, values)


def _leaf(wanted: Filter, values: list[Any]) -> str:
    match wanted:
        case Compare(field, op, value):
            return _compared(field, op, value, values)
        case OneOf(field, options):
            return _any([_compared(field, "==", value, values) for value in options])
        case Contains(field, value):
            return _contains(field, value, values)
        case Exists(field):
            values.append(_path(field))
            return "(json_type(metadata, ?) IS NOT NULL)"
        case _:
            raise _OnlyPython


def _any(parts: list[str]) -> str:
    return f"({' OR '.join(parts) or '0'})"


def _compared(field: str, op: str, value: Scalar, values: list[Any]) -> str:
    path = _path(field)
    types = _types(value)
    if op not in _OPERATORS:
        raise _OnlyPython
    values += (path, path, value)
    compared = f"json_extract(metadata, ?) {_OPERATORS[op]} ?"
    return f"ifnull(json_type(metadata, ?) IN {types} AND {compared}, 0)"


def _contains(field: str, value: Scalar, values: list[Any]) -> str:
    path = _path(field)
    types = _types(value)
    values += (path, path, value)
    held = f"SELECT 1 FROM json_each(metadata, ?) WHERE type IN {types} AND atom = ?"  # noqa: S608  # only constants
    return f"(json_type(metadata, ?) IS 'array' AND EXISTS ({held}))"


def _path(field: str) -> str:
    steps = field.split(".")
    if not all(step.isidentifier() and step.isascii() for step in steps):
        raise _OnlyPython
    return "$" + "".join(f'."{step}"' for step in steps)


def _types(value: Scalar) -> str:
    """Return the JSON types that may equal *value*, if SQLite can hold it as it is."""
    if isinstance(value, str):
        exact = "\0" not in value and _is_text(value)
    elif isinstance(value, float):
        exact = math.isfinite(value)
    else:
        exact = -(2**63) <= value < 2**63
    types = _TYPES.get(kind(value))
    if types is None or not exact:
        raise _OnlyPython
    return types


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
