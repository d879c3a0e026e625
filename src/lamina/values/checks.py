"""What every key, text and number given to an operation must be."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, TypeAlias, TypeVar

from lamina.errors import Invalid

T = TypeVar("T")
_MOST: Final = sys.float_info.max

MAX_KEY: Final = 1024
"""Longest key in UTF-8 bytes: what S3 allows, the narrowest of the services."""

KEY: Final = "lamina.key"

CONTENT: Final = "lamina.content"

POSITIVE: Final = "lamina.positive"

Key: TypeAlias = Annotated[str, KEY]
"""A field that is a key: text of 1 to 1,024 UTF-8 bytes without NUL, checked when built."""

Text: TypeAlias = Annotated[str, CONTENT]
"""A field that is content: text that no repr, log or error shows."""

Seconds: TypeAlias = Annotated[float, POSITIVE]
"""A field that is a duration: more than 0 and finite, checked when built."""

Count: TypeAlias = Annotated[int, POSITIVE]
"""A field that counts: at least 1, checked when built."""


def check_key(key: object, *, what: str = "key") -> None:
    """Refuse what some backend could not hold as a key.

    Raises:
        Invalid: Not text, empty, over 1,024 UTF-8 bytes, with NUL or a lone surrogate.
    """
    if not isinstance(key, str):
        msg = f"{what} must be str, got {type(key).__name__}"
    elif not key:
        msg = f"{what} must not be empty"
    elif "\0" in key:
        msg = f"{what} must not contain NUL"
    else:
        try:
            size = len(key.encode())
        except UnicodeEncodeError:
            msg = f"{what} must be encodable as UTF-8"
        else:
            if size <= MAX_KEY:
                return
            msg = f"{what} must have at most {MAX_KEY} bytes, got {size}"
    raise Invalid(msg)


def check_positive(value: object, *, what: str, whole: bool = False) -> None:
    """Refuse what is not a finite number above 0; *whole*: not an int.

    Raises:
        Invalid: Another type, zero, negative, infinite or not a number.
    """
    kinds = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not 0 < value <= _MOST:
        kind = "a whole number of at least 1" if whole else "more than 0 and finite"
        is_shown = isinstance(value, int | float) and not _MOST < abs(value) < math.inf
        told = f"{value!r:.40}" if is_shown else f"another {type(value).__name__}"
        msg = f"{what} must be {kind}, got {told}"
        raise Invalid(msg)


def check_text(value: object, *, what: str) -> None:
    """Refuse what is not text that UTF-8 can carry without NUL.

    Raises:
        Invalid: Another type, NUL or a lone surrogate.
    """
    if not isinstance(value, str):
        msg = f"{what} must be str, got {type(value).__name__}"
        raise Invalid(msg)
    if "\0" in value:
        msg = f"{what} must not contain NUL"
        raise Invalid(msg)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            msg = f"{what} must be encodable as UTF-8"
            raise Invalid(msg) from error


def check_type(value: object, wanted: type, *, what: str) -> None:
    """Refuse a value of another type, a bool for an int too.

    Raises:
        Invalid: Another type.
    """
    if type(value) is not wanted:
        msg = f"{what} must be {wanted.__name__}, got {type(value).__name__}"
        raise Invalid(msg)


def check_choice(value: object, choices: tuple[Any, ...], *, what: str) -> None:
    """Refuse what is none of *choices*.

    Raises:
        Invalid: Something else.
    """
    if value not in choices:
        msg = f"{what} must be one of {', '.join(map(repr, choices))}"
        raise Invalid(msg)


def check_mapping(value: object, *, what: str) -> None:
    """Refuse what is no mapping.

    Raises:
        Invalid: Another type.
    """
    if not isinstance(value, Mapping):
        msg = f"{what} must be a mapping, got {type(value).__name__}"
        raise Invalid(msg)


def each_of(values: Iterable[T], *, what: str) -> tuple[T, ...]:
    """Return *values* as a tuple; refuse a text, whose letters they would be, and an object.

    Raises:
        Invalid: One of these, or nothing that can be gone through.
    """
    _check_several(values, what)
    return tuple(values)


def _check_several(values: object, what: str) -> None:
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        msg = f"{what} must be several items in a sequence"
        raise Invalid(msg)
