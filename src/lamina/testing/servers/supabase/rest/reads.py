"""GET and HEAD of a table."""
# ruff: noqa: S608  # names and values come quoted by `quoting`, or are bound

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

from lamina.testing.servers.supabase.message import Answer
from lamina.testing.servers.supabase.rest import ranges
from lamina.testing.servers.supabase.rest.question import pairs
from lamina.testing.servers.supabase.rest.selection import Selection

if TYPE_CHECKING:
    from lamina.testing.servers.supabase.rest.work import Outcome, Work


async def read(work: Work) -> Answer:
    """Answer the rows of a table."""
    ranges.narrow(work.asked.top, work.call, work.max_rows)
    selection = Selection(work.schema, work.within, work.asked)
    whence = work.source.qualifier
    select = selection.select(work.source, whence, work.name)
    counted = selection.counted(work.source, whence, work.name)
    exact = work.prefer.get("count") in {"exact", "estimated"}
    total = f"SELECT count(*) FROM ({counted}) AS pgrst_source_count" if exact else "NULL"
    outcome = await work.run(select, "SELECT * FROM pgrst_source", total=total)
    return page(work, outcome, await _total(work, outcome, counted))


async def _total(work: Work, outcome: Outcome, counted: str) -> int | None:
    """Return how many rows there are, or may be."""
    if work.prefer.get("count") not in {"planned", "estimated"}:
        return outcome.total
    told = await work.bare.fetchval(f"EXPLAIN (FORMAT JSON) {counted}")
    planned = int(json.loads(told)[0]["Plan"]["Plan Rows"])
    if outcome.total is None:
        return planned
    over = work.max_rows is None or outcome.total > work.max_rows
    return max(planned, outcome.total) if over else outcome.total


def page(work: Work, outcome: Outcome, total: int | None) -> Answer:
    """Answer one page of rows."""
    low = work.asked.top.offset
    high = low + outcome.page - 1
    answer = Answer(ranges.status(low, high, total))
    answer.headers["Content-Range"] = ranges.content_range(low, high, total)
    answer.headers["Content-Type"] = work.media.name
    told = ("count", "tx", "handling", "timezone", "max-affected")
    answer.headers.update(work.prefer.applied(*told))
    place = f"/{'rpc/' if work.call.path.startswith('rpc/') else ''}{work.name}"
    if work.call.method != "POST":
        query = _canonical(work.call.query)
        answer.headers["Content-Location"] = place + query
    answer.body = b"" if work.call.method == "HEAD" else outcome.body.encode()
    return outcome.onto(answer)


def _canonical(raw: str) -> str:
    """Return a query string with its parameters in the order of their names."""
    told = sorted(pairs(raw), key=lambda pair: pair[0])
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in told)
    return f"?{query}" if query else ""
