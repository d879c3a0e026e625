"""Objects in frames of 64 KiB, each sealed by itself, so that any range can be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from lamina.layers.seal.cipher import TAG
from lamina.layers.seal.core import SALT, about
from lamina.layers.seal.keys import ID

if TYPE_CHECKING:
    from lamina.layers.seal.core import Place, Sealer
    from lamina.layers.seal.keys import Key

FRAME: Final = 64 * 1024
OVERHEAD: Final = SALT + TAG
SEALED: Final = FRAME + OVERHEAD
_OBJECT: Final = 16
_VERSION: Final = "1"


@final
@dataclass(frozen=True, slots=True)
class Marker:
    """Which object it is, and the key that its frames are sealed with."""

    key: Key
    object: bytes

    def __str__(self) -> str:
        return f"{_VERSION}.{self.key.id.hex()}.{self.object.hex()}"


@final
class Frames:
    """Full frames, and at the end of each object, and only there, one that is not, perhaps empty.

    So a frame that is cut off, moved, taken from another object or another version of the same,
    and an end that is missing, are all noticed.
    """

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def marker(self, drawn: bytes) -> Marker:
        """Return the marker of a new object, of which *drawn* are 16 random bytes."""
        return Marker(self._sealer.first, drawn)

    def parsed(self, text: object) -> Marker:
        """Return the marker that is written so.

        Raises:
            Corrupt: It is none, or its key is not given.
        """
        parts = text.split(".") if isinstance(text, str) else []
        try:
            version, key, drawn = parts[0], bytes.fromhex(parts[1]), bytes.fromhex(parts[2])
        except (IndexError, ValueError):
            self._sealer.refuse("the mark of a sealed object cannot be read")
        if version != _VERSION or len(parts) != 3 or (len(key), len(drawn)) != (ID, _OBJECT):
            self._sealer.refuse("the mark of a sealed object cannot be read")
        return Marker(self._sealer.key(key), drawn)

    def seal(self, marker: Marker, place: Place, data: bytes, first: int) -> bytes:
        """Return the full frames of *data*, from number *first*."""
        return b"".join(
            self._sealed(marker, place, data[at : at + FRAME], first + at // FRAME)
            for at in range(0, len(data) - len(data) % FRAME, FRAME)
        )

    def seal_end(self, marker: Marker, place: Place, data: bytes, first: int) -> bytes:
        """Return all frames of *data*, with which the object ends."""
        full = len(data) // FRAME
        last = self._sealed(marker, place, data[full * FRAME :], first + full)
        return self.seal(marker, place, data, first) + last

    def open(self, marker: Marker, place: Place, sealed: bytes, first: int) -> bytes:
        """Return the data of frames from number *first*.

        Raises:
            Corrupt: One of them is not what was sealed there.
        """
        opened: list[bytes] = []
        view = memoryview(sealed)
        for at in range(0, len(sealed), SEALED):
            number = first + at // SEALED
            said = _said(marker, place, number)
            data = self._sealer.unlock(marker.key, view[at : at + SEALED], said)
            if data is None:
                msg = f"frame {number} is not what was sealed there"
                self._sealer.refuse(msg)
            opened.append(data)
        self._sealer.counted(marker.key)
        return b"".join(opened)

    def size(self, stored: int) -> int:
        """Return the size of the object whose frames take so many bytes.

        Raises:
            Corrupt: No object's frames do.
        """
        full, rest = divmod(stored, SEALED)
        if stored < OVERHEAD or rest < OVERHEAD:
            self._sealer.refuse("a sealed object is cut off")
        return full * FRAME + rest - OVERHEAD

    def _sealed(self, marker: Marker, place: Place, data: bytes, number: int) -> bytes:
        return self._sealer.lock(marker.key, data, _said(marker, place, number))


def _said(marker: Marker, place: Place, number: int) -> bytes:
    return b"".join((b"frame", number.to_bytes(8, "big"), marker.object, about(place)))
