"""How keys are called in the server.

A key without a scope goes to the wire byte for byte. A scoped one is ``lamina NUL scope NUL key``.
Neither keys nor scopes hold NUL, so the mapping is one to one, and no unscoped key can be equal to
a scoped one. What is kept beside a list is told apart by its beginning and has a hash tag that
puts it into the list's own slot of a cluster.
"""

from __future__ import annotations

import binascii
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from lamina.values import MAX_KEY

if TYPE_CHECKING:
    from collections.abc import Sequence

SLOTS: Final = 16384
_SPECIAL: Final = frozenset(b"\\*?[]^-")


def wire(scope: str, key: str) -> bytes:
    """Return a key's name in the server."""
    return b"lamina\0%b\0%b" % (scope.encode(), key.encode()) if scope else key.encode()


def wires(scope: str, keys: Sequence[str]) -> list[bytes]:
    """Return the names of several keys."""
    return [wire(scope, key) for key in keys] if scope else [*map(str.encode, keys)]


def pattern(scope: str, prefix: str) -> bytes:
    """Return the glob that the names of keys beginning with *prefix* match."""
    literal = wire(scope, prefix)
    return b"".join(b"\\%c" % byte if byte in _SPECIAL else b"%c" % byte for byte in literal) + b"*"


def key_of(scope: str, name: bytes) -> str | None:
    """Return the key that is called *name* in the server, None if no key of the scope can be.

    A server that others use too may hold names that are no UTF-8 or too long.
    """
    start = len(wire(scope, "")) if scope else 0
    own = name[start:]
    if not own or len(own) > MAX_KEY or b"\0" in own:
        return None
    try:
        return own.decode()
    except UnicodeDecodeError:
        return None


def proof_of(name: bytes) -> bytes:
    """Return where the proof is kept that a list is as we wrote it."""
    return b"lamina.proof\0{%b}\0%b" % (_tag(name), name)


def once_of(name: bytes, idempotency: str) -> bytes:
    """Return where the answer to an append with that idempotency key is kept."""
    return b"lamina.once\0{%b}\0%b\0%b" % (_tag(name), idempotency.encode(), name)


def slot_of(name: bytes) -> int:
    """Return the slot of a cluster that holds *name*: CRC16 of its hash tag, or of all of it."""
    return binascii.crc_hqx(_hashed(name), 0) % SLOTS


def _hashed(name: bytes) -> bytes:
    start = name.find(b"{")
    end = name.find(b"}", start + 1) if start >= 0 else -1
    return name[start + 1 : end] if end > start + 1 else name


def _tag(name: bytes) -> bytes:
    """Return a hash tag that has the slot of *name*."""
    hashed = _hashed(name)
    return _number_in(slot_of(name)) if b"}" in hashed else hashed


@lru_cache(maxsize=1024)
def _number_in(slot: int) -> bytes:
    """Find a number with that slot; some 16,000 are tried, which takes a few milliseconds."""
    number = 0
    while binascii.crc_hqx(b"%d" % number, 0) % SLOTS != slot:
        number += 1
    return b"%d" % number
