"""What the tests of the media backends share."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from lamina.domains.media import PART
from lamina.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.domains.media import Media, MediaBackend

    Make = Callable[[], MediaBackend]

BIG = bytes(range(256)) * (PART // 256)
"""Exactly one part."""

HOSTILE = (
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    ".",
    "a/../b",
    "C:\\windows\\system32",
    "con",
    "\u202egnp.exe",
    "a\nb\rc\x1b[2J",
    "%00",
    "*?[]",
    "'; DROP TABLE media_objects; --",
    "\U0010ffff",
    "\ud7ff\ue000",
    "k" * 1024,
    "é" * 512,
)


def over(backend: MediaBackend) -> Media:
    return Stack().over(backend)


@final
class Slow:
    """A source that gives little at a time, and does at an offset what it is told to."""

    def __init__(self, data: bytes, step: int, *, fails_at: int = -1) -> None:
        self.data = data
        self.step = step
        self.fails_at = fails_at

    async def read(self, start: int, length: int) -> bytes:
        if self.fails_at >= 0 and start >= self.fails_at:
            msg = "the source broke"
            raise RuntimeError(msg)
        return self.data[start : start + min(length, self.step)]
