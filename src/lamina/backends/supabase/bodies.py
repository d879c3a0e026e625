"""Bodies of requests as JSON, made a piece at a time."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PIECE: Final = 16_384
"""Characters or items encoded in one go, during which no other thread runs."""


async def body_of(given: Mapping[str, Any]) -> bytes:
    """Return *given* as JSON, made off the loop if that takes long."""
    if _length(given) < _PIECE:
        return _encoded(given)
    return await asyncio.to_thread(_encoded, given)


def _encoded(given: Any) -> bytes:
    return "".join(_pieces(given)).encode()


def _length(given: Any) -> int:
    """Return about how much there is to encode."""
    if isinstance(given, dict):
        fields: dict[str, Any] = cast("Any", given)
        return sum(map(_length, fields.values()))
    if isinstance(given, list):
        items: list[Any] = cast("Any", given)
        nested = items and isinstance(items[0], dict)
        return sum(map(_length, items)) if nested else len(items)
    return len(given) if isinstance(given, str) else 1


def _pieces(given: Any) -> Iterator[str]:
    if _length(given) < _PIECE:
        yield json.dumps(given, ensure_ascii=False, separators=(",", ":"))
    elif isinstance(given, str):
        yield '"'
        for start in range(0, len(given), _PIECE):
            yield json.dumps(given[start : start + _PIECE], ensure_ascii=False)[1:-1]
        yield '"'
    elif isinstance(given, dict):
        mark = "{"
        fields: dict[str, Any] = cast("Any", given)
        for name, value in fields.items():
            yield f"{mark}{json.dumps(name)}:"
            yield from _pieces(value)
            mark = ","
        yield "}"
    else:
        mark = "["
        items: list[Any] = given
        if isinstance(items[0], dict):
            for item in items:
                yield mark
                yield from _pieces(item)
                mark = ","
        else:
            for start in range(0, len(items), _PIECE):
                yield mark
                yield json.dumps(items[start : start + _PIECE], ensure_ascii=False)[1:-1]
                mark = ","
        yield "]"
