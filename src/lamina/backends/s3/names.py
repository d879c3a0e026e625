"""Under which key of S3 an object is kept: nearly always its own."""

from __future__ import annotations

from typing import Final

from lamina.backends.names import Names

LONGEST: Final = 1023
"""Bytes of a key: S3 takes one more, but servers that count a slash before it do not."""

_UNSURE: Final = {"%", "\x7f", "\\", "\ufffe", "\uffff"}
"""The mark, and what XML or a file system beneath may not give back, as all below a space."""


def names_of(prefix: str) -> Names:
    """Return the names of the objects beneath *prefix*."""
    return Names(
        "%", lambda char: char >= " " and char not in _UNSURE, longest=LONGEST, before=prefix
    )
