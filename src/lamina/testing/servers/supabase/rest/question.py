"""Read a whole query string."""

# ruff: noqa: EM101, TRY003  # what is refused, is refused in the words of the real one

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_plus

from lamina.testing.servers.supabase.rest import choosing, filters
from lamina.testing.servers.supabase.rest.asked import Asked, Field
from lamina.testing.servers.supabase.rest.refusal import range_not_satisfiable, unparsable
from lamina.testing.servers.supabase.rest.scanner import Scanner

if TYPE_CHECKING:
    from lamina.testing.servers.supabase.rest.asked import Path

_LOGIC: Final = ("and", "or")
_NUMBER: Final = re.compile(r"\s*-?[0-9]{1,18}\s*")


def pairs(raw: str) -> list[tuple[str, str]]:
    """Split a raw query string; a plus is a space."""
    found: list[tuple[str, str]] = []
    for part in raw.split("&"):
        if part:
            key, _, value = part.partition("=")
            found.append((unquote_plus(key), unquote_plus(value)))
    return found


def asked(raw: str, *, call: bool) -> Asked:
    """Return what *raw* asks; in a *call* of a function by GET, what compares nothing is passed."""
    found = Asked()
    for key, value in pairs(raw):
        if key == "select":
            found.chosen = choosing.chosen(value)
        elif key == "columns":
            found.columns = choosing.columns(value) if value else None
        elif key == "on_conflict":
            found.on_conflict = choosing.columns(value, "on_conflict parameter")
        elif not _paged(found, key, value) and not _joined(found, key, value):
            if call and "." not in key and not filters.has_operator(value):
                found.arguments.append((key, value))
            else:
                path, field = _place(key)
                found.level(path).conditions.append(filters.comparison(field, value))
    return found


def _paged(found: Asked, key: str, value: str) -> bool:
    *path, last = key.split(".")
    if last not in {"order", "limit", "offset"}:
        return False
    level = found.level(tuple(path))
    if last == "order":
        level.order = choosing.order(value) if value else ()
    elif last == "limit":
        level.limit = _number(value)
        if level.limit is not None and level.limit < 0:
            raise range_not_satisfiable("Limit should be greater than or equal to zero.")
    else:
        level.offset = max(0, _number(value) or 0)
    return True


def _number(text: str) -> int | None:
    """Read a number of rows; what is none is ignored."""
    return int(text) if _NUMBER.fullmatch(text) else None


def _joined(found: Asked, key: str, value: str) -> bool:
    *path, last = key.split(".")
    if last not in _LOGIC:
        return False
    negated = path[-1:] == ["not"]
    level = found.level(tuple(path[:-1] if negated else path))
    level.conditions.append(filters.tree(last, value, negated=negated))
    return True


def _place(key: str) -> tuple[Path, Field]:
    """Read the left side of a comparison: tables, and a column of the last."""
    scanner = Scanner("tree path", key)
    names: list[str] = []
    field = scanner.field()
    while not field.path and scanner.take("."):
        names.append(field.name)
        field = scanner.field()
    if not scanner.ended:
        raise unparsable("tree path", key, scanner.at + 1, f'unexpected "{key[scanner.at]}"')
    return tuple(names), field
