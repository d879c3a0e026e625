"""Functions: ``/rpc/name``."""
# ruff: noqa: S608  # names and values come quoted by `quoting`, or are bound

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from lamina.testing.servers.supabase.message import Answer
from lamina.testing.servers.supabase.rest import quoting, ranges
from lamina.testing.servers.supabase.rest.conditions import Source, window
from lamina.testing.servers.supabase.rest.media import media
from lamina.testing.servers.supabase.rest.question import pairs
from lamina.testing.servers.supabase.rest.reads import page
from lamina.testing.servers.supabase.rest.refusal import invalid_body
from lamina.testing.servers.supabase.rest.selection import Selection
from lamina.testing.servers.supabase.shapes import list_of, object_of

if TYPE_CHECKING:
    from lamina.testing.servers.supabase.rest.catalogue import Argument, Function
    from lamina.testing.servers.supabase.rest.work import Work


_FIRST: Final = (
    "CASE WHEN json_typeof($1::text::json) = 'array' THEN $1::text::json -> 0"
    " ELSE $1::text::json END"
)
"""The object that was sent, or the first of those."""


async def call(work: Work, function: Function, given: dict[str, Any] | None) -> Answer:
    """Call *function* with what was *given*, None for the whole body as its only argument."""
    ranges.narrow(work.asked.top, work.call, work.max_rows)
    source, values = _source(work, function, given)
    rows, counted = _rows(work, function)
    total = "NULL"
    if work.prefer.counts:
        total = f"SELECT count(*) FROM ({counted}) AS pgrst_source_count"
    if not work.media.explain:
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


def _rows(work: Work, function: Function) -> tuple[str, str]:
    """Return SQL of the rows to answer, and of all rows to count."""
    if not function.composite:
        level = work.asked.top
        every = "SELECT * FROM pgrst_source"
        return every + (window(level.limit, level.offset) if function.set else ""), every
    within, name = function.table or (work.within, work.name)
    qualifier = quoting.name(work.name)
    source = Source(qualifier, work.schema.table(within, name))
    selection = Selection(work.schema, work.within, work.asked)
    whence = f"pgrst_source AS {qualifier}"
    return selection.select(source, whence, name), selection.counted(source, whence, name)


def _source(
    work: Work, function: Function, given: dict[str, Any] | None
) -> tuple[str, tuple[str, ...]]:
    """Return the SQL of the call, and what is bound in it."""
    called, whence = quoting.names(function.schema, function.name), ""
    values: tuple[str, ...] = ()
    sent = _sent(work)
    if given is None:
        kind, body = function.arguments[0].type, work.call.body
        called += "(decode($1::text, 'hex'))" if kind == "bytea" else f"($1::text::{kind})"
        values = (body.hex() if kind == "bytea" else _decoded(body),)
    elif given and sent is not None:
        used = [each for each in function.arguments if each.name in given]
        typed = ", ".join(f"{quoting.name(each.name)} {each.type}" for each in used)
        whence = f"json_to_record({_FIRST}) AS pgrst_args ({typed}), LATERAL "
        told = {each.name: f"pgrst_args.{quoting.name(each.name)}" for each in used}
        called += _passed(function, told)
        values = (sent,)
    else:
        used = [each for each in function.arguments if each.name in given]
        last = function.arguments[-1] if function.variadic else None
        literals = {one.name: _literal(given[one.name], one, many=one is last) for one in used}
        called += _passed(function, literals)
    if function.composite:
        return f"SELECT pgrst_call.* FROM {whence}{called} AS pgrst_call", values
    scalar = "AS pgrst_call (pgrst_scalar)"
    return f"SELECT pgrst_call.pgrst_scalar FROM {whence}{called} {scalar}", values


def _passed(function: Function, told: dict[str, str]) -> str:
    """Return arguments by their names."""
    last = function.arguments[-1].name if function.variadic else None
    named = (
        f"{'VARIADIC ' if name == last else ''}{quoting.name(name)} := {value}"
        for name, value in told.items()
    )
    return f"({', '.join(named)})"


def _literal(value: str | list[str], argument: Argument, *, many: bool) -> str:
    values = value if isinstance(value, list) else [value]
    return f"{quoting.array(values) if many else quoting.value(values[-1])}::{argument.type}"


def _sent(work: Work) -> str | None:
    """Return the arguments as they were sent, if as JSON: numbers keep all their digits."""
    as_json = _kind(work) in {"", "application/json"}
    return _decoded(work.call.body) if work.call.method == "POST" and as_json else None


def _kind(work: Work) -> str:
    return work.call.header("Content-Type").partition(";")[0].strip().lower()


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise invalid_body() from error


def arguments(work: Work) -> dict[str, Any]:
    """Return the arguments that a call names; empty if it names none."""
    if work.call.method != "POST":
        return _repeated(work.asked.arguments)
    kind = _kind(work)
    if kind == "application/x-www-form-urlencoded":
        return _repeated(pairs(_decoded(work.call.body)))
    if kind not in {"", "application/json"} or not work.call.body.strip():
        return {}
    try:
        told: object = json.loads(work.call.body.decode(), parse_int=len)  # only names count
    except (ValueError, RecursionError) as error:
        raise invalid_body() from error
    found = object_of(told) or object_of((list_of(told) or [None])[0])
    columns = work.asked.columns
    return found if columns is None else {name: found.get(name) for name in columns}


def _repeated(told: list[tuple[str, str]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in told:
        if name in found:
            before = found[name]
            found[name] = [*(before if isinstance(before, list) else [before]), value]
        else:
            found[name] = value
    return found
