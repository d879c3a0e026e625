"""What is noted within a value of the appends that must be carried out only once."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

_DIGEST: Final = 16
_NOTE: Final = _DIGEST + 8  # with the answer
_MOST: Final = 64


def told_before(notes: bytes, idempotency: str) -> int | None:
    """Return the answer to the append with that key, None if none is noted."""
    wanted = _digest(idempotency)
    for at in range(0, len(notes) - len(notes) % _NOTE, _NOTE):
        if notes[at : at + _DIGEST] == wanted:
            return int.from_bytes(notes[at + _DIGEST : at + _NOTE], "big")
    return None


def noted(notes: bytes, idempotency: str, answer: int) -> bytes:
    """Return *notes* with one more, without the oldest beyond 64."""
    return (notes + _digest(idempotency) + answer.to_bytes(8, "big"))[-_MOST * _NOTE :]


def _digest(idempotency: str) -> bytes:
    return sha256(idempotency.encode()).digest()[:_DIGEST]
