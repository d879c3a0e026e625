"""What the operations on files ask of an object, checked alike by all backends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lamina.errors import Conflict, Corrupt, Invalid
from lamina.values import FrozenDict, Json

if TYPE_CHECKING:
    from lamina.domains.media.operations import Finish, Put, ReadRange


def check_range(op: ReadRange, etag: str) -> None:
    """Refuse a range that no backend may serve of the version with that *etag*.

    Raises:
        Invalid: It starts before the beginning.
        Conflict: Another version is asked for.
    """
    if op.start < 0:
        msg = f"start must be at least 0, got {op.start!r}"
        raise Invalid(msg)
    if op.etag is not None and op.etag != etag:
        msg = "the object was changed since it was opened"
        raise Conflict(msg)


def has_condition(op: Put | Finish) -> bool:
    """Tell whether it is to be carried out only where a condition holds.

    Raises:
        Invalid: It has two conditions.
    """
    if op.if_absent and op.if_etag is not None:
        msg = "if_absent and if_etag cannot both hold"
        raise Invalid(msg)
    return op.if_absent or op.if_etag is not None


def check_condition(op: Put | Finish, etag: str | None) -> None:
    """Refuse a write whose condition does not hold where *etag* is stored, None for nothing.

    Raises:
        Invalid: It has two conditions.
        Conflict: There is an object that must not be, or not the one that must.
    """
    has_condition(op)
    if op.if_absent and etag is not None:
        msg = "there is an object already"
        raise Conflict(msg)
    if op.if_etag not in {None, etag}:
        msg = "the object is not the version that was to be replaced"
        raise Conflict(msg)


def metadata_of(data: Json) -> Mapping[str, Any]:
    """Return the metadata that an operation carries, frozen.

    Raises:
        Invalid: It is no JSON object.
    """
    try:
        found = data.value()
    except Corrupt as error:
        msg = "metadata must be JSON"
        raise Invalid(msg) from error
    if not isinstance(found, FrozenDict):
        msg = "metadata must be a JSON object"
        raise Invalid(msg)
    return found
