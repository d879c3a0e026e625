"""Words of a text, as full-text search sees them."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

_PLAIN: Final = re.compile(r"[a-z0-9]+")
_RUN: Final = re.compile(r"[^\W_][^\W_\u0300-\u0331]*(?:[\u0300-\u0331]+[^\W_]*)*")


def words(text: str) -> list[str]:
    """Return the words of *text* in order: letters and digits, folded, without diacritics.

    They are nearly those of SQLite's ``unicode61`` tokenizer: scripts written without spaces
    give one word for each run of letters.
    """
    if text.isascii():
        return _PLAIN.findall(text.lower())
    return [word for word in map(_folded, _RUN.findall(text)) if word]


def _folded(word: str) -> str:
    return "".join(map(_fold, word))


@lru_cache(maxsize=4096)
def _fold(char: str) -> str:
    """Fold one character to one, as simple case folding does, or to none if it is a mark."""
    if "\u0300" <= char <= "\u0331":
        return ""
    folded = char.casefold()
    folded = folded if len(folded) == 1 else char.lower()[0]
    base = unicodedata.normalize("NFD", folded)[0]
    return base.lower() if base.isascii() else folded
