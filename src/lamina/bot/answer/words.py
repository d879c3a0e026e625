"""The words of a question that say what it is about."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_WORD: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_BACK: Final = "it its they them their that this these those he she him her"
_FILLING: Final = """
    a about after again all also am an and any are as at be because been before being but by
    can could did do does doing don't done each few for from get gets give got had has have
    having here how i i'm if in into is isn't just know let like make many may me might more
    most much must my need no not now of off on one ones only or other our out over own please
    same shall should show so some such tell than the then there thing things to too under up
    use used using very want was way we were what what's when where which while who whom whose
    why will with would you your"""
_POINTS_BACK: Final = frozenset(_BACK.split())
_EMPTY: Final = _POINTS_BACK.union(_FILLING.split())
_LEADS_ON: Final = ("and ", "what about", "how about", "or ", "also ", "but ", "then ", "why?")
_FEW: Final = 3


def words(text: str) -> list[str]:
    """Return all words of *text* in lower case, each as its stem."""
    return [stem(word) for word in _WORD.findall(text.casefold())]


def keywords(text: str) -> tuple[str, ...]:
    """Return the words of *text* that carry meaning, once each, in order, not stemmed."""
    found = (word for word in _WORD.findall(text.casefold()) if word not in _EMPTY)
    return tuple(dict.fromkeys(found))


def stem(word: str) -> str:
    """Return *word* without an English plural or verb ending: ``layers`` and ``layer`` are one."""
    if not word.isascii() or len(word) < 4:
        return word
    for ending, instead in (("'s", ""), ("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch")):
        if word.endswith(ending):
            return word[: -len(ending)] + instead
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            root = word[: -len(ending)]
            double = root[-1] == root[-2] and root[-1] not in "ls"
            return root[:-1] if double else root.removesuffix("e")
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    return word[:-1] if word.endswith("e") and len(word) > 4 else word


def in_context(question: str, before: Sequence[str]) -> str:
    """Return *question*, with the last one's words where it cannot stand alone.

    That is when it leads on ("and ...?") or points back ("it", "that") and has few words of its
    own, or has none. *before* are the user's earlier questions, oldest first.
    """
    own = keywords(question)
    if not before or not _leans_back(question, own):
        return question
    for earlier in reversed(before):
        if not _leans_back(earlier, keywords(earlier)) or earlier is before[0]:
            added = [word for word in keywords(earlier) if word not in own]
            return " ".join((question, *added[:8]))
    return question


def _leans_back(question: str, own: Sequence[str]) -> bool:
    text = question.casefold().strip()
    if len(own) > _FEW:
        return False
    points = not _POINTS_BACK.isdisjoint(_WORD.findall(text))
    return points or text.startswith(_LEADS_ON) or not own
