"""Which coder an operation's answer has: compiled of its type, none for what could change."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from enum import Enum
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    Literal,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from lamina.layers.cache.second.coders import JSON, PLAIN, Coder, Unstorable, of_type
from lamina.layers.cache.second.compound import choice, many, of_enum, one_of, several
from lamina.operation import Operation
from lamina.values import FrozenDict

if TYPE_CHECKING:
    from lamina.layers.cache.second.coders import Out, Source

_DEEPEST: Final = 32  # types inside types: one that holds itself has no end

Bindings = dict[Any, Any]


def answer_type(op: type[Any]) -> Any:
    """Return the ``R`` of the ``Operation[R]`` that *op* is.

    Raises:
        Unstorable: It does not say.
    """
    found = _argument(op, {})
    if found is None:
        raise Unstorable
    return found


def _argument(kind: type[Any], bound: Bindings) -> Any:
    for base in vars(kind).get("__orig_bases__", kind.__bases__):
        origin: Any = get_origin(base) or base
        arguments = tuple(_bound(each, bound) for each in get_args(base))
        if origin is Operation:
            return arguments[0] if arguments else None
        if isinstance(origin, type) and issubclass(origin, Operation):
            names = getattr(cast("Any", origin), "__parameters__", ())
            return _argument(cast("Any", origin), dict(zip(names, arguments, strict=False)))
    return None


def coder_of(hint: Any, bound: Bindings | None = None, depth: int = 0) -> Coder:
    """Return how values of a type are kept.

    Raises:
        Unstorable: Its values could change, could be anything, or are of a kind unknown here.
    """
    hint = _bound(hint, bound or {})
    if depth > _DEEPEST:
        raise Unstorable
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is None:
        plain = PLAIN.get(hint)
        return _of_class(hint, (), depth + 1) if plain is None else plain
    if origin is Annotated:
        return coder_of(arguments[0], bound, depth + 1)
    if origin is Literal:
        return choice(arguments, f"Literal{arguments!r}")
    if origin is tuple and arguments[1:] == (...,):
        return many(coder_of(arguments[0], bound, depth + 1))
    if origin in (Union, types.UnionType, tuple):
        inside = [coder_of(each, bound, depth + 1) for each in arguments]
        return several(inside) if origin is tuple else one_of(inside)
    return _of_class(origin, arguments, depth + 1)


def _of_class(kind: Any, arguments: tuple[Any, ...], depth: int) -> Coder:
    if kind is FrozenDict or kind is Mapping:
        return JSON
    if not isinstance(kind, type):
        raise Unstorable
    made: Any = kind
    if issubclass(made, Enum):
        return of_enum(made)
    if not getattr(getattr(made, "__dataclass_params__", None), "frozen", False):
        raise Unstorable
    names = getattr(made, "__parameters__", ())
    return _of_dataclass(made, dict(zip(names, arguments, strict=False)), depth)


def _of_dataclass(kind: Any, bound: Bindings, depth: int) -> Coder:
    try:
        hints = get_type_hints(kind, include_extras=True)
    except NameError as error:  # its types are not there at run time
        raise Unstorable from error
    declared = dataclasses.fields(kind)
    if not all(field.init for field in declared):
        raise Unstorable
    coders = {field.name: coder_of(hints[field.name], bound, depth) for field in declared}

    def write(value: Any, out: Out) -> None:
        if type(value) is not kind:
            raise Unstorable
        for name, coder in coders.items():
            coder.write(getattr(value, name), out)

    def read(source: Source) -> Any:
        return kind(**{name: coder.read(source) for name, coder in coders.items()})

    inside = ",".join(f"{name}:{coder.shape}" for name, coder in coders.items())
    shape = f"{kind.__module__}.{kind.__qualname__}({inside})"
    return Coder(shape, of_type(kind), write, read)


def _bound(hint: Any, bound: Bindings) -> Any:
    """Return a type in place of a type variable, and inside what has some."""
    if isinstance(hint, TypeVar):
        if hint not in bound:
            raise Unstorable
        return bound[hint]
    names = getattr(hint, "__parameters__", ())
    if names and get_args(hint):
        if not all(name in bound for name in names):
            raise Unstorable
        return hint[tuple(bound[name] for name in names)]
    return hint
