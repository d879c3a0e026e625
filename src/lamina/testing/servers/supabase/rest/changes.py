"""PATCH and DELETE of a table."""
# ruff: noqa: S608  # names and values come quoted by `quoting`, or are bound

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.testing.servers.supabase.rest import quoting, ranges
from lamina.testing.servers.supabase.rest.body import rows_of
from lamina.testing.servers.supabase.rest.conditions import order_by, where, window
from lamina.testing.servers.supabase.rest.refusal import Refused
from lamina.testing.servers.supabase.rest.writing import (
    answer_to,
    applied,
    columns_of,
    needed,
    payload,
    returning,
    run,
    star,
)

if TYPE_CHECKING:
    from lamina.testing.servers.supabase.message import Answer
    from lamina.testing.servers.supabase.rest.work import Outcome, Work


async def update(work: Work) -> Answer:
    """Change the rows that fit."""
    rows = payload(work)
    columns = columns_of(work, rows)
    source, target = work.source, work.source.qualifier
    if rows.empty or not columns:
        names = ", ".join(f"{target}.{star(each)}" for each in needed(work))
        statement = f"SELECT {names} FROM {target} WHERE false"
        outcome = await run(work, statement)
    else:
        sets = (f"{quoting.name(c.name)} = pgrst_body.{quoting.name(c.name)}" for c in columns)
        body = rows_of(columns, defaults=False)
        body = f"(SELECT * FROM {body} LIMIT 1) AS pgrst_body"
        some, more = _some(work)
        statement = (
            f"{some}UPDATE {target} SET {', '.join(sets)} FROM {body}{more[0]}"
            f"{more[1] or where(source, work.asked.top.conditions)}{returning(work)}"
        )
        outcome = await run(work, statement, rows.text)
    return _changed(work, outcome, 0)


async def delete(work: Work) -> Answer:
    """Delete the rows that fit."""
    some, more = _some(work)
    using = f" USING{more[0][1:]}" if more[0] else ""
    statement = (
        f"{some}DELETE FROM {work.source.qualifier}{using}"
        f"{more[1] or where(work.source, work.asked.top.conditions)}{returning(work)}"
    )
    return _changed(work, await run(work, statement), 1)


def _some(work: Work) -> tuple[str, tuple[str, str]]:
    """Return how to change only the first rows of those that fit, if a limit is given."""
    top, key = work.asked.top, work.table.key if work.table else ()
    if top.limit is None and not top.offset:
        return "", ("", "")
    if not top.order:
        raise Refused(
            400,
            "PGRST109",
            "A 'limit' was applied without an explicit 'order'",
            None,
            "Apply an 'order' using unique column(s)",
        )
    names = ", ".join(f"{work.source.qualifier}.{quoting.name(each)}" for each in key)
    first = (
        f"SELECT {names} FROM {work.source.qualifier}{where(work.source, top.conditions)}"
        f"{order_by(work.source, top.order, {})}{window(top.limit, top.offset)}"
    )
    same = " AND ".join(
        f"{work.source.qualifier}.{quoting.name(each)} = pgrst_affected.{quoting.name(each)}"
        for each in key
    )
    return f"WITH pgrst_affected AS ({first}) ", (", pgrst_affected", f" WHERE {same}")


def _changed(work: Work, outcome: Outcome, low: int) -> Answer:
    full = work.prefer.get("return") == "representation"
    answer = answer_to(work, outcome, 200 if full else 204)
    total = outcome.page if work.prefer.counts else None
    high = outcome.page - 1 if low == 0 else 0
    answer.headers["Content-Range"] = ranges.content_range(low, high, total)
    answer.headers.update(applied(work))
    return outcome.onto(answer)
