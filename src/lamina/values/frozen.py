"""JSON: canonical bytes going in, frozen values coming out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast, final

from lamina.errors import Corrupt, Invalid
from lamina.values.checks import check_type

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_DEEPEST: Final = 200


@final
@dataclass(frozen=True, slots=True)
class Json:
    """A JSON document as canonical UTF-8 bytes: sorted keys, no spaces."""

    data: bytes

    def __post_init__(self) -> None:
        check_type(self.data, bytes, what="the data of Json")

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
            Corrupt: The bytes are no JSON, or nested deeper than 200.
        """
        thawed = self.thaw()
        try:
            return freeze(thawed)
        except RecursionError as error:
            msg = "stored JSON is nested too deep"
            raise Corrupt(msg) from error

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


def freeze(value: Any, depth: int = 0) -> Any:
    """Return *value* with dicts and lists inside replaced by ones that cannot be changed.

    Raises:
        RecursionError: It is nested deeper than ``Json.of`` takes.
    """
    if depth > _DEEPEST:
        raise RecursionError
    if isinstance(value, Mapping):
        names = cast("Mapping[str, Any]", value)
        return FrozenDict({name: freeze(item, depth + 1) for name, item in names.items()})
    if isinstance(value, list | tuple):
        return tuple(freeze(item, depth + 1) for item in cast("Sequence[Any]", value))
    return value


def thaw(value: Any) -> Any:
    """Return a copy of *value* made of plain dicts and lists, the caller's own."""
    if isinstance(value, Mapping):
        return {name: thaw(item) for name, item in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [thaw(item) for item in cast("Sequence[Any]", value)]
    return value


def _check_names(value: Any, depth: int = 0) -> None:
    """Refuse object keys that are not text: json would turn ``1`` into ``"1"`` silently."""
    if depth > _DEEPEST:
        msg = f"not JSON: nested deeper than {_DEEPEST}"
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
