"""What tells one call of a function from another: the values of its arguments, types included."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final, cast

from lamina.errors import Invalid, StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

_PLAIN: Final = frozenset({int, bool, bytes})


def key_of(function: Callable[..., Any]) -> Callable[..., Hashable]:
    """Return what turns the arguments of a call of *function* into a key.

    It is compiled once, with the parameters and defaults of *function*, so that ``f(1)``,
    ``f(n=1)`` and, if 1 is the default, ``f()`` have one key.

    Raises:
        StackError: The parameters of *function* cannot be told.
    """
    name = getattr(function, "__qualname__", type(function).__name__)
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError) as error:
        msg = f"cached: the parameters of {name} cannot be told; give key="
        raise StackError(msg) from error
    space: dict[str, Any] = {"_lamina_int": int, "_lamina_str": str, "_lamina_type": type}
    space |= {f"_lamina_tagged_{n}": _tagger(n, name) for n in parameters}
    space |= {f"_lamina_default_{n}": p.default for n, p in parameters.items()}
    parts = [_part(one) for one in parameters.values()]
    answer = parts[0] if len(parts) == 1 else f"({''.join(f'{part}, ' for part in parts)})"
    source = f"def key({', '.join(_declared(parameters))}):\n    return {answer}"
    made: dict[str, Any] = {}
    exec(source, space, made)  # noqa: S102  # only names of parameters, as dataclasses does
    key = made["key"]
    key.__name__ = key.__qualname__ = name  # which a wrong call is told
    return cast("Callable[..., Hashable]", key)


def tagged(value: Any, what: str = "the key") -> Hashable:
    """Return a key that is equal for equal values of the same type only.

    Raises:
        Invalid: *value*, which is *what*, cannot be hashed, or equals nothing but itself.
    """
    kind = cast("type[object]", type(value))
    if kind is str or value is None:
        return cast("Hashable", value)
    if kind in _PLAIN:
        return (kind, value)
    if isinstance(value, tuple):  # a named one too
        items = cast("tuple[object, ...]", value)
        return (kind, *[item if type(item) is str else tagged(item, what) for item in items])
    if isinstance(value, frozenset):
        members = cast("frozenset[object]", value)
        return (kind, frozenset([tagged(item, what) for item in members]))
    if kind is float and not (value < 0 or value > 0):
        return (float, repr(value))  # 0.0 equals -0.0, and NaN not even itself
    if _equals_itself_only(kind) and not isinstance(value, type):
        msg = f"{what} is a {kind.__name__}, which equals no other; give key="
        raise Invalid(msg)
    try:
        hash(value)
    except Exception as error:
        msg = f"{what} is a {kind.__name__}, which cannot be hashed; give key="
        raise Invalid(msg) from error
    return (kind, value)


def _equals_itself_only(kind: Any) -> bool:
    return kind.__hash__ is object.__hash__


def _declared(parameters: Mapping[str, inspect.Parameter]) -> Iterable[str]:
    """Return the parameters as a ``def`` writes them."""
    named = False
    last = [name for name, one in parameters.items() if one.kind is one.POSITIONAL_ONLY][-1:]
    for name, one in parameters.items():
        if one.kind is one.KEYWORD_ONLY and not named:
            yield "*"
        named |= one.kind in {one.KEYWORD_ONLY, one.VAR_POSITIONAL}
        star = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(one.kind.name, "")
        yield f"{star}{name}{'' if one.default is one.empty else f'=_lamina_default_{name}'}"
        if name in last:
            yield "/"


def _part(one: inspect.Parameter) -> str:
    name = one.name
    if one.kind is one.VAR_KEYWORD:
        return f"_lamina_tagged_{name}(tuple(sorted({name}.items())))"
    if one.kind is one.VAR_POSITIONAL:
        return f"_lamina_tagged_{name}({name})"
    kind = f"_lamina_type({name})"
    otherwise = f"(_lamina_int, {name}) if {kind} is _lamina_int else _lamina_tagged_{name}({name})"
    return f"({name} if {kind} is _lamina_str else {otherwise})"


def _tagger(name: str, function: str) -> Callable[[Any], Hashable]:
    what = f"argument {name!r} of {function}()"

    def tag(value: Any) -> Hashable:
        return tagged(value, what)

    return tag
