"""What the stored bytes of lists and counters mean, the same on every backend."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from lamina.errors import Corrupt, Invalid
from lamina.values import Json

if TYPE_CHECKING:
    from collections.abc import Sequence

_INTEGER: Final = re.compile(rb"-?[0-9]{1,19}")
_LARGEST: Final = 2**63 - 1


def appended(stored: bytes | None, new: Sequence[Json], keep_last: int | None) -> tuple[bytes, int]:
    """Return the list under a key with the *new* items at its end, and its length.

    Raises:
        Invalid: What is stored is not a JSON list.
    """
    try:
        found: Any = [] if stored is None else Json(stored).thaw()
    except Corrupt as error:
        msg = "what is stored is not a JSON list"
        raise Invalid(msg) from error
    if not isinstance(found, list):
        msg = "what is stored is not a JSON list"
        raise Invalid(msg)
    items: Sequence[Any] = [*cast("Sequence[Any]", found), *(item.thaw() for item in new)]
    items = items if keep_last is None else items[-keep_last:]
    return Json.of(items).data, len(items)


def counted(stored: bytes | None, by: int) -> int:
    """Return the counter under a key plus *by*.

    Raises:
        Invalid: What is stored is not a decimal integer, or the sum does not fit 64 bits.
    """
    if stored is not None and not _INTEGER.fullmatch(stored):
        msg = "what is stored is not a decimal integer"
        raise Invalid(msg)
    value = by + (0 if stored is None else int(stored))
    if not -_LARGEST <= value <= _LARGEST:
        msg = "the counter would not fit 64 bits"
        raise Invalid(msg)
    return value
