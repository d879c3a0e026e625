"""Bodies of calls: rows as JSON, CSV or a form."""
# ruff: noqa: S608  # names and values come quoted by `quoting`, or are bound
# ruff: noqa: EM101, TRY003  # what is refused, is refused in the words of the real one

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lamina.testing.servers.supabase.rest import quoting
from lamina.testing.servers.supabase.rest.question import pairs
from lamina.testing.servers.supabase.rest.refusal import invalid_body
from lamina.testing.servers.supabase.shapes import list_of, object_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.testing.servers.supabase.rest.catalogue import Column


@dataclass(frozen=True, slots=True)
class Payload:
    """JSON to be read by PostgreSQL, with the names it has; *empty* has no rows at all."""

    text: str
    names: tuple[str, ...]
    empty: bool = False


def payload(body: bytes, kind: str, columns: tuple[str, ...] | None) -> Payload:
    """Read the rows that a call brings."""
    if kind == "text/csv":
        return _from_csv(body, columns)
    if kind == "application/x-www-form-urlencoded":
        told = dict(pairs(body.decode()))
        return Payload(json.dumps(told), columns or tuple(told))
    if kind not in {"", "application/json", "application/vnd.pgrst.object+json"}:
        message = f"Content-Type not acceptable: {kind}"
        raise invalid_body(message)
    return _from_json(body, columns)


def _from_json(body: bytes, columns: tuple[str, ...] | None) -> Payload:
    try:
        text = body.decode()
        if columns is not None:
            return Payload(text, columns)  # PostgreSQL reads it, or tells what is wrong
        told: object = json.loads(text, parse_constant=_refuse, parse_int=len)  # of any length
    except (ValueError, RecursionError) as error:
        raise invalid_body() from error
    whole: Any = told
    rows: list[Any] = [whole] if isinstance(told, dict) else list_of(whole)
    if not rows:
        return Payload(text, (), empty=True)
    names = object_of(rows[0]).keys()
    alike = (object_of(row).keys() == names for row in rows)
    if not all(isinstance(row, dict) for row in rows) or not all(alike):
        raise invalid_body("All object keys must match")
    return Payload(text, tuple(names))


def _refuse(_: str) -> None:
    raise invalid_body()


def _from_csv(body: bytes, columns: tuple[str, ...] | None) -> Payload:
    try:
        lines = list(csv.reader(io.StringIO(body.decode(), newline="")))
    except (ValueError, csv.Error) as error:
        raise invalid_body("not enough input") from error
    if not lines:
        raise invalid_body("not enough input")
    head, rows = lines[0], [line for line in lines[1:] if line]
    if any(len(row) != len(head) for row in rows):
        raise invalid_body("All lines must have same number of fields")
    told = [
        {name: None if value == "NULL" else value for name, value in zip(head, row, strict=True)}
        for row in rows
    ]
    return Payload(json.dumps(told), columns or tuple(head), empty=not told)


def rows_of(columns: Sequence[Column], *, defaults: bool, parameter: str = "$1") -> str:
    """Return SQL of the payload's rows as ``pgrst_body``."""
    names = ", ".join(quoting.name(each.name) for each in columns)
    typed = ", ".join(f"{quoting.name(each.name)} {each.type}" for each in columns)
    kind = "jsonb" if defaults else "json"
    rows = (
        f"CASE WHEN {kind}_typeof(given.told) = 'array' THEN given.told"
        f" ELSE {kind}_build_array(given.told) END"
    )
    if defaults:
        filled = ", ".join(
            f"{quoting.value(each.name)}, {each.default}"
            for each in columns
            if each.default is not None
        )
        rows = (
            f"(SELECT jsonb_agg(jsonb_build_object({filled}) || one)"
            f" FROM jsonb_array_elements({rows}) AS one)"
        )
    return (
        f"(SELECT {names} FROM (SELECT {parameter}::text::{kind} AS told) AS given, LATERAL "
        + (f"{kind}_to_recordset({rows}) AS _ ({typed})" if columns else _nameless(kind, rows))
        + ") AS pgrst_body"
    )


def _nameless(kind: str, rows: str) -> str:
    """Return SQL of as many rows without columns; no record can have none."""
    return f"{kind}_array_elements({rows}) AS _"
