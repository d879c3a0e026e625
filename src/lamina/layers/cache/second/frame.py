"""One kept answer as bytes: what it is, when it was true, under what, and whether it is whole."""

from __future__ import annotations

import math
import struct
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lamina.layers.cache.second.coders import Source

if TYPE_CHECKING:
    from lamina.layers.cache.second.coders import Coder, Out

VERSION: Final = 1
"""Of these bytes; another is unreadable, which is a miss."""

_MAGIC: Final = b"\xa7L2" + bytes((VERSION,))
_SUM: Final = 16
_HEAD: Final = struct.Struct(">dd16s32s")  # asked, until, generations, identity
_START: Final = len(_MAGIC) + 8 + _SUM


class Unreadable(Exception):  # it is a miss
    """Bytes that are no answer of this version to this operation."""


class Kept(NamedTuple):
    """An answer that was kept.

    *asked* is when it began to be asked, in Unix seconds: it was true then or later. It holds
    until *until*, the same, None for no end of its own; *generations* is what it was true under.
    """

    asked: float
    until: float | None
    generations: bytes
    value: Source


def packed(
    coder: Coder,
    mark: bytes,
    identity: bytes,
    answer: Any,
    *,
    asked: float,
    until: float | None,
    generations: bytes,
) -> bytes:
    """Return the bytes of *answer*; *mark* is of 8 bytes and stands for its shape.

    Raises:
        Unstorable: It is not of the type that it should be.
    """
    ends = math.inf if until is None else until
    out: Out = [_HEAD.pack(asked, ends, generations, identity)]
    coder.write(answer, out)
    body = b"".join(out)
    return b"".join((_MAGIC, mark, _sum(mark, body), body))


def unpacked(data: bytes, mark: bytes, identity: bytes) -> Kept:
    """Return what was kept; its value is not yet read.

    Raises:
        Unreadable: Of another version, shape or operation, or not whole.
    """
    body = data[_START:]
    if (
        len(body) < _HEAD.size
        or data[: _START - _SUM] != _MAGIC + mark
        or data[_START - _SUM : _START] != _sum(mark, body)
    ):
        raise Unreadable
    asked, ends, generations, found = _HEAD.unpack_from(body)
    if found != identity or not math.isfinite(asked) or math.isnan(ends):
        raise Unreadable
    until = None if ends == math.inf else ends
    return Kept(asked, until, generations, Source(body, _HEAD.size))


def value_of(kept: Kept, coder: Coder) -> Any:
    """Return the answer.

    Raises:
        Unreadable: It is not one.
    """
    try:
        value = coder.read(kept.value)
    except Exception as error:  # whatever a type's own checks raise
        raise Unreadable from error
    if kept.value.at != len(kept.value.data):
        raise Unreadable
    return value


def mark_of(shape: str) -> bytes:
    """Return the 8 bytes that stand for a shape."""
    return blake2b(shape.encode(), digest_size=8).digest()


def _sum(mark: bytes, body: bytes) -> bytes:
    return blake2b(body, key=mark, digest_size=_SUM).digest()
