"""Turn the JSON of a request into checked values; null is as good as absent."""

from __future__ import annotations

import json
import math
from array import array
from typing import TYPE_CHECKING, Any, NoReturn, cast, final

from lamina.errors import Invalid
from lamina.testing.servers.upstash.record import Include
from lamina.testing.servers.upstash.refusals import Refused, wrong_input
from lamina.testing.servers.upstash.shapes import is_list, is_object
from lamina.values import SparseVector, Vector

if TYPE_CHECKING:
    from collections.abc import Sequence


def parsed(body: bytes) -> object:
    """Return what *body* says, None if it is empty.

    Raises:
        Refused: It is not JSON, or holds NaN or an infinite number.
    """
    if not body.strip():
        return None
    try:
        return cast("object", json.loads(body, parse_constant=_refused))
    except json.JSONDecodeError as error:
        raise wrong_input(error.lineno, error.colno) from error
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise wrong_input() from error


def _refused(_name: str) -> NoReturn:
    raise wrong_input()


@final
class Fields:
    """The fields of one JSON object.

    Every method raises `Refused` for a value of another shape.
    """

    def __init__(self, value: object) -> None:
        if not is_object(value):
            raise wrong_input()
        self._values = value

    def text(self, name: str) -> str | None:
        """Return a string."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, str):
            raise wrong_input()
        return value

    def needed(self, name: str) -> str:
        """Return a string that must be there."""
        value = self.text(name)
        if value is None:
            raise wrong_input()
        return value

    def word(self, name: str, words: Sequence[str]) -> str | None:
        """Return one of *words*."""
        value = self.text(name)
        if value is not None and value not in words:
            raise wrong_input()
        return value

    def flag(self, name: str) -> bool:
        """Return a boolean, false if it is absent."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, bool):
            raise wrong_input()
        return bool(value)

    def count(self, name: str, default: int) -> int:
        """Return a whole number."""
        value = self._values.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong_input()
        return value

    def number(self, name: str, default: float) -> float:
        """Return a number."""
        value = self._values.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong_input()
        return _finite(value)

    def id(self) -> str:
        """Return the id of a record, a number as its text."""
        return identifier(self._values.get("id"))

    def ids(self) -> list[str] | None:
        """Return a list of ids; one id counts as such a list."""
        value = self._values.get("ids")
        if value is None:
            return None
        return [identifier(each) for each in (value if is_list(value) else [value])]

    def cursor(self) -> str:
        """Return the cursor of a page, a number as its text."""
        value = self._values.get("cursor")
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise wrong_input()
        return str(value)

    def metadata(self) -> dict[str, Any] | None:
        """Return an object with anything in it; an empty array is an empty object, as PHP sends."""
        value = self._values.get("metadata")
        if value == []:
            return {}
        if value is not None and not is_object(value):
            raise wrong_input()
        return value

    def vector(self) -> Vector | None:
        """Return the dense vector; an empty one is none."""
        value = self._values.get("vector")
        return None if value is None or value == [] else Vector(_floats(value).tobytes())

    def sparse(self) -> SparseVector | None:
        """Return the sparse vector."""
        value = self._values.get("sparseVector")
        if value is None:
            return None
        if not is_object(value):
            raise wrong_input()
        indices, floats = _ints(value.get("indices")), _floats(value.get("values"))
        if len(indices) != len(floats):
            raise Refused(422, "Sparse vector indices and values must have the same length")
        try:
            return SparseVector(tuple(indices), tuple(floats))
        except Invalid as error:
            raise wrong_input() from error

    def include(self) -> Include:
        """Return which optional fields the answer shall show."""
        return Include(
            self.flag("includeVectors"), self.flag("includeMetadata"), self.flag("includeData")
        )


def identifier(value: object) -> str:
    """Return an id, a number as its text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise wrong_input()
    if value == "":
        raise Refused(422, "Vector id must not be empty")
    if isinstance(value, float):
        _finite(value)
    return str(value)


def identified(value: object) -> Fields:
    """Return the fields of an object; an id or a list of ids may stand in its place."""
    alone = is_list(value) or isinstance(value, str | int | float)
    return Fields({"ids": value} if alone else value)


def objects(value: object) -> list[Fields]:
    """Return the objects of a list; one object counts as such a list."""
    return [Fields(each) for each in (value if is_list(value) else [value])]


def _finite(value: float) -> float:
    """Return a number that is no more than a float can say; 1e400 is."""
    try:
        number = float(value)
    except OverflowError as error:
        raise wrong_input() from error
    if not math.isfinite(number):
        raise wrong_input()
    return number


def _ints(value: object) -> list[int]:
    if not is_list(value) or not {int}.issuperset(map(type, value)):
        raise wrong_input()
    return value


def _floats(value: object) -> array[float]:
    if not is_list(value) or not {int, float}.issuperset(map(type, value)):
        raise wrong_input()
    try:
        row = array("f", value)
    except (TypeError, OverflowError) as error:
        raise wrong_input() from error
    if not math.isfinite(math.fsum(map(abs, row))):
        raise wrong_input()
    return row
