"""What the fields of operations may hold, and the checks and keys compiled from their types."""

from __future__ import annotations

import types
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, cast, get_args, get_origin

from lamina.filters import Filter, check_filter
from lamina.values import (
    CONTENT,
    KEY,
    POSITIVE,
    Json,
    SparseVector,
    Vector,
    check_choice,
    check_key,
    check_positive,
    check_text,
    check_type,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_SCALARS: Final = (str, bytes, int, float, bool, type(None), Vector, SparseVector, Json, Filter)
_CONTENT: Final = (bytes, Json, Vector, SparseVector)
_UNKEYED: Final = frozenset({"scope", "fresh"})
_PLAIN: Final = (str, bytes, int, bool)


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


def methods(fields: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """Compile an operation's ``__init__``, which checks its fields, and its ``identity``.

    *defaults* has those of the fields that need not be given; ``scope`` is keyword-only.
    """
    space: dict[str, Any] = {f"default_{name}": value for name, value in defaults.items()} | _CHECKS
    made: dict[str, Any] = {}
    exec("\n".join([*_init(fields, defaults), *_identity(fields)]), space, made)  # noqa: S102  # only names of fields, as dataclasses does
    return made


def _init(fields: dict[str, Any], defaults: dict[str, Any]) -> list[str]:
    given = [f"{n}=default_{n}" if n in defaults else n for n in fields if n != "scope"]
    lines = [f"def __init__({', '.join(['self', *given, '*', 'scope=default_scope'])}):"]
    for name, hint in fields.items():
        if name != "scope":
            lines += [f"    {line}" for line in _checks(name, name, hint)]
    lines += ["    if scope != '':", "        check_key(scope, what='scope')"]
    return [*lines, *(f"    self.{name} = {name}" for name in fields)]


def _checks(value: str, what: str, hint: Any) -> list[str]:
    """Return the lines that check the local *value*; inline for what nearly every call passes."""
    options = get_args(hint) if get_origin(hint) in {Union, types.UnionType} else (hint,)
    if get_origin(hint) is tuple:
        return _tuple_checks(value, what, get_args(hint))
    check = _check_of(options, value, what)
    if type(None) in options and check:
        return [f"if {value} is not None:", *(f"    {line}" for line in check)]
    return check


def _tuple_checks(value: str, what: str, parts: tuple[Any, ...]) -> list[str]:
    if Ellipsis in parts:  # tuple[T, ...]
        inner = _checks(f"{value}_each", f"an item of {what}", parts[0])
        loop = [f"for {value}_each in {value}:", *(f"    {line}" for line in inner)]
        check = f"check_type({value}, tuple, what={what!r})"
        return [f"if _type({value}) is not tuple:", f"    {check}", *loop] if inner else []
    names = [f"{value}_{at}" for at in range(len(parts))]
    inner = [
        line for name, part in zip(names, parts, strict=True) for line in _checks(name, what, part)
    ]
    return [f"{', '.join(names)}, = {value}", *inner] if inner else []


def _check_of(options: tuple[Any, ...], value: str, what: str) -> list[str]:
    only = [hint for hint in options if hint is not type(None)]
    if len(only) != 1:
        return []
    (hint,) = only
    if marked(hint, KEY):
        plain = f"_type({value}) is str and {value}.isascii() and 0 < len({value}) < 1025"
        return [
            f"if not ({plain} and '\\0' not in {value}):",
            f"    check_key({value}, what={what!r})",
        ]
    if marked(hint, POSITIVE):
        whole = get_args(hint)[0] is int
        return [f"check_positive({value}, what={what!r}, whole={whole})"]
    if hint is str or marked(hint, CONTENT):
        return [f"check_text({value}, what={what!r})"]
    return _check_of_type(hint, value, what)


def _check_of_type(hint: Any, value: str, what: str) -> list[str]:
    if get_origin(hint) is Literal:
        choices = get_args(hint)
        return [f"check_choice({value}, {choices!r}, what={what!r})"]
    if hint is Filter:
        return [f"check_filter({value}, what={what!r})"]
    if hint in {bytes, int, bool, Json, Vector, SparseVector}:
        name = hint.__name__
        check = f"check_type({value}, {name}, what={what!r})"
        return [f"if _type({value}) is not {name}:", f"    {check}"]
    return []


def _identity(fields: dict[str, Any]) -> list[str]:
    """Return the method: the bare value for one plain argument, else a tuple with the scope."""
    keyed = {name: hint for name, hint in fields.items() if name not in _UNKEYED}
    parts = [_part(f"self.{name}", hint) for name, hint in keyed.items()]
    lines = ["def identity(self):"]
    if len(parts) == 1 and _only(*keyed.values()) in _PLAIN:
        lines += ["    if not self.scope:", f"        return {parts[0]}"]
    return [*lines, f"    return (self.scope, {''.join(part + ', ' for part in parts)})"]


def _part(value: str, hint: Any) -> str:
    """Return what stands for *value* in an identity: as it is where only one type can be there."""
    only = _only(hint)
    if only in _PLAIN or get_origin(only) is Literal:
        return value
    made = {Vector: f"{value}.data", Filter: f"{value}.key()"}.get(only)
    if made is None:
        return f"tagged({value})"
    return made if hint is only else f"None if {value} is None else {made}"


def _only(hint: Any) -> Any:
    """Return the one type besides None, without its marks; None if there are several."""
    options = get_args(hint) if get_origin(hint) in {Union, types.UnionType} else (hint,)
    only = [each for each in options if each is not type(None)]
    return _plain(only[0]) if len(only) == 1 else None


def _is_operation(hint: Any) -> bool:
    return hasattr(hint, "repeatable")


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


_CHECKS: Final[dict[str, Any]] = {
    "Json": Json,
    "SparseVector": SparseVector,
    "_type": type,  # a field may be called "type"
    "Vector": Vector,
    "check_choice": check_choice,
    "check_filter": check_filter,
    "check_key": check_key,
    "check_positive": check_positive,
    "check_text": check_text,
    "check_type": check_type,
    "tagged": _tagged,
}
