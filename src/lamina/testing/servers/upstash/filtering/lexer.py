"""Cut a filter into tokens, and tell errors as ANTLR does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from lamina.testing.servers.upstash.refusals import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

TokenKind: TypeAlias = Literal["word", "string", "number", "sign", "end"]

_TOKEN: Final = re.compile(
    r"""(?P<word>[a-zA-Z_][a-zA-Z_0-9.\[\]#-]*)
    | (?P<string>'[^']*' | "[^"]*")
    | (?P<number>-?[0-9]+(?:\.[0-9]+)?)
    | (?P<sign>!= | <= | >= | [=<>(),])""",
    re.VERBOSE,
)
_BLANK: Final = re.compile(r"[ \t\r\n]*")


class Token(NamedTuple):
    """A piece of a filter; *at* is where it begins."""

    kind: TokenKind
    text: str
    at: int

    def says(self, *words: str) -> bool:
        """Tell whether it is one of *words* (upper case) or signs."""
        return self.kind in {"word", "sign"} and self.text.upper() in words


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of *text*, the end as the last.

    Raises:
        Refused: Something is no token; raised when its turn comes.
    """
    at = _skipped(text, 0)
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise wrong(text, at, f"token recognition error at: '{_unknown(text, at)}'")
        yield Token(_kind(found.lastgroup), found.group(), at)
        at = _skipped(text, found.end())
    yield Token("end", "<EOF>", at)


def wrong(text: str, at: int, what: str) -> Refused:
    """Return the refusal of a filter; lines count from 1, columns from 0."""
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1)
    return Refused(400, f"Invalid filter. At line {line}:{column} {what}")


def _unknown(text: str, at: int) -> str:
    if text[at] in "'\"":  # never closed
        return text[at:]
    return text[at : at + 2] if text[at] in "!-" else text[at]


def _skipped(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return at if blank is None else blank.end()


def _kind(name: str) -> TokenKind:
    kinds: tuple[TokenKind, ...] = ("word", "string", "number", "sign")
    return next(kind for kind in kinds if kind == name)
