"""Where the keys that begin with a prefix end, when keys are ordered by code point."""

from __future__ import annotations

from typing import Final

_LAST: Final = 0x10FFFF
_BEFORE_SURROGATES: Final = 0xD7FF
_AFTER_SURROGATES: Final = 0xE000


def end_of(prefix: str) -> str | None:
    """Return the least text that is greater than all that begin with *prefix*, None if none is.

    Code points compare as their UTF-8 bytes do. Surrogates are no text, so they are stepped over.
    """
    for at in range(len(prefix) - 1, -1, -1):
        point = ord(prefix[at])
        if point < _LAST:
            following = _AFTER_SURROGATES if point == _BEFORE_SURROGATES else point + 1
            return prefix[:at] + chr(following)
    return None
