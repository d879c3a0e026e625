"""Keys: 32 random bytes each, told by an id that gives nothing of them away."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from secrets import token_bytes
from typing import TYPE_CHECKING, Final, NoReturn, cast, final

from lamina.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZE: Final = 32
ID: Final = 8

_HOW: Final = "each key must be 32 random bytes as URL-safe base64, as Seal.new_key() makes them"


@final
class Key:
    """One key, in no repr and no pickle; from it each message gets a key of its own."""

    __slots__ = ("_secret", "id")

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.id = hmac.digest(secret, b"lamina.seal.1 id", "sha256")[:ID]

    def of_message(self, salt: bytes) -> bytes:
        """Return the key of the message with that *salt*, which is drawn for it alone."""
        return hmac.digest(self._secret, b"lamina.seal.1 message" + salt, "sha256")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and hmac.compare_digest(self._secret, other._secret)

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<key {self.id.hex()}>"

    def __reduce__(self) -> NoReturn:
        msg = "keys are not pickled: give each process its own"
        raise TypeError(msg)

    def __deepcopy__(self, memo: object) -> Key:
        return self


def new_key() -> str:
    """Return a new random key."""
    return urlsafe_b64encode(token_bytes(SIZE)).decode()


def keys_of(given: object) -> tuple[Key, ...]:
    """Return the keys that are *given*, one or several.

    Raises:
        StackError: There is none, one is not 32 random bytes, or one is there twice.
    """
    several = list(cast("Sequence[object]", given)) if isinstance(given, list | tuple) else [given]
    if not several:
        msg = f"Seal: keys must not be empty; {_HOW}"
        raise StackError(msg)
    keys = tuple(_key(one, place) for place, one in enumerate(several, 1))
    if len({key.id for key in keys}) < len(keys):
        msg = "Seal: keys must differ"
        raise StackError(msg)
    return keys


def _key(given: object, place: int) -> Key:
    """Return one key; text, or the same few bytes again, would come by chance once in 2**45."""
    if isinstance(given, Key):
        return given
    secret = _decoded(given)
    if secret is None:
        msg = f"Seal: keys: number {place} is not one; {_HOW}"
        raise StackError(msg)
    if len(set(secret)) < SIZE // 2 or all(32 <= byte < 127 for byte in secret):
        msg = f"Seal: keys: number {place} is not random; {_HOW}"
        raise StackError(msg)
    return Key(secret)


def _decoded(given: object) -> bytes | None:
    if not isinstance(given, str | bytes):
        return None
    try:
        data = given.encode() if isinstance(given, str) else given
        secret = urlsafe_b64decode(data + b"=" * (-len(data) % 4))
    except (Error, ValueError):
        return None
    exact = urlsafe_b64encode(secret) in {data, data + b"="}  # nothing was skipped
    return secret if len(secret) == SIZE and exact else None
