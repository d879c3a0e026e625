"""Functions: ``/rpc/name``."""
# ruff: noqa: S608  # names and values come quoted by `quoting`, or are bound

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any, Final, cast

from lamina.testing.servers.supabase.message import Answer
from lamina.testing.servers.supabase.rest import quoting, ranges
from lamina.testing.servers.supabase.rest.conditions import Source
from lamina.testing.servers.supabase.rest.media import media
from lamina.testing.servers.supabase.rest.question import pairs
from lamina.testing.servers.supabase.rest.reads import page
from lamina.testing.servers.supabase.rest.refusal import Refused, invalid_body
from lamina.testing.servers.supabase.rest.selection import Selection

if TYPE_CHECKING:
    from lamina.testing.servers.supabase.rest.catalogue import Argument, Function, Schema
    from lamina.testing.servers.supabase.rest.work import Work

_UNNAMED: Final = {
    "application/json": ("json", "jsonb"),
    "": ("json", "jsonb"),
    "text/plain": ("text",),
    "text/xml": ("xml",),
    "application/octet-stream": ("bytea",),
}


async def call(work: Work, function: Function, given: dict[str, Any] | None) -> Answer:
    """Call *function* with what was *given*, None for the whole body as its only argument."""
    ranges.narrow(work.asked.top, work.call.header("Range"), work.max_rows)
    source, values = _source(work, function, given)
    rows = "SELECT * FROM pgrst_source"
    total = "NULL"
    if function.composite:
        rows = _selected(work, function)
        if work.prefer.get("count") is not None:
            total = "SELECT count(*) FROM pgrst_source"
    elif function.set:
        level = work.asked.top
        rows += f" OFFSET {level.offset}"
        rows += f" LIMIT {level.limit}" if level.limit is not None else ""
    work.media = _media(work, function)
    outcome = await work.run(source, rows, *values, total=total)
    if function.void:
        return outcome.onto(Answer(204))
    return page(work, outcome, outcome.total)


def _media(work: Work, function: Function) -> Any:
    """Return the form of the answer: a value that is no row stands by itself."""
    scalar = {
        "text": ("text/plain",),
        "xml": ("text/xml",),
        "bytea": ("application/octet-stream",),
    }.get(function.type, ())
    alone = not function.set
    found = media(work.call.header("Accept"), scalar=scalar if alone else ())
    value = "_postgrest_t.pgrst_scalar"
    if not found.body:
        shown = f"encode({value}, 'escape')" if function.type == "bytea" else f"{value}::text"
        return found._replace(body=f"max({shown})")
    if found.name.startswith("text/csv") or function.void:
        return found
    if function.composite:
        if alone and not found.single:
            return found._replace(body="coalesce(json_agg(_postgrest_t) -> 0, 'null')::text")
        return found
    if alone or found.single:
        return found._replace(body=f"coalesce(json_agg({value}) -> 0, 'null')::text")
    return found._replace(body=f"coalesce(json_agg({value}), '[]')::text")


def _selected(work: Work, function: Function) -> str:
    within, name = function.table or (work.within, work.name)
    qualifier = quoting.name(work.name)
    source = Source(qualifier, work.schema.table(within, name))
    selection = Selection(work.schema, work.within, work.asked)
    return selection.select(source, f"pgrst_source AS {qualifier}", name)


def _source(
    work: Work, function: Function, given: dict[str, Any] | None
) -> tuple[str, tuple[str, ...]]:
    """Return the SQL of the call, and what is bound in it."""
    called = quoting.names(function.schema, function.name)
    values: tuple[str, ...] = ()
    whence = ""
    if given is None:
        kind = function.arguments[0].type
        sent = _decoded(work.call.body)
        called += f"($1::text::{kind})" if kind != "bytea" else "(decode($1::text, 'hex'))"
        values = (work.call.body.hex() if kind == "bytea" else sent,)
    elif given:
        used = [each for each in function.arguments if each.name in given]
        names = ", ".join(
            f"{'VARIADIC ' if function.variadic and each is function.arguments[-1] else ''}"
            f"{quoting.name(each.name)} := pgrst_args.{quoting.name(each.name)}"
            for each in used
        )
        typed = ", ".join(f"{quoting.name(each.name)} {each.type}" for each in used)
        whence = f"json_to_record($1::text::json) AS pgrst_args ({typed}), LATERAL "
        called += f"({names})"
        values = (json.dumps(given, ensure_ascii=False),)
    else:
        called += "()"
    column = "pgrst_call.*" if function.composite else "pgrst_call AS pgrst_scalar"
    if function.composite:
        return f"SELECT {column} FROM {whence}{called} AS pgrst_call", values
    return f"SELECT pgrst_call.pgrst_scalar FROM {whence}{called} AS pgrst_call (pgrst_scalar)", (
        values
    )


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise invalid_body() from error


def arguments(work: Work) -> dict[str, Any]:
    """Return the arguments that a call names; empty if it names none."""
    if work.call.method != "POST":
        return _repeated(work.asked.arguments)
    kind = work.call.header("Content-Type").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return _repeated(pairs(_decoded(work.call.body)))
    if kind not in {"", "application/json"} or not work.call.body.strip():
        return {}
    try:
        told = cast("Any", json.loads(work.call.body.decode()))
    except (ValueError, RecursionError) as error:
        raise invalid_body() from error
    return told if isinstance(told, dict) else {}


def _repeated(told: list[tuple[str, str]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in told:
        if name in found:
            before = found[name]
            found[name] = [*(before if isinstance(before, list) else [before]), value]
        else:
            found[name] = value
    return found


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
    raise _none(schema, within, name, sorted(given), every, kind)


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
        for each in found
    )
    return Refused(
        300,
        "PGRST203",
        f"Could not choose the best candidate function between: {told}",
        None,
        "Try renaming the parameters or the function itself in the database so function "
        "overloading can be resolved",
    )


def _none(
    schema: Schema,
    within: str,
    name: str,
    given: list[str],
    every: list[Function],
    kind: str | None,
) -> Refused:
    whole = f"{within}.{name}"
    told = f"({', '.join(given)})" if given else " without parameters"
    details = f" with parameter{'s' if len(given) > 1 else ''} {', '.join(given)}"
    searched = details if given else " without parameters"
    if kind in {"", "application/json"}:
        searched += " or with a single unnamed json/jsonb parameter"
    return Refused(
        404,
        "PGRST202",
        f"Could not find the function {whole}{told} in the schema cache",
        f"Searched for the function {whole}{searched}, but no matches were found in the "
        "schema cache.",
        _meant(schema, within, name, given, every),
    )


def _meant(
    schema: Schema, within: str, name: str, given: list[str], every: list[Function]
) -> str | None:
    if every:
        choices = [f"({', '.join(sorted(one.name for one in each.arguments))})" for each in every]
        close = difflib.get_close_matches(f"({', '.join(given)})", choices, 1, 0.33)
        return _perhaps(f"{within}.{name}{close[0]}") if close else None
    choices = [each for where, each in schema.functions if where == within]
    close = difflib.get_close_matches(name, choices, 1, 0.33)
    return _perhaps(f"{within}.{close[0]}") if close else None


def _perhaps(name: str) -> str:
    return f"Perhaps you meant to call the function {name}"
