"""POST and PUT of a table."""
# ruff: noqa: S608  # names and values come quoted by `quoting`, or are bound

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.testing.servers.supabase.rest import quoting, ranges
from lamina.testing.servers.supabase.rest.asked import Filter
from lamina.testing.servers.supabase.rest.body import rows_of
from lamina.testing.servers.supabase.rest.conditions import Source, where
from lamina.testing.servers.supabase.rest.refusal import Refused
from lamina.testing.servers.supabase.rest.writing import (
    answer_to,
    applied,
    columns_of,
    payload,
    returning,
    run,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeGuard

    from lamina.testing.servers.supabase.message import Answer
    from lamina.testing.servers.supabase.rest.asked import Condition
    from lamina.testing.servers.supabase.rest.body import Payload
    from lamina.testing.servers.supabase.rest.catalogue import Column
    from lamina.testing.servers.supabase.rest.work import Outcome, Work

_COUNT_UP = (
    "set_config('pgrst.inserted', (coalesce(nullif(current_setting('pgrst.inserted', true),"
    " '')::int, 0) + 1)::text, true) <> '0'"
)
_COUNT_DOWN = (
    " WHERE set_config('pgrst.inserted', (coalesce(nullif(current_setting('pgrst.inserted', true),"
    " '')::int, 0) - 1)::text, true) <> '-1'"
)


async def insert(work: Work) -> Answer:
    """Add rows, or change those that are there already."""
    rows = payload(work)
    columns = columns_of(work, rows)
    resolution = work.prefer.get("resolution")
    keys = work.asked.on_conflict or (work.table.key if work.table else ())
    upserts = resolution is not None and bool(keys)
    conflict = _conflict(keys, columns, merges=work.prefer.merges) if upserts else ""
    outcome = await _run(work, rows, _insert(work, rows, columns, conflict))
    merged = upserts and work.prefer.merges and not (outcome.inserted or 0)
    answer = answer_to(work, outcome, 200 if merged else 201)
    total = outcome.page if work.prefer.counts else None
    answer.headers["Content-Range"] = ranges.content_range(1, 0, total)
    told = ("resolution",) if upserts else ()
    answer.headers.update(applied(work, *told, "missing"))
    return outcome.onto(answer)


async def _run(work: Work, rows: Payload, statement: str) -> Outcome:
    return await run(work, statement, *(() if rows.empty else (rows.text,)))


def _insert(
    work: Work,
    rows: Payload,
    columns: Sequence[Column],
    conflict: str,
    chosen: Sequence[Condition] = (),
) -> str:
    target = work.source.qualifier
    names = ", ".join(quoting.name(each.name) for each in columns)
    into = f"{target} ({names})" if names else target
    values = ", ".join(f"pgrst_body.{quoting.name(each.name)}" for each in columns)
    if rows.empty:
        what = f"SELECT * FROM {target} WHERE false"
        return f"INSERT INTO {target} {what}{returning(work)}"
    whence = rows_of(columns, defaults=work.prefer.get("missing") == "default")
    counted = "EXCLUDED" in conflict or (conflict and work.prefer.merges)
    counts = [_COUNT_UP] if counted else []
    return (
        f"INSERT INTO {into} SELECT {values} FROM {whence}"
        f"{where(Source('pgrst_body', work.table), chosen, counts)}{conflict}{returning(work)}"
    )


def _conflict(keys: Sequence[str], columns: Sequence[Column], *, merges: bool) -> str:
    on = f" ON CONFLICT ({', '.join(map(quoting.name, keys))})"
    if not merges or not columns:
        return f"{on} DO NOTHING"
    sets = (f"{quoting.name(each.name)} = EXCLUDED.{quoting.name(each.name)}" for each in columns)
    return f"{on} DO UPDATE SET {', '.join(sets)}{_COUNT_DOWN}"


async def put(work: Work) -> Answer:
    """Add or change the one row whose key the query string tells."""
    table, top = work.table, work.asked.top
    if top.limit is not None or top.offset:
        message = "limit/offset querystring parameters are not allowed for PUT"
        raise Refused(400, "PGRST114", message)
    names = [each.field.name for each in top.conditions if _is_key(each)]
    if table is None or not names or sorted(table.key) != sorted(names):
        raise _bad_filters()
    if len(names) != len(top.conditions):
        raise _bad_filters()
    rows = payload(work)
    columns = columns_of(work, rows)
    conflict = _conflict(table.key, columns, merges=True)
    statement = _insert(work, rows, columns, conflict, top.conditions)
    outcome = await _run(work, rows, statement)
    if outcome.page != 1:
        message = "Payload values do not match URL in primary key column(s)"
        raise Refused(400, "PGRST115", message)
    full = work.prefer.get("return") == "representation"
    created = (outcome.inserted or 0) > 0
    answer = answer_to(work, outcome, 201 if created else 200 if full else 204)
    answer.headers.update(applied(work))
    return outcome.onto(answer)


def _is_key(condition: Condition) -> TypeGuard[Filter]:
    return isinstance(condition, Filter) and condition.operator == "eq" and not condition.negated


def _bad_filters() -> Refused:
    message = "Filters must include all and only primary key columns with 'eq' operators"
    return Refused(405, "PGRST105", message)
