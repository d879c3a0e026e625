"""JSON that somebody sent, by its shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable


def object_of(told: object) -> dict[str, Any]:
    """Return an object, an empty one for anything else."""
    return cast("dict[str, Any]", told) if isinstance(told, dict) else {}


def list_of(told: object) -> list[Any]:
    """Return a list, an empty one for anything else."""
    if not isinstance(told, list):
        return []
    return list(cast("Iterable[Any]", told))
