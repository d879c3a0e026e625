"""What the fields of operations may hold, and the checks and keys compiled from their types."""

from __future__ import annotations

import types
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, cast, get_args, get_origin

from lamina.filters import Filter
from lamina.values import (
    CONTENT,
    KEY,
    POSITIVE,
    Json,
    SparseVector,
    Vector,
    check_bytes,
    check_key,
    check_positive,
    check_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SCALARS: Final = (str, bytes, int, float, bool, type(None), Vector, SparseVector, Json, Filter)
_CONTENT: Final = (bytes, Json, Vector, SparseVector)
_UNKEYED: Final = frozenset({"scope", "fresh"})
_SIMPLE: Final = (str, bytes)


def allowed(hint: Any) -> bool:
    """Tell whether an operation may have a field of this type."""
    origin = get_origin(hint)
    if origin is Annotated:
        return allowed(get_args(hint)[0])
    if origin in (Union, types.UnionType):
        return all(allowed(part) for part in get_args(hint))
    if origin is tuple:
        return all(part is Ellipsis or allowed(part) for part in get_args(hint))
    if origin is Literal:
        return True
    if hint is None:
        return True
    return isinstance(hint, type) and (issubclass(hint, (*_SCALARS, Enum)) or _is_operation(hint))


def marked(hint: Any, mark: str) -> bool:
    """Tell whether the type, or one inside it, carries *mark*."""
    if get_origin(hint) is Annotated:
        return mark in get_args(hint)[1:]
    return any(marked(part, mark) for part in get_args(hint))


def is_content(hint: Any) -> bool:
    """Tell whether a field of this type is left out of every repr."""
    if marked(hint, CONTENT):
        return True
    parts = get_args(hint)
    if parts:
        return any(is_content(part) for part in parts)
    return isinstance(hint, type) and (issubclass(hint, _CONTENT) or _is_operation(hint))


def checker(fields: dict[str, Any]) -> Callable[[Any], None]:
    """Compile the checks of marked fields; inline for what nearly every call passes."""
    lines = ["def __post_init__(self):"]
    for name, hint in fields.items():
        lines += _checks(name, hint)
    lines += ["    if self.scope:", "        check_key(self.scope, what='scope')"]
    return _compiled("__post_init__", lines)


def _checks(name: str, hint: Any) -> list[str]:
    value, indent = f"self.{name}", "    "
    if get_origin(hint) is tuple:
        parts = get_args(hint)
        if len(parts) == 2 and parts[1] is Ellipsis:  # tuple[T, ...]
            inner = _checks("item", parts[0])
            if not inner:
                return []
            loop = [f"    for item in {value}:"]
            return loop + [f"    {line.replace('self.item', 'item')}" for line in inner]
        unpacked = f"    {', '.join(f'item{at}' for at in range(len(parts)))}, = {value}"
        inner = [line for at, part in enumerate(parts) for line in _checks(f"item{at}", part)]
        if not inner:
            return []
        return [unpacked, *(line.replace("self.item", "item") for line in inner)]
    lines: list[str] = []
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if type(None) in options:
        lines.append(f"    if {value} is not None:")
        indent = "        "
    check = _check_of(options, value, name.removeprefix("item") or "item")
    return [*lines, *(indent + line for line in check)] if check else []


def _check_of(options: tuple[Any, ...], value: str, name: str) -> list[str]:
    for hint in options:
        if marked(hint, KEY):
            plain = f"type({value}) is str and {value}.isascii() and 0 < len({value}) < 1025"
            return [
                f"if not ({plain} and '\\0' not in {value}):",
                f"    check_key({value}, what={name!r})",
            ]
        if marked(hint, POSITIVE):
            return [f"check_positive({value}, what={name!r})"]
        if set(options) <= {hint, type(None)} and (hint is str or marked(hint, CONTENT)):
            return [f"check_text({value}, what={name!r})"]
        if hint is bytes:
            return [f"if type({value}) is not bytes:", f"    check_bytes({value}, what={name!r})"]
    return []


def keyer(fields: dict[str, Any]) -> Callable[[Any], Any]:
    """Compile ``identity()``: the bare text for one text argument, else a tuple with the scope."""
    parts = [
        f"self.{name}" if _plain(hint) in _SIMPLE else f"tagged(self.{name})"
        for name, hint in fields.items()
        if name not in _UNKEYED
    ]
    lines = ["def identity(self):"]
    if len(parts) == 1:
        lines += ["    if not self.scope:", f"        return {parts[0]}"]
    lines.append(f"    return (self.scope, {''.join(part + ', ' for part in parts)})")
    return _compiled("identity", lines)


def _is_operation(hint: Any) -> bool:
    return hasattr(hint, "repeatable")


def _compiled(name: str, lines: list[str]) -> Callable[[Any], Any]:
    space: dict[str, Any] = {
        "check_bytes": check_bytes,
        "check_key": check_key,
        "check_positive": check_positive,
        "check_text": check_text,
        "tagged": _tagged,
    }
    exec("\n".join(lines), space)  # noqa: S102  # only names of fields, as dataclasses does
    return cast("Callable[[Any], Any]", space[name])


def _plain(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _tagged(value: Any) -> Any:
    if value is None or isinstance(value, str | bytes):
        return value
    if isinstance(value, tuple):
        return tuple(_tagged(item) for item in cast("Sequence[Any]", value))
    if isinstance(value, Filter) or _is_operation(value):
        asked = value.key() if isinstance(value, Filter) else value.identity()
        return (type(value).__name__, asked)
    return (type(value).__name__, value)


def size(value: Any) -> str:
    """Return how large content is, to be shown in its place."""
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, str):
        return f"<{len(value)} characters>"
    return shown(value)


def shown(value: Any, most: int = 80) -> str:
    """Return a short repr."""
    if isinstance(value, tuple):
        return f"<{len(cast('Sequence[Any]', value))} items>"
    text = repr(value[: most + 1] if isinstance(value, str) else value)
    return text if len(text) <= most else f"{text[:most]}..."
