"""Under which name an object of Storage is kept: every key its own, and only what Storage takes.

Storage takes ASCII letters, digits and some marks, so a key is kept as it is but for what is no
such character: each byte of that is ``=XX``. Names that begin with ``=u/`` are parts of uploads,
with ``=s/`` objects of a scope; no key begins so, as ``=`` itself is ``=3D``.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

UPLOADS: Final = "=u/"
_SCOPES: Final = "=s/"
_HOLDER: Final = "=."
"""Ends a segment that would be empty, ``.`` or ``..``, which are none in a path."""

_CUT: Final = "=-"
"""Stands between the beginning of a name that is too long and the digest of the whole."""

_LONGEST: Final = 600
_PLAIN: Final = re.compile(r"[A-Za-z0-9_\-.!*'() &$@;:+,]")
_NARROW: Final = re.compile(r"[A-Za-z0-9_-]")
_ESCAPED: Final = re.compile(r"=([0-9A-F]{2})")


def name_of(scope: str, key: str) -> str:
    """Return the name of the object under *key*."""
    whole = "/".join(_held(segment) for segment in _escape(key).split("/"))
    if len(whole) > _LONGEST:
        whole = f"{whole[:_LONGEST]}{_CUT}{sha256(key.encode()).hexdigest()}"
    return begin_of(scope) + whole


def stem_of(scope: str, prefix: str) -> str:
    """Return with what the names of all keys begin that begin with *prefix*; others may, too."""
    *whole, last = _escape(prefix).split("/")
    return begin_of(scope) + "/".join((*map(_held, whole), last))[:_LONGEST]


def begin_of(scope: str) -> str:
    """Return with what the names of all objects of a *scope* begin; empty for none."""
    if not scope:
        return ""
    told = _escape(scope, _NARROW)
    if len(told) > _LONGEST // 3:
        told = f"{_CUT}{sha256(scope.encode()).hexdigest()}"
    return f"{_SCOPES}{told}/"


def key_of(scope: str, name: str) -> str | None:
    """Return the key kept under *name*, None if it does not tell: it was too long."""
    told = name.removeprefix(begin_of(scope)).replace(_HOLDER, "")
    if _CUT in told:
        return None
    raw = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), told)
    return raw.encode("latin-1").decode()


def _escape(text: str, plain: re.Pattern[str] = _PLAIN) -> str:
    return "".join(
        char
        if plain.fullmatch(char) or (char == "/" and plain is _PLAIN)
        else "".join(f"={byte:02X}" for byte in char.encode())
        for char in text
    )


def _held(segment: str) -> str:
    return segment + _HOLDER if segment in {"", ".", ".."} else segment
