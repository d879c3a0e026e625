"""What all changes of a table share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

from lamina.testing.servers.supabase.message import Answer
from lamina.testing.servers.supabase.rest import body, quoting
from lamina.testing.servers.supabase.rest.refusal import Refused, no_column, nothing_there
from lamina.testing.servers.supabase.rest.selection import Selection
from lamina.testing.servers.supabase.shapes import list_of, object_of

if TYPE_CHECKING:
    from lamina.testing.servers.supabase.rest.catalogue import Column
    from lamina.testing.servers.supabase.rest.work import Outcome, Work


def applied(work: Work, *more: str) -> dict[str, str]:
    """Return the header that tells which preferences were honoured."""
    return work.prefer.applied(
        *more, "return", "count", "tx", "handling", "timezone", "max-affected"
    )


def payload(work: Work) -> body.Payload:
    """Read the rows that were sent."""
    kind = work.call.header("Content-Type").partition(";")[0].strip().lower()
    return body.payload(work.call.body, kind, work.asked.columns)


def columns_of(work: Work, rows: body.Payload) -> list[Column]:
    """Return the columns that are written."""
    table = work.table
    if table is None and rows.names:
        raise nothing_there()
    for name in rows.names:
        if table is not None and name not in table.columns:
            raise no_column(work.name, name)
    return [table.columns[name] for name in rows.names] if table is not None else []


def needed(work: Work) -> tuple[str, ...]:
    """Return the names of the columns that the answer needs."""
    told = work.prefer.get("return")
    if told == "representation":
        return Selection(work.schema, work.within, work.asked).needed(work.name)
    if told == "headers-only" and work.table is not None:
        return work.table.key
    return ()


def star(name: str) -> str:
    """Quote a name that may mean all columns."""
    return "*" if name == "*" else quoting.name(name)


def returning(work: Work) -> str:
    """Return what the change gives back."""
    names = needed(work)
    if not names:
        return " RETURNING 1"
    return f" RETURNING {', '.join(f'{work.source.qualifier}.{star(each)}' for each in names)}"


async def run(work: Work, source: str, *values: object) -> Outcome:
    """Run a change, and undo it if it touches more rows than are allowed."""
    full = work.prefer.get("return") == "representation"
    rows = "SELECT * FROM pgrst_source"
    if full:
        selection = Selection(work.schema, work.within, work.asked)
        whence = f"pgrst_source AS {work.written.qualifier}"
        rows = selection.select(work.written, whence, work.name, bare=True)
    outcome = await work.run(source, rows, *values)
    most = work.prefer.most
    if most is not None and outcome.page > most and work.call.method != "POST":
        message = "Query result exceeds max-affected preference constraint"
        raise Refused(400, "PGRST124", message, f"The query affects {outcome.page} rows")
    return outcome


def answer_to(work: Work, outcome: Outcome, status: int) -> Answer:
    """Begin the answer to a change."""
    answer = Answer(status)
    if work.prefer.get("return") == "representation":
        answer.headers["Content-Type"] = work.media.name
        answer.body = outcome.body.encode()
    elif work.prefer.get("return") == "headers-only" and work.call.method == "POST":
        answer.headers.update(_location(work, outcome))
    return answer


def _location(work: Work, outcome: Outcome) -> dict[str, str]:
    key = work.table.key if work.table else ()
    rows: object = json.loads(outcome.body)
    row = object_of(rows) or (object_of(list_of(rows)[0]) if outcome.page == 1 else {})
    if not row or not key:
        return {}
    told = "&".join(f"{quote(name)}=eq.{quote(str(row[name]))}" for name in key)
    return {"Location": f"/{quote(work.name)}?{told}"}
