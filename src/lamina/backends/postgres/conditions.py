"""Filters as SQL on the column ``metadata``, and as JSON for ``lamina_meets``; one meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lamina.backends.postgres.written import encoded, plain
from lamina.errors import Unsupported
from lamina.filters import Compare, Contains, Every, Exists, Filter, Not, OneOf, Some, kind

if TYPE_CHECKING:
    from lamina.filters import Scalar

_MOST_VALUES: Final = 10_000  # the protocol counts parameters in 16 bits
_TYPES: Final = {"bool": "boolean", "number": "number", "string": "string"}
_OPERATORS: Final = {"==": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def compiled(wanted: Filter, values: list[Any]) -> str:
    """Return *wanted* as a condition that is true or false, never null.

    Its parameters are appended to *values*, which are bound from ``$1`` on.

    Raises:
        Unsupported: It is no filter that we know, or has too many values.
    """
    if len(values) > _MOST_VALUES:
        msg = f"a filter may have at most {_MOST_VALUES} values"
        raise Unsupported(msg)
    match wanted:
        case Not(part):
            return f"(NOT {compiled(part, values)})"
        case Every(parts):
            return f"({' AND '.join(compiled(part, values) for part in parts) or 'true'})"
        case Some(parts):
            return f"({' OR '.join(compiled(part, values) for part in parts) or 'false'})"
        case _:
            return _leaf(wanted, values)


def told(wanted: Filter) -> str:
    """Return *wanted* as the JSON that ``lamina_meets`` reads.

    Raises:
        Unsupported: It is no filter that we know.
    """
    return encoded(_told(wanted))


def _told(wanted: Filter) -> list[Any]:
    match wanted:
        case Not(part):
            return ["not", _told(part)]
        case Every(parts):
            return ["every", [_told(part) for part in parts]]
        case Some(parts):
            return ["some", [_told(part) for part in parts]]
        case _:
            return _told_leaf(wanted)


def _told_leaf(wanted: Filter) -> list[Any]:
    match wanted:
        case Compare(field, op, value):
            return [op, field, plain(value)]
        case OneOf(field, options):
            return ["in", field, [plain(one) for one in options]]
        case Contains(field, value):
            return ["contains", field, plain(value)]
        case Exists(field):
            return ["exists", field]
        case _:
            raise _unknown(wanted)


def _leaf(wanted: Filter, values: list[Any]) -> str:
    match wanted:
        case Compare(field, op, value):
            return _compared(field, op, value, values)
        case OneOf(field, options):
            found = _found(field, values)
            among = _bound([_json(one) for one in options], values)
            return f"coalesce({found} = ANY({among}::jsonb[]), false)"
        case Contains(field, value):
            found = _found(field, values)
            held = f"{found} @> {_bound(_json(value), values)}::jsonb"
            return f"coalesce(jsonb_typeof({found}) = 'array' AND {held}, false)"
        case Exists(field):
            return f"({_found(field, values)} IS NOT NULL)"
        case _:
            raise _unknown(wanted)


def _compared(field: str, op: str, value: Scalar, values: list[Any]) -> str:
    if op not in _OPERATORS:
        msg = "a filter has a comparison that is none"
        raise Unsupported(msg)
    found = _found(field, values)
    if op == "==":
        return f"coalesce({found} = {_bound(_json(value), values)}::jsonb, false)"
    of_type = f"jsonb_typeof({found}) = '{_TYPES[kind(value)]}'"
    if kind(value) == "string":  # as jsonb, texts are ordered by the database's language
        other = f'{_bound(plain(value), values)}::text COLLATE "C"'
        found = f"({found} #>> '{{}}') COLLATE \"C\""
    else:
        other = f"{_bound(_json(value), values)}::jsonb"
    return f"coalesce({of_type} AND {found} {_OPERATORS[op]} {other}, false)"


def _found(field: str, values: list[Any]) -> str:
    return f"(metadata #> {_bound(field.split('.'), values)}::text[])"


def _bound(value: Any, values: list[Any]) -> str:
    values.append(value)
    return f"${len(values)}"


def _json(value: Scalar) -> str:
    return encoded(plain(value))


def _unknown(wanted: Filter) -> Unsupported:
    return Unsupported(f"a filter of type {type(wanted).__name__} cannot be asked for")
