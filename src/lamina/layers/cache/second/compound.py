"""Bytes of what is made of several values, or is one of several kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from lamina.layers.cache.second.coders import LENGTH, Coder, Out, Source, Unstorable, of_type

if TYPE_CHECKING:
    from collections.abc import Sequence
    from enum import Enum


def many(item: Coder) -> Coder:
    """Return the coder of a tuple of any length."""

    def write(value: Any, out: Out) -> None:
        items = _items(value)
        out.append(LENGTH.pack(len(items)))
        for each in items:
            item.write(each, out)

    def read(source: Source) -> tuple[Any, ...]:
        return tuple(item.read(source) for _ in range(source.length()))

    return Coder(f"[{item.shape}]", of_type(tuple), write, read)


def several(items: Sequence[Coder]) -> Coder:
    """Return the coder of a tuple whose items have a type each."""

    def write(value: Any, out: Out) -> None:
        given = _items(value)
        if len(given) != len(items):
            raise Unstorable
        for item, each in zip(items, given, strict=True):
            item.write(each, out)

    def read(source: Source) -> tuple[Any, ...]:
        return tuple(item.read(source) for item in items)

    shape = ",".join(item.shape for item in items)
    return Coder(f"({shape})", of_type(tuple), write, read)


def one_of(options: Sequence[Coder]) -> Coder:
    """Return the coder of a union: the first type that fits, and its number."""

    def write(value: Any, out: Out) -> None:
        for number, option in enumerate(options):
            if option.fits(value):
                out.append(bytes((number,)))
                option.write(value, out)
                return
        raise Unstorable

    def read(source: Source) -> Any:
        return options[source.take(1)[0]].read(source)

    shape = "|".join(option.shape for option in options)
    return Coder(shape, lambda value: any(each.fits(value) for each in options), write, read)


def choice(options: Sequence[object], shape: str) -> Coder:
    """Return the coder of one value out of a few, such as the members of an enum."""

    def number(value: object) -> int | None:
        found = (n for n, each in enumerate(options) if type(each) is type(value) and each == value)
        return next(found, None)

    def write(value: Any, out: Out) -> None:
        found = number(value)
        if found is None:
            raise Unstorable
        out.append(LENGTH.pack(found))

    def read(source: Source) -> Any:
        return options[source.length()]

    return Coder(shape, lambda value: number(value) is not None, write, read)


def of_enum(kind: type[Enum]) -> Coder:
    """Return the coder of an enum's members, by their order and names."""
    members = list(kind)
    names = ",".join(member.name for member in members)
    return choice(members, f"{kind.__module__}.{kind.__qualname__}<{names}>")


def _items(value: object) -> tuple[object, ...]:
    if type(value) is not tuple:
        raise Unstorable
    return cast("tuple[object, ...]", value)
