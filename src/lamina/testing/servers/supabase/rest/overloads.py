"""Which of the functions of a name is meant."""

# ruff: noqa: EM102  # what is refused, is refused in the words of the real one

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lamina.testing.servers.supabase.rest.refusal import Refused
from lamina.testing.servers.supabase.rest.similar import closest

if TYPE_CHECKING:
    from lamina.testing.servers.supabase.rest.catalogue import Argument, Function, Schema

_UNNAMED: Final = {
    "application/json": ("json", "jsonb"),
    "": ("json", "jsonb"),
    "text/plain": ("text",),
    "text/xml": ("xml",),
    "application/octet-stream": ("bytea",),
}
_BODIES: Final = {
    "text/plain": "text",
    "text/xml": "xml",
    "application/octet-stream": "bytea",
}


def choose(
    schema: Schema, within: str, name: str, given: set[str], *, kind: str | None
) -> tuple[Function, bool]:
    """Return which function is meant, and whether it takes the whole body; *kind* is its type.

    Raises:
        Refused: None fits, or several do.
    """
    every = schema.functions.get((within, name), [])
    fitting = [each for each in every if _fits(each, given)]
    if len(fitting) > 1:
        raise _several(fitting)
    if fitting:
        return fitting[0], False
    types = () if kind is None else _UNNAMED.get(kind, ())
    whole = [each for each in every if _takes_whole(each.arguments, types)]
    if len(whole) > 1:
        raise _several(whole)
    if whole:
        return whole[0], True
    hint = _meant(schema, within, name, sorted(given))
    raise _none(f"{within}.{name}", sorted(given), kind, hint)


def _fits(function: Function, given: set[str]) -> bool:
    if function.arguments and not all(each.name for each in function.arguments):
        return False
    names = {each.name for each in function.arguments}
    required = {each.name for each in function.arguments if each.required}
    return given <= names and required <= given


def _takes_whole(arguments: tuple[Argument, ...], types: tuple[str, ...]) -> bool:
    return len(arguments) == 1 and not arguments[0].name and arguments[0].type in types


def _several(found: list[Function]) -> Refused:
    told = ", ".join(
        f"{each.schema}.{each.name}"
        f"({', '.join(f'{one.name} => {one.type}' for one in each.arguments)})"
        for each in sorted(found, key=lambda one: (len(one.arguments), one.arguments))
    )
    return Refused(
        300,
        "PGRST203",
        f"Could not choose the best candidate function between: {told}",
        None,
        "Try renaming the parameters or the function itself in the database so function "
        "overloading can be resolved",
    )


def _none(whole: str, given: list[str], kind: str | None, hint: str | None) -> Refused:
    whole_body = _BODIES.get(kind or "")
    if whole_body is not None:
        return Refused(
            404,
            "PGRST202",
            f"Could not find the function {whole} in the schema cache",
            f"Searched for the function {whole} with a single unnamed {whole_body} parameter, but "
            "no matches were found in the schema cache.",
        )
    told = f"({', '.join(given)})" if given else " without parameters"
    searched = f" with parameter{'s' if len(given) > 1 else ''} {', '.join(given)}"
    searched = searched if given else " without parameters"
    if kind in {"", "application/json"}:
        searched += " or with a single unnamed json/jsonb parameter"
    return Refused(
        404,
        "PGRST202",
        f"Could not find the function {whole}{told} in the schema cache",
        f"Searched for the function {whole}{searched}, but no matches were found in the "
        "schema cache.",
        hint,
    )


def _meant(schema: Schema, within: str, name: str, given: list[str]) -> str | None:
    """Return what may have been meant."""
    every = schema.functions.get((within, name), [])
    if every:
        choices = [f"({', '.join(sorted(one.name for one in each.arguments))})" for each in every]
        close = closest(f"({', '.join(given)})", choices)
        return _perhaps(f"{within}.{name}{close}") if close else None
    choices = [each for where, each in schema.functions if where == within]
    close = closest(name, choices)
    return _perhaps(f"{within}.{close}") if close else None


def _perhaps(name: str) -> str:
    return f"Perhaps you meant to call the function {name}"
