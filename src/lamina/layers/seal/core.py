"""Sealed messages: what each byte of them is, and what is refused."""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, AnyStr, Final, NoReturn, TypeAlias, final

from lamina.errors import Corrupt
from lamina.layers.seal.cipher import TAG
from lamina.layers.seal.keys import ID

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lamina.layers.seal.cipher import Cipher
    from lamina.layers.seal.keys import Key

Place: TypeAlias = tuple[str, ...]

MAGIC: Final = b"\xa7Seal\x01"  # its last byte is the version
SALT: Final = 24
_HEAD: Final = len(MAGIC) + ID
_LEAST: Final = _HEAD + SALT + TAG + 2
_TEXT: Final = "lamina:sealed:1:"


@final
@dataclass(frozen=True, slots=True)
class SealStatus:
    """What was sealed and opened so far.

    Attributes:
        sealing: The id of the key that seals.
        sealed: How many messages were sealed.
        opened: How many were opened, by the id of their key; one that is not told there, or no
            longer counts, may be dropped once everything was read.
        plain: How many were read that are not sealed.
        refused: How many were ``Corrupt``.
    """

    sealing: str
    sealed: int
    opened: Mapping[str, int]
    plain: int
    refused: int


@final
class Sealer:
    """Seals with the first key and opens with each; given chance, it does no IO.

    A message is magic, version, key id, salt, and what AES-256-GCM makes of length of notes,
    notes and data. Its key is derived from the salt, 24 random bytes, so that 2**80 messages may
    be sealed with one key. The tag covers the head and the place, so that a message is opened
    nowhere else. Text is the same as base64.
    """

    layer = "seal"

    def __init__(
        self,
        keys: tuple[Key, ...],
        cipher: Cipher,
        chance: Callable[[int], bytes],
        *,
        allow_plain: bool,
    ) -> None:
        self.first = keys[0]
        self.allow_plain = allow_plain
        self._keys = {key.id: key for key in keys}
        self._cipher = cipher
        self._chance = chance
        self._sealed = self._plain = self._refused = 0
        self._opened: Counter[bytes] = Counter()

    def encode(self, data: bytes, place: Place, notes: bytes = b"") -> bytes:
        head = MAGIC + self.first.id
        body = b"".join((len(notes).to_bytes(2, "big"), notes, data))
        return self.lock(self.first, body, head + about(place), head)

    def decode(self, stored: bytes, *places: Place) -> tuple[bytes, bytes]:
        if not stored.startswith(MAGIC):
            return self.plain(stored), b""
        body = self._body(stored, places)
        start = 2 + int.from_bytes(body[:2], "big")
        return body[start:], body[2:start]

    def encode_text(self, text: str, place: Place) -> str:
        return _TEXT + b64encode(self.encode(text.encode(), place)).decode()

    def decode_text(self, stored: str, *places: Place) -> str:
        if not stored.startswith(_TEXT):
            return self.plain(stored)
        try:
            sealed = b64decode(stored[len(_TEXT) :], validate=True)
        except (Error, ValueError):
            self.refuse("what is stored is not what was sealed")
        if not sealed.startswith(MAGIC):
            self.refuse("what is stored is not what was sealed")
        return self.decode(sealed, *places)[0].decode()

    def weight(self, stored: bytes | str) -> int:
        return len(stored)

    def lock(self, key: Key, data: bytes, said: bytes, head: bytes = b"") -> bytes:
        """Return *head*, salt and ciphertext of *data*, bound to what is *said* of it."""
        salt = self._chance(SALT)
        self._sealed += 1
        return b"".join((head, salt, self._cipher.encrypt(key.of_message(salt), data, said)))

    def unlock(self, key: Key, sealed: memoryview, said: bytes) -> bytes | None:
        """Return the data that was locked, None if it is not that, or not so said."""
        key_of_message = key.of_message(bytes(sealed[:SALT]))
        return self._cipher.decrypt(key_of_message, sealed[SALT:], said)

    def key(self, name: bytes) -> Key:
        """Return the key with that id.

        Raises:
            Corrupt: There is none.
        """
        found = self._keys.get(name)
        if found is None:
            self.refuse(f"it was sealed with the key {name.hex()}, which is not given")
        return found

    def counted(self, key: Key) -> None:
        """Note that something was opened with *key*."""
        self._opened[key.id] += 1

    def plain(self, stored: AnyStr) -> AnyStr:
        """Return what is not sealed, if that is allowed.

        Raises:
            Corrupt: It is not.
        """
        if not self.allow_plain:
            self.refuse("what is stored is not sealed")
        self._plain += 1
        return stored

    def refuse(self, message: str) -> NoReturn:
        """Refuse what cannot be opened.

        Raises:
            Corrupt: Always.
        """
        self._refused += 1
        raise Corrupt(message, layer=self.layer)

    def status(self) -> SealStatus:
        opened = {key.hex(): count for key, count in self._opened.items()}
        sealing = self.first.id.hex()
        return SealStatus(sealing, self._sealed, opened, self._plain, self._refused)

    def _body(self, stored: bytes, places: tuple[Place, ...]) -> bytes:
        if len(stored) < _LEAST:
            self.refuse("what is stored is cut off")
        head = stored[:_HEAD]
        key = self.key(head[len(MAGIC) :])
        for place in places:
            body = self.unlock(key, memoryview(stored)[_HEAD:], head + about(place))
            if body is not None:
                self.counted(key)
                return body
        return self.refuse("what is stored is not what was sealed here")


def about(place: Place) -> bytes:
    """Return *place* as bytes, different for each: no part of it has a NUL."""
    return "\0".join(place).encode()
