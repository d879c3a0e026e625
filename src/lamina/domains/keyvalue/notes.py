"""What is noted within a value of the changes that must be carried out only once."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

_DIGEST: Final = 16
_NOTE: Final = _DIGEST + 8  # with the answer
_MOST: Final = 64


def told_before(notes: bytes, once: str | None) -> int | None:
    """Return the answer to the change that was noted as *once*, None if none was."""
    if once is None:
        return None
    wanted = _digest(once)
    for at in range(0, len(notes) - len(notes) % _NOTE, _NOTE):
        if notes[at : at + _DIGEST] == wanted:
            return int.from_bytes(notes[at + _DIGEST : at + _NOTE], "big", signed=True)
    return None


def noted(notes: bytes, once: str | None, answer: int) -> bytes:
    """Return *notes* with one more, without the oldest beyond 64; as they are without a key."""
    if once is None:
        return notes
    return (notes + _digest(once) + answer.to_bytes(8, "big", signed=True))[-_MOST * _NOTE :]


def _digest(once: str) -> bytes:
    return sha256(once.encode()).digest()[:_DIGEST]
