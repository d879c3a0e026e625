"""Squeezed content: its form, and how it is told from what is stored as it is."""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from binascii import Error
from dataclasses import dataclass
from typing import Final, NoReturn, TypeAlias, final

from lamina.errors import Corrupt

Place: TypeAlias = tuple[str, ...]

MAGIC: Final = b"\xabSqueez\x01"  # its last byte is the version
_TEXT: Final = "lamina:squeezed:1:"
_AS_IS: Final = 0
_ZLIB: Final = 1
_SIZE: Final = 8
_HEAD: Final = len(MAGIC) + 1 + 2 + _SIZE


@final
@dataclass(frozen=True, slots=True)
class SqueezeStatus:
    """What was stored so far.

    Attributes:
        squeezed: How many contents were compressed.
        kept: How many were stored as they are: small, or not worth it.
        given: Bytes of those that were compressed.
        stored: Bytes that became of them.
        refused: How many contents were ``Corrupt``.
    """

    squeezed: int
    kept: int
    given: int
    stored: int
    refused: int


@final
class Squeezer:
    """Compresses with zlib what has *least* to *most* bytes, and opens no more than *most*.

    Content is stored as it is, or as magic, kind, length of notes, size, notes and body. It has
    the long form when it was compressed, has notes, or itself begins like the long form: so what
    was written through the layer is never taken for something else. What was there before and by
    chance begins with the 8 bytes of the magic is refused. Text is the same as base64.
    """

    layer = "squeeze"

    def __init__(self, *, least: int, level: int, most: int) -> None:
        self._least = least
        self._level = level
        self._most = most
        self._given = self._stored = self._refused = 0
        self._squeezes = self._kept = 0

    def encode(self, data: bytes, place: Place, notes: bytes = b"") -> bytes:
        del place
        body = self._squeezed(data, len(data) - _HEAD - len(notes))
        if body is not None:
            return _long(_ZLIB, len(data), notes, body)
        return _long(_AS_IS, len(data), notes, data) if notes or data.startswith(MAGIC) else data

    def decode(self, stored: bytes, *places: Place) -> tuple[bytes, bytes]:
        del places
        if not stored.startswith(MAGIC):
            return stored, b""
        if len(stored) < _HEAD:
            self._refuse("squeezed content is cut off")
        kind, size = stored[len(MAGIC)], int.from_bytes(stored[_HEAD - _SIZE : _HEAD], "big")
        start = _HEAD + int.from_bytes(stored[len(MAGIC) + 1 : len(MAGIC) + 3], "big")
        notes, body = stored[_HEAD:start], memoryview(stored)[start:]
        data = self._opened(body, size) if kind == _ZLIB else bytes(body)
        if kind not in {_AS_IS, _ZLIB} or len(data) != size:
            self._refuse("what is stored is not what was squeezed")
        return data, notes

    def encode_text(self, text: str, place: Place) -> str:
        data = text.encode()
        del place
        body = self._squeezed(data, (len(data) - len(_TEXT)) * 3 // 4 - _HEAD)
        if body is not None:
            return _TEXT + b64encode(_long(_ZLIB, len(data), b"", body)).decode()
        if text.startswith(_TEXT):
            return _TEXT + b64encode(_long(_AS_IS, len(data), b"", data)).decode()
        return text

    def decode_text(self, stored: str, *places: Place) -> str:
        if not stored.startswith(_TEXT):
            return stored
        try:
            squeezed = b64decode(stored[len(_TEXT) :], validate=True)
            if squeezed.startswith(MAGIC):
                return self.decode(squeezed, *places)[0].decode()
        except (Error, ValueError):
            self._refuse("what is stored is not what was squeezed")
        return self._refuse("what is stored is not what was squeezed")

    def weight(self, stored: bytes | str) -> int:
        head = stored[:_HEAD] if isinstance(stored, bytes) else _head_of(stored)
        told = int.from_bytes(head[_HEAD - _SIZE :], "big") if head.startswith(MAGIC) else 0
        return max(len(stored), min(told, self._most))

    def status(self) -> SqueezeStatus:
        return SqueezeStatus(self._squeezes, self._kept, self._given, self._stored, self._refused)

    def _squeezed(self, data: bytes, room: int) -> bytes | None:
        """Return *data* compressed to at most *room* bytes, None if it is not worth it."""
        if not self._least <= len(data) <= self._most:
            body = None
        else:
            body = zlib.compress(data, self._level)
        if body is None or len(body) > room:
            self._kept += 1
            return None
        self._squeezes += 1
        self._given += len(data)
        self._stored += len(body)
        return body

    def _opened(self, body: memoryview, size: int) -> bytes:
        if size > self._most:
            self._refuse(f"it would have {size} bytes, at most {self._most} are opened")
        opener = zlib.decompressobj()
        try:
            data = opener.decompress(body, size + 1)
        except zlib.error:
            self._refuse("what is stored is not what was squeezed")
        if not opener.eof or opener.unused_data:
            self._refuse("what is stored is not what was squeezed")
        return data

    def _refuse(self, message: str) -> NoReturn:
        self._refused += 1
        raise Corrupt(message, layer=self.layer)


def _head_of(text: str) -> bytes:
    """Return the head of squeezed text, nothing if it has none."""
    if not text.startswith(_TEXT):
        return b""
    try:
        return b64decode(text[len(_TEXT) : len(_TEXT) + 4 * -(-_HEAD // 3)])[:_HEAD]
    except (Error, ValueError):
        return b""


def _long(kind: int, size: int, notes: bytes, body: bytes) -> bytes:
    lengths = len(notes).to_bytes(2, "big") + size.to_bytes(_SIZE, "big")
    return b"".join((MAGIC, bytes([kind]), lengths, notes, body))
