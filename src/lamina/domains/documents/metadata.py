"""What the metadata of a document may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.errors import Corrupt, Invalid
from lamina.values import FrozenDict

if TYPE_CHECKING:
    from lamina.values import Json


def metadata_of(given: Json) -> FrozenDict:
    """Return metadata, decoded and frozen.

    Raises:
        Invalid: It is not a JSON object.
    """
    try:
        value: Any = given.value()
    except Corrupt as error:
        msg = "metadata is not JSON"
        raise Invalid(msg) from error
    if not isinstance(value, FrozenDict):
        msg = "metadata must be a JSON object"
        raise Invalid(msg)
    return value
