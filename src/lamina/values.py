"""Immutable values that operations and answers are made of."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    Generic,
    NoReturn,
    TypeAlias,
    TypeVar,
    cast,
    final,
)

from lamina.errors import Corrupt, Invalid, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

R = TypeVar("R")
T_co = TypeVar("T_co", covariant=True)

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
    if isinstance(value, bool) or not isinstance(value, kinds) or not 0 < value < math.inf:
        kind = "a whole number of at least 1" if whole else "more than 0 and finite"
        msg = f"{what} must be {kind}, got {value!r:.40}"
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


@final
@dataclass(frozen=True, slots=True)
class Vector:
    """A dense vector of finite float32 numbers, kept as little-endian bytes.

    Raises:
        Invalid: Empty, not a multiple of 4 bytes, or a number that is not finite.
    """

    data: bytes

    def __post_init__(self) -> None:
        if not self.data or len(self.data) % 4:
            msg = f"a vector has 4 bytes for each number, got {len(self.data)} bytes"
            raise Invalid(msg)
        if not math.isfinite(math.fsum(map(abs, memoryview(self.data).cast("f")))):
            msg = "a vector's numbers must be finite"
            raise Invalid(msg)

    @classmethod
    def of(cls, numbers: Iterable[float]) -> Vector:
        """Make a vector from numbers, rounded to float32."""
        try:
            return cls(array("f", numbers).tobytes())
        except (OverflowError, TypeError) as error:
            msg = "a vector is made of numbers that fit float32"
            raise Invalid(msg) from error

    @property
    def dimension(self) -> int:
        """How many numbers."""
        return len(self.data) // 4

    def numbers(self) -> tuple[float, ...]:
        """Return the numbers as floats."""
        return tuple(memoryview(self.data).cast("f"))

    def __repr__(self) -> str:
        return f"Vector(<{self.dimension} numbers>)"


@final
@dataclass(frozen=True, slots=True)
class SparseVector:
    """Pairs of int32 index and finite float32 value, as sent; a repeated index counts twice.

    Raises:
        Invalid: The lengths differ, an index is no int32, or a value is not finite.
    """

    indices: tuple[int, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.indices) != len(self.values):
            msg = f"{len(self.indices)} indices but {len(self.values)} values"
            raise Invalid(msg)
        try:
            array("i", self.indices)
            rounded = array("f", self.values)
        except (OverflowError, TypeError) as error:
            msg = "a sparse vector pairs int32 indices with float32 values"
            raise Invalid(msg) from error
        if not all(map(math.isfinite, rounded)):
            msg = "a sparse vector's values must be finite"
            raise Invalid(msg)

    def __repr__(self) -> str:
        return f"SparseVector(<{len(self.indices)} entries>)"


@final
@dataclass(frozen=True, slots=True)
class Json:
    """A JSON document as canonical UTF-8 bytes: sorted keys, no spaces."""

    data: bytes

    @classmethod
    def of(cls, value: Any) -> Json:
        """Encode *value*.

        Raises:
            Invalid: Not JSON: another type, NaN, a key that is not text, a lone surrogate, a loop.
        """
        _check_names(value)
        try:
            text = json.dumps(
                value,
                ensure_ascii=False,
                allow_nan=False,
                sort_keys=True,
                separators=(",", ":"),
            )
            return cls(text.encode())
        except (TypeError, ValueError, RecursionError) as error:
            msg = f"not JSON: {type(error).__name__}"
            raise Invalid(msg) from error

    def value(self) -> Any:
        """Decode to frozen values: objects refuse changes, arrays are tuples.

        Raises:
            Corrupt: The bytes are no JSON.
        """
        return freeze(self.thaw())

    def thaw(self) -> Any:
        """Decode to a private copy of plain dicts and lists.

        Raises:
            Corrupt: The bytes are no JSON.
        """
        try:
            return json.loads(self.data)
        except (ValueError, RecursionError) as error:
            msg = "stored JSON cannot be read"
            raise Corrupt(msg) from error

    def __repr__(self) -> str:
        return f"Json(<{len(self.data)} bytes>)"


EMPTY: Final = Json(b"{}")


@final
class FrozenDict(dict[str, Any]):
    """A JSON object inside an answer: a dict that cannot be changed; ``thaw()`` copies it."""

    __slots__ = ()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        msg = "answers are immutable and may be shared; thaw(answer) gives a copy of your own"
        raise TypeError(msg)

    __setitem__ = __delitem__ = __ior__ = _refuse  # refuses every change
    clear = pop = popitem = setdefault = update = _refuse  # pyright: ignore[reportAssignmentType]  # refuses every change

    def __hash__(self) -> int:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # immutable, so it may be a key
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Callable[[Any], Any], tuple[dict[str, Any]]]:
        return freeze, (dict(self),)


def freeze(value: Any) -> Any:
    """Return *value* with dicts and lists inside replaced by ones that cannot be changed."""
    if isinstance(value, Mapping):
        names = cast("Mapping[str, Any]", value)
        return FrozenDict({name: freeze(item) for name, item in names.items()})
    if isinstance(value, list | tuple):
        return tuple(freeze(item) for item in cast("Sequence[Any]", value))
    return value


def thaw(value: Any) -> Any:
    """Return a copy of *value* made of plain dicts and lists, the caller's own."""
    if isinstance(value, Mapping):
        return {name: thaw(item) for name, item in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [thaw(item) for item in cast("Sequence[Any]", value)]
    return value


@final
@dataclass(frozen=True, slots=True)
class Page(Generic[T_co]):
    """A part of a listing; only ``next is None`` ends it, not a short or empty page."""

    items: tuple[T_co, ...]
    next: str | None = None


@final
@dataclass(frozen=True, slots=True)
class Stamped(Generic[T_co]):
    """An answer with when it stops being true, in Unix seconds; None for never."""

    value: T_co
    expires_at: float | None = None


@final
@dataclass(frozen=True, slots=True)
class Done(Generic[T_co]):
    """One item of a batch that succeeded."""

    value: T_co


@final
@dataclass(frozen=True, slots=True)
class Failed:
    """One item of a batch that failed."""

    error: StorageError


Outcome: TypeAlias = Done[R] | Failed


def _check_names(value: Any, depth: int = 0) -> None:
    """Refuse object keys that are not text: json would turn ``1`` into ``"1"`` silently."""
    if depth > 200:
        msg = "not JSON: nested deeper than 200"
        raise Invalid(msg)
    if isinstance(value, Mapping):
        for name, item in cast("Mapping[object, Any]", value).items():
            if not isinstance(name, str):
                msg = f"not JSON: an object's key must be str, got {type(name).__name__}"
                raise Invalid(msg)
            _check_names(item, depth + 1)
    elif isinstance(value, list | tuple):
        for item in cast("Sequence[Any]", value):
            _check_names(item, depth + 1)
