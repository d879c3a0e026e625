"""Read comparisons: ``eq.1``, ``not.in.(1,2)``, ``fts(english).cat``, ``(a.eq.1,b.is.null)``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from lamina.testing.servers.supabase.rest.asked import Condition, Field, Filter, Tree
from lamina.testing.servers.supabase.rest.scanner import Scanner

if TYPE_CHECKING:
    from collections.abc import Callable

QUANTIFIABLE: Final = {
    "eq": "=",
    "gte": ">=",
    "gt": ">",
    "lte": "<=",
    "lt": "<",
    "like": "LIKE",
    "ilike": "ILIKE",
    "match": "~",
    "imatch": "~*",
}
PLAIN: Final = {
    "neq": "<>",
    "cs": "@>",
    "cd": "<@",
    "ov": "&&",
    "sl": "<<",
    "sr": ">>",
    "nxr": "&<",
    "nxl": "&>",
    "adj": "-|-",
}
SEARCHES: Final = {
    "fts": "to_tsquery",
    "plfts": "plainto_tsquery",
    "phfts": "phraseto_tsquery",
    "wfts": "websearch_to_tsquery",
}
_OTHERS: Final = ("in", "is", "isdistinct")
_FIELD: Final = "field name (* or [a..z0..9_$])"
_ALL: Final = (*QUANTIFIABLE, *PLAIN, *SEARCHES, *_OTHERS)
_OPERATOR: Final = re.compile(r"([a-z]+)(?:\(([^()]+)\))?\.")
_IS: Final = re.compile(r"(null|true|false|unknown)(?=[,)]|$)", re.IGNORECASE)
_JOINED: Final = re.compile(r"(and|or)[ \t]*(?=\()")
_ARRAY: Final = re.compile(r"\{[^{}]*\}(?=[,)]|$)")


def has_operator(text: str) -> bool:
    """Tell whether a parameter compares, rather than being an argument of a function."""
    found = _OPERATOR.match(text)
    if found is None:
        return False
    return found[1] == "not" or _known(found[1], found[2])


def comparison(field: Field, text: str) -> Filter:
    """Read the whole value of a parameter."""
    scanner = Scanner("filter", text)

    def rest() -> str:
        begin, scanner.at = scanner.at, len(text)
        return text[begin:]

    found = _compared(scanner, field, rest)
    scanner.end("letter")
    return found


def tree(joined: str, text: str, *, negated: bool) -> Tree:
    """Read the value of and=, or=."""
    scanner = Scanner("logic tree", text, before=len(f"{'not.' if negated else ''}{joined}"))
    return Tree(joined, _members(scanner), negated)  # what follows is not looked at


def _members(scanner: Scanner) -> tuple[Condition, ...]:
    scanner.spaces()
    scanner.need("(")
    members = scanner.list_of(lambda: _member(scanner))
    scanner.need(")", '"," or ")"')
    return members


def _member(scanner: Scanner) -> Condition:
    begin = scanner.at
    negated = scanner.take("not.")
    word = scanner.match(_JOINED)
    if word is not None:
        return Tree(word[1], _members(scanner), negated)
    scanner.at = begin
    name = scanner.name(f"{_FIELD}, negation operator (not) or logic operator (and, or)")
    field = Field(name, scanner.path())
    scanner.need(".", 'letter, digit, "-", "->>", "->" or delimiter (.)')
    return _compared(scanner, field, lambda: _value(scanner))


def _value(scanner: Scanner) -> str:
    if scanner.sees('"'):
        return scanner.element()
    found = scanner.match(_ARRAY)
    return found[0] if found is not None else scanner.element()


def _compared(scanner: Scanner, field: Field, value: Callable[[], str]) -> Filter:
    negated = scanner.take("not.")
    begin = scanner.at
    if scanner.sees("not") and not negated:
        scanner.refuse("delimiter (.)", at=begin + 3)
    found = scanner.match(_OPERATOR)
    if found is None or not _known(found[1], found[2]):
        at = begin + _understood(scanner.text[begin:])
        nothing = at == begin and not negated
        scanner.refuse(('"not" or ' if nothing else "") + "operator (eq, gt, ...)", at=at)
    operator, more = found[1], found[2]
    if operator == "in":
        return Filter(field, operator, _list(scanner), negated)
    if operator == "is":
        word = scanner.match(_IS)
        if word is None:
            scanner.refuse("null or trilean value (unknown, true, false)")
        return Filter(field, operator, word[1].upper(), negated)
    if operator in SEARCHES:
        return Filter(field, operator, value(), negated, config=more)
    return Filter(field, operator, value(), negated, quantifier=more)


def _understood(text: str) -> int:
    """Return how many characters there are before the first that fits no operator."""
    names = [each for each in _ALL if text.startswith(each)]
    if not names:
        return 0
    name = max(names, key=len)
    open_ = text[len(name) :].startswith("(") and (name in QUANTIFIABLE or name in SEARCHES)
    return len(name) + open_


def _known(operator: str, more: str | None) -> bool:
    if operator in SEARCHES:
        return True
    if operator in QUANTIFIABLE:
        return more in (None, "any", "all")
    return (operator in PLAIN or operator in _OTHERS) and more is None


def _list(scanner: Scanner) -> tuple[str, ...]:
    scanner.need("(")
    scanner.spaces()
    found = [scanner.element()]
    while scanner.take(","):
        found.append(scanner.element())
    scanner.need(")")
    return () if found == [""] else tuple(found)
