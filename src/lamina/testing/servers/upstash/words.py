"""Cut English text into terms: lower case, without stop words, without endings."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_WORD: Final = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_STOP: Final = frozenset(
    {
        *("a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is"),
        *("it", "no", "not", "of", "on", "or", "such", "that", "the", "their", "then", "there"),
        *("these", "they", "this", "to", "was", "will", "with"),
    }
)
_VOWEL: Final = re.compile(r"[aeiouy]")
_DOUBLED: Final = re.compile(r"([^aeiouylsz])\1$")


def terms(text: str) -> list[str]:
    """Return the terms of *text* in order, repeated ones too."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = [word.removesuffix("'s").removesuffix("\u2019s") for word in _WORD.findall(folded)]
    return [stem(word) for word in words if word not in _STOP]


def stem(word: str) -> str:
    """Return *word* without plural, ``-ed`` and ``-ing``: step 1 of Porter's stemmer.

    Its other steps are left out: they would make no more than rankings differ.
    """
    if len(word) < 3 or not word.isascii():
        return word
    word = _plural(word)
    for ending in ("ed", "ing"):
        start = word.removesuffix(ending)
        if start != word and not word.endswith("eed") and _VOWEL.search(start):
            word = _mended(start)
            break
    if word.endswith("y") and len(word) > 2 and _VOWEL.search(word[:-1]):
        return word[:-1] + "i"
    return word


def _plural(word: str) -> str:
    if word.endswith("sses") or (word.endswith("ies") and len(word) > 3):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _mended(start: str) -> str:
    """Return what ``-ed`` or ``-ing`` was put to: hopp(ing) is hop, mak(ing) is make."""
    if start.endswith(("at", "bl", "iz")):
        return start + "e"
    if _DOUBLED.search(start):
        return start[:-1]
    short = re.fullmatch(r"[^aeiou]+[aeiouy][^aeiouywx]", start)
    return start + "e" if short else start
