"""The SHA-256 of what is written, and checked when it is read."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lamina.backends.s3.labels import Stored

_SMALL: Final = 64 * 1024
"""Bytes that are hashed faster than a thread is woken."""


async def digest_of(data: bytes) -> str:
    """Return it in hexadecimal."""
    if len(data) <= _SMALL:
        return sha256(data).hexdigest()
    return (await asyncio.to_thread(sha256, data)).hexdigest()


async def check_whole(found: Stored, data: bytes) -> None:
    """Refuse a whole object whose bytes are not those that were written.

    Raises:
        Corrupt: They are others.
    """
    from lamina.backends.s3.failures import FAILURES

    label = found.label
    if label is None or not label.digest or len(data) != found.size:
        return
    if await digest_of(data) != label.digest:
        raise FAILURES["bad checksum"].error()
