"""Bytes of a value and back, exactly, by the value's type; nothing else is ever made of them."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any, Final, TypeAlias, final

from lamina.values.frozen import FrozenDict, freeze

LENGTH: Final = struct.Struct(">I")
_FLOAT: Final = struct.Struct(">d")

Out: TypeAlias = "list[bytes]"


class Unstorable(Exception):  # no failure: it is only not kept
    """A value, or a type, that has no bytes of its own here."""


@final
class Source:
    """The bytes of a value while it is read."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    def take(self, count: int) -> bytes:
        """Return the next bytes.

        Raises:
            ValueError: There are not as many.
        """
        end = self.at + count
        if end > len(self.data):
            msg = "the bytes end too soon"
            raise ValueError(msg)
        taken, self.at = self.data[self.at : end], end
        return taken

    def length(self) -> int:
        """Return the next length or number of items."""
        return int(LENGTH.unpack(self.take(4))[0])


@final
class Coder:
    """How values of one type are written and read.

    *shape* tells the type apart from every other whose bytes differ; *fits* looks at a value only
    as far as a union must.
    """

    __slots__ = ("fits", "read", "shape", "write")

    def __init__(
        self,
        shape: str,
        fits: Callable[[Any], bool],
        write: Callable[[Any, Out], None],
        read: Callable[[Source], Any],
    ) -> None:
        self.shape = shape
        self.fits = fits
        self.write = write
        self.read = read


def of_type(kind: Any) -> Callable[[Any], bool]:
    """Return what tells whether a value is of that very class."""

    def fits(value: Any) -> bool:
        return type(value) is kind

    return fits


def sized(data: bytes, out: Out) -> None:
    """Write bytes and how many they are."""
    out.append(LENGTH.pack(len(data)))
    out.append(data)


def _write_none(value: Any, out: Out) -> None:
    del out
    if value is not None:
        raise Unstorable


def _write_bool(value: Any, out: Out) -> None:
    if type(value) is not bool:
        raise Unstorable
    out.append(b"1" if value else b"0")


def _write_int(value: Any, out: Out) -> None:
    if type(value) is not int:
        raise Unstorable
    sized(value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True), out)


def _write_float(value: Any, out: Out) -> None:
    """Write a float, or the int that stands where one may."""
    if isinstance(value, float):
        out.append(b"f" + _FLOAT.pack(value))
        return
    out.append(b"i")
    _write_int(value, out)


def _read_float(source: Source) -> float:
    if source.take(1) == b"i":
        return _read_int(source)
    return float(_FLOAT.unpack(source.take(8))[0])


def _read_int(source: Source) -> int:
    return int.from_bytes(source.take(source.length()), "big", signed=True)


def _write_str(value: Any, out: Out) -> None:
    if type(value) is not str:
        raise Unstorable
    sized(value.encode("utf-8", "surrogatepass"), out)


def _read_str(source: Source) -> str:
    return source.take(source.length()).decode("utf-8", "surrogatepass")


def _write_bytes(value: Any, out: Out) -> None:
    if type(value) is not bytes:
        raise Unstorable
    sized(value, out)


def _write_json(value: Any, out: Out) -> None:
    """Write a frozen JSON object, unless JSON would make another of it."""
    if type(value) is not FrozenDict:
        raise Unstorable
    try:
        text = json.dumps(value, separators=(",", ":"))
        same = freeze(json.loads(text)) == value
    except (TypeError, ValueError, RecursionError) as error:
        raise Unstorable from error
    if not same:
        raise Unstorable
    sized(text.encode("ascii"), out)


NONE: Final = Coder("None", lambda value: value is None, _write_none, lambda _: None)
JSON: Final = Coder(
    "json",
    lambda value: isinstance(value, dict),
    _write_json,
    lambda source: freeze(json.loads(source.take(source.length()))),
)
PLAIN: Final[dict[Any, Coder]] = {
    type(None): NONE,
    None: NONE,
    bool: Coder(
        "bool",
        of_type(bool),
        _write_bool,
        lambda source: source.take(1) == b"1",
    ),
    int: Coder("int", of_type(int), _write_int, _read_int),
    float: Coder(
        "float",
        lambda value: isinstance(value, float) or type(value) is int,
        _write_float,
        _read_float,
    ),
    str: Coder("str", of_type(str), _write_str, _read_str),
    bytes: Coder(
        "bytes",
        of_type(bytes),
        _write_bytes,
        lambda source: source.take(source.length()),
    ),
}
