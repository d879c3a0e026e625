"""In which form rows are answered."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from lamina.testing.servers.supabase.rest.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

_OBJECT: Final = "application/vnd.pgrst.object+json"
_OLD_OBJECT: Final = "application/vnd.pgrst.object"
_ARRAY: Final = "application/vnd.pgrst.array+json"
_CSV: Final = (
    "(SELECT coalesce(string_agg(one.key, ','), '') FROM (SELECT json_object_keys(first.row)::text"
    " AS key FROM (SELECT row_to_json(each) AS row FROM pgrst_source AS each LIMIT 1) AS first)"
    " AS one) || E'\\n' || coalesce(string_agg(substring(_postgrest_t::text, 2,"
    " length(_postgrest_t::text) - 2), E'\\n'), '')"
)
_PLAN: Final = re.compile(r"\s*application/vnd\.pgrst\.plan(?:\+(json|text))?")
_EXPLAINS: Final = ("analyze", "verbose", "settings", "buffers", "wal")


class Media(NamedTuple):
    """A media type: its name in answers, and the SQL of a body in it."""

    name: str
    body: str
    single: bool = False
    explain: str = ""
    """What to explain the call with, rather than to carry it out."""


def media(accept: str, *, scalar: Sequence[str] = ()) -> Media:
    """Return what *accept* asks for; *scalar* are types that a function's value has by itself.

    Raises:
        Refused: None of it can be answered.
    """
    wanted = [part.strip() for part in accept.split(",") if part.strip()] or ["*/*"]
    ranked = sorted(wanted, key=_rank)
    for each in ranked:
        name, *parameters = (part.strip() for part in each.split(";"))
        stripped = "nulls=stripped" in parameters
        found = _known(name, stripped=stripped, scalar=scalar)
        if found is not None:
            return found
    message = f"None of these media types are available: {', '.join(wanted)}"
    raise Refused(406, "PGRST107", message)


def plan(accept: str) -> Media | None:
    """Return how to explain a call, if *accept* asks for that."""
    found = _PLAN.match(accept)
    if found is None:
        return None
    wanted = accept.partition("options=")[2].split(";")[0].strip(' "').split("|")
    options = [each for each in _EXPLAINS if each in wanted]
    form = found[1] or "text"
    told = ", ".join([*(each.upper() for each in options), f"FORMAT {form.upper()}"])
    more = f"; options={'|'.join(options)}" if options else ""
    name = f'application/vnd.pgrst.plan+{form}; for="application/json"{more}; charset=utf-8'
    return Media(name, "coalesce(json_agg(_postgrest_t), '[]')::text", explain=told)


def _rank(part: str) -> float:
    quality = part.partition("q=")[2].split(";")[0].strip()
    try:
        return -float(quality) if quality else -1.0
    except ValueError:
        return 0.0


def _known(name: str, *, stripped: bool, scalar: Sequence[str]) -> Media | None:
    rows, suffix = "_postgrest_t", "; charset=utf-8"
    if stripped and name in {_OBJECT, _OLD_OBJECT, _ARRAY}:
        rows, suffix = "json_strip_nulls(row_to_json(_postgrest_t))", ";nulls=stripped" + suffix
    every = f"coalesce(json_agg({rows}), '[]')::text"
    if name in scalar:
        return Media(name + ("" if "octet" in name else "; charset=utf-8"), "")
    if name in {"*/*", "application/json", "application/*"}:
        return Media("application/json; charset=utf-8", every)
    if name == _ARRAY:
        return Media(_ARRAY + suffix, every)
    if name in {_OBJECT, _OLD_OBJECT}:
        one = f"coalesce(json_agg({rows}) -> 0, 'null')::text"
        return Media(_OBJECT + suffix, one, single=True)
    if name == "text/csv":
        return Media("text/csv; charset=utf-8", _CSV)
    return None
