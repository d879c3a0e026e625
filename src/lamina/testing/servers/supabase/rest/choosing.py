"""Read select=, order= and columns=."""

from __future__ import annotations

import re
from typing import Final

from lamina.testing.servers.supabase.rest.asked import Chosen, Embed, Field, Order, Part
from lamina.testing.servers.supabase.rest.scanner import Scanner

_CAST: Final = re.compile(r"::([\w .]+(?:\[\])*)")
_AGGREGATE: Final = re.compile(r"\.(avg|count|max|min|sum)\(\)")
_COUNT: Final = re.compile(r"(?:([\w$]+):)?count\(\)")
_DIRECTION: Final = re.compile(r"\.(asc|desc)")
_NULLS: Final = re.compile(r"\.(nullsfirst|nullslast)")
_WORDS: Final = ("asc", "desc", "nullsfirst", "nullslast")
_JOIN: Final = re.compile(r"!(inner|left)(?=[!(])")


def chosen(text: str) -> tuple[Part, ...]:
    """Read select=."""
    if not text:
        return (Chosen(Field("*")),)
    scanner = Scanner("select parameter", text)
    found = scanner.list_of(lambda: _part(scanner))
    scanner.end('letter, digit, "-", "->>", "->", "::", ".", ","')
    return found


def _part(scanner: Scanner) -> Part:
    if scanner.take("*"):
        return Chosen(Field("*"))
    if scanner.take("..."):
        return _embed(scanner, scanner.name(), None, spread=True)
    count = scanner.match(_COUNT)
    if count is not None:
        return Chosen(Field("*"), count[1], None, "count", _cast(scanner))
    name, alias = scanner.name(), None
    if scanner.sees(":") and not scanner.sees("::"):
        scanner.take(":")
        alias, name = name, scanner.name()
    if scanner.sees("!") or scanner.sees("("):
        return _embed(scanner, name, alias, spread=False)
    field = Field(name, scanner.path())
    cast = _cast(scanner)
    aggregate = scanner.match(_AGGREGATE)
    if aggregate is not None:
        return Chosen(field, alias, cast, aggregate[1], _cast(scanner))
    if scanner.take("."):
        scanner.refuse('"sum", "avg", "count", "max" or "min"')
    return Chosen(field, alias, cast)


def _cast(scanner: Scanner) -> str | None:
    found = scanner.match(_CAST)
    return found[1] if found is not None else None


def _embed(scanner: Scanner, name: str, alias: str | None, *, spread: bool) -> Embed:
    hint, inner = None, False
    while scanner.sees("!"):
        join = scanner.match(_JOIN)
        if join is not None:
            inner = join[1] == "inner"
        else:
            scanner.take("!")
            hint = scanner.name()
    scanner.need("(")
    parts: tuple[Part, ...] = ()
    if not scanner.sees(")"):
        parts = scanner.list_of(lambda: _part(scanner))
    scanner.need(")", '"," or ")"')
    return Embed(name, parts, alias, hint, inner, spread)


def order(text: str) -> tuple[Order, ...]:
    """Read order=."""
    scanner = Scanner("order", text)
    found = scanner.list_of(lambda: _term(scanner))
    scanner.end('delimiter (.), ","' if found[-1].nulls is None else '","')
    return found


def _term(scanner: Scanner) -> Order:
    field, of = scanner.field(), None
    if not field.path and scanner.take("("):
        of, field = field.name, scanner.field()
        scanner.need(")")
    direction = scanner.match(_DIRECTION)
    nulls = scanner.match(_NULLS)
    if scanner.take("."):
        words = ("nullsfirst", "nullslast") if direction else _WORDS
        odd = scanner.text[scanner.at :]
        instead = next((f'"{a}"' for a, b in zip(odd, words[0], strict=False) if a != b), None)
        told = ", ".join(f'"{word}"' for word in words[:-1])
        scanner.refuse(f'{told} or "{words[-1]}"', instead=instead)
    return Order(field, direction[1] if direction else None, nulls[1] if nulls else None, of)


def columns(text: str, what: str = "columns parameter") -> tuple[str, ...]:
    """Read names that commas separate."""
    scanner = Scanner(what, text)
    found = scanner.list_of(scanner.name)
    scanner.end('letter, digit, "-", ","')
    return found
