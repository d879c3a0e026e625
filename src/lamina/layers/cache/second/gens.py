"""Generations in the second tier: what an answer there was true under, and what holds now."""

from __future__ import annotations

import math
import struct
from hashlib import blake2b
from secrets import token_bytes
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

HELD: Final = b"?"
"""In place of a generation: a write is under way, or may still arrive. It expires by itself."""

SKEW: Final = 1.0
"""Seconds by which the clocks of two processes may differ."""

_RANDOM: Final = 16
_BORN: Final = struct.Struct(">d")


def fresh() -> bytes:
    """Return a generation that nothing was ever true under."""
    return b"=" + token_bytes(_RANDOM)


def fresh_root(born: float) -> bytes:
    """Return a generation of everything; it is used from *born* on (Unix seconds), and a while."""
    return b"/" + token_bytes(_RANDOM) + _BORN.pack(born)


class Standing(NamedTuple):
    """What generations were found.

    Attributes:
        settled: There is a root, and it is in use.
        free: No write holds one of them.
        absent: Keys of those that are not there.
        broken: Keys at which something else is.
        root: What is at the root's key.
        replaces: Whether there must be another root: there is none, or none of this time.
    """

    settled: bool
    free: bool
    absent: tuple[str, ...]
    broken: tuple[str, ...]
    root: bytes | None
    replaces: bool

    @property
    def holds(self) -> bool:
        """Whether answers under them are answers now."""
        return self.settled and self.free and not self.absent


def stand(
    root: str, gens: tuple[str, ...], told: Mapping[str, bytes | None], wall: float, hold: float
) -> Standing:
    """Judge what was found at the keys of the root and of the other generations.

    A root begins to be used *hold* seconds after it was made: writes that the lost one knew of
    have arrived by then. One of the far future would wait for ever, so it is replaced.
    """
    found = told.get(root)
    born = _born(found)
    settled = born is not None and born + hold + SKEW <= wall
    late = born is None or born > wall + hold + SKEW
    values = [(key, told.get(key)) for key in gens]
    absent = tuple(key for key, value in values if value is None)
    broken = tuple(key for key, value in values if not (value is None or _is_known(value)))
    held = any(value == HELD for _, value in values)
    return Standing(settled, not (held or broken), absent, broken, found, late)


def digest(root: bytes | None, gens: tuple[str, ...], told: Mapping[str, bytes | None]) -> bytes:
    """Return 16 bytes that stand for these generations together."""
    parts = [root or b"", *(told.get(key) or b"" for key in gens)]
    return blake2b(b"|".join(parts), digest_size=16).digest()


def _is_known(value: bytes) -> bool:
    return value == HELD or (len(value) == 1 + _RANDOM and value[:1] == b"=")


def _born(value: bytes | None) -> float | None:
    """Return when a root was made, None if it is none."""
    if value is None or len(value) != 1 + _RANDOM + _BORN.size or value[:1] != b"/":
        return None
    born: float = _BORN.unpack(value[1 + _RANDOM :])[0]
    return None if math.isnan(born) else born
