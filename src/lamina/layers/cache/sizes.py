"""How much memory an answer takes, about."""

from __future__ import annotations

from sys import getsizeof
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def weigh(value: Any) -> int:
    """Return the bytes of *value* and all inside it; shared parts count each time."""
    size = getsizeof(value, 64)
    if isinstance(value, str | bytes):
        return size
    fields: Iterable[str] = getattr(value, "__dataclass_fields__", ())
    size += sum(weigh(getattr(value, name, None)) for name in fields)
    if isinstance(value, dict):
        held = cast("Mapping[Any, Any]", value)
        return size + sum(weigh(name) + weigh(item) for name, item in held.items())
    if isinstance(value, tuple | list | frozenset):
        return size + sum(map(weigh, cast("Iterable[Any]", value)))
    return size
