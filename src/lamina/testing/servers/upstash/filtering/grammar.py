"""Parse a filter.

::

    filter  = and { OR and } ;  and = prim { AND prim }
    prim    = "(" filter ")" | HAS [NOT] FIELD ident | ident sign literal
            | ident [NOT] GLOB string | ident [NOT] IN "(" literal { "," literal } ")"
            | ident [NOT] CONTAINS literal

Operators are words in any case. They cannot be identifiers; ``field``, ``has`` and booleans can.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn, final

from lamina.testing.servers.upstash.filtering import meaning
from lamina.testing.servers.upstash.filtering.lexer import Token, tokens, wrong
from lamina.testing.servers.upstash.filtering.paths import steps
from lamina.testing.servers.upstash.limits import NO_LIMIT
from lamina.testing.servers.upstash.refusals import too_much

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.testing.servers.upstash.filtering.meaning import Condition, Literal, Path

_DEEPEST: Final = 100
_SIGNS: Final = ("=", "!=", "<", "<=", ">", ">=")
_AFTER_IDENTIFIER: Final = (*_SIGNS, "GLOB", "IN", "CONTAINS", "NOT")
_RESERVED: Final = ("AND", "OR", "NOT", "GLOB", "IN", "CONTAINS")
_LITERALS: Final = ("STRING", "NUMBER", "BOOLEAN")


def condition(
    text: str, *, missing_matches_not: bool = False, most_in: int = NO_LIMIT
) -> Condition:
    """Return what *text* says; whether NOT GLOB, NOT IN, NOT CONTAINS hold for a missing field.

    Raises:
        Refused: It is no filter, or has more than *most_in* values after one IN.
    """
    return _Parser(text, most_in, missing_matches_not=missing_matches_not).whole()


@final
class _Parser:
    def __init__(self, text: str, most_in: int, *, missing_matches_not: bool) -> None:
        self._text = text
        self._most_in = most_in
        self._missing = missing_matches_not
        self._tokens = tokens(text)
        self._now = next(self._tokens)
        self._next: Token | None = None
        self._depth = 0

    def whole(self) -> Condition:
        found = self._filter()
        if self._now.kind != "end":
            self._fail("<EOF>", "AND", "OR")
        return found

    def _filter(self) -> Condition:
        parts = [self._and()]
        while self._now.says("OR"):
            self._take()
            parts.append(self._and())
        return meaning.some(parts)

    def _and(self) -> Condition:
        parts = [self._primary()]
        while self._now.says("AND"):
            self._take()
            parts.append(self._primary())
        return meaning.every(parts)

    def _primary(self) -> Condition:
        if self._now.says("("):
            return self._group()
        if self._now.says("HAS") and self._peek().says("NOT", "FIELD"):
            self._take()
            negated = self._negated("FIELD")
            self._expect("FIELD")
            return meaning.exists(self._path(), negated=negated)
        path = self._path("'('", "HAS")
        sign = self._now.text
        if self._now.says(*_SIGNS):
            self._take()
            literal = self._literal()
            if sign in meaning.ORDERS:
                return meaning.ordered(path, sign, literal)
            return meaning.equals(path, literal, negated=sign == "!=")
        negated = self._negated("GLOB", "IN", "CONTAINS")
        if not self._now.says("GLOB", "IN", "CONTAINS"):
            self._fail(*_AFTER_IDENTIFIER)
        found = self._worded(self._take().text.upper(), path, negated=negated)
        if negated and self._missing:
            return meaning.some([meaning.exists(path, negated=True), found])
        return found

    def _worded(self, word: str, path: Path, *, negated: bool) -> Condition:
        if word == "GLOB":
            if self._now.kind != "string":
                self._fail("STRING")
            return meaning.globs(path, self._take().text[1:-1], negated=negated)
        if word == "CONTAINS":
            return meaning.contains(path, self._literal(), negated=negated)
        join: Callable[[list[Condition]], Condition] = meaning.every if negated else meaning.some
        self._expect("(")
        parts = [meaning.equals(path, self._literal(), negated=negated)]
        while self._now.says(","):
            self._take()
            parts.append(meaning.equals(path, self._literal(), negated=negated))
        self._expect(")")
        if len(parts) > self._most_in:
            what = "values after IN"
            raise too_much(what, len(parts), self._most_in)
        return join(parts)

    def _group(self) -> Condition:
        opened = self._take()
        self._depth += 1
        if self._depth > _DEEPEST:
            raise wrong(self._text, opened.at, f"nested deeper than {_DEEPEST}")
        found = self._filter()
        self._depth -= 1
        self._expect(")")
        return found

    def _negated(self, *words: str) -> bool:
        if not self._now.says("NOT"):
            return False
        self._take()
        if not self._now.says(*words):
            self._fail(*words)
        return True

    def _path(self, *others: str) -> Path:
        if self._now.kind != "word" or self._now.says(*_RESERVED):
            self._fail(*others, "IDENTIFIER")
        name = self._take()
        path = steps(name.text)
        if path is None:
            raise wrong(self._text, name.at, f"malformed identifier '{name.text}'")
        return path

    def _literal(self) -> Literal:
        token = self._now
        if token.kind == "string":
            return self._take().text[1:-1]
        if token.kind == "number":
            text = self._take().text
            return float(text) if "." in text or len(text) > 400 else int(text)
        if not token.says("TRUE", "FALSE"):
            self._fail(*_LITERALS)
        return self._take().says("TRUE")

    def _expect(self, word: str) -> None:
        if not self._now.says(word):
            self._fail(word)
        self._take()

    def _take(self) -> Token:
        taken = self._now
        self._now = self._peek()
        self._next = None
        return taken

    def _peek(self) -> Token:
        if self._next is None:
            self._next = next(self._tokens, self._now)
        return self._next

    def _fail(self, *expected: str) -> NoReturn:
        quoted = [each if each.isupper() or "'" in each else f"'{each}'" for each in expected]
        wanted = quoted[0] if len(quoted) == 1 else "{" + ", ".join(quoted) + "}"
        what = f"mismatched input '{self._now.text}' expecting {wanted}"
        raise wrong(self._text, self._now.at, what)
