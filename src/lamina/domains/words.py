"""Words of a text, as full-text search sees them."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_PLAIN: Final = bytes(
    ord(char.lower()) if char.isascii() and char.isalnum() else 0x20
    for char in map(chr, range(256))
)
"""Each byte of ASCII as a word has it, a space for what is in none."""

_RUN: Final = re.compile(r"[^\W_]+")
_LONGEST: Final = 32_768  # FTS5_MAX_TOKEN_SIZE


def words(text: str) -> list[str]:
    """Return the words of *text* in order: letters and digits, folded, without diacritics.

    They are nearly those of SQLite's ``unicode61`` tokenizer: scripts written without spaces
    give one word for each run of letters.
    """
    if text.isascii():
        return text.encode().translate(_PLAIN).decode().split()
    return _RUN.findall(text.translate(_FOLDED))


def counted(word: str) -> bytes:
    """Return what of a word tells it from others: its first 32,768 bytes, as in SQLite's FTS5."""
    return word.encode()[:_LONGEST]


class _Folding(dict[int, "int | None"]):
    """Code point to what it is folded to, made when first met."""

    def __missing__(self, point: int) -> int | None:
        made = self[point] = _fold(chr(point))
        return made


_FOLDED: Final = _Folding()


def _fold(char: str) -> int | None:
    """Fold one character to one, as simple case folding does, or to none if it is a mark."""
    if "\u0300" <= char <= "\u0331":
        return None
    folded = char.casefold()
    folded = folded if len(folded) == 1 else char.lower()[0]
    base = unicodedata.normalize("NFD", folded)[0]
    return ord(base.lower() if base.isascii() else folded)
