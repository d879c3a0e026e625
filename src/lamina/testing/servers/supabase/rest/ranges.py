"""Which rows of how many: the headers Range and Content-Range."""

# ruff: noqa: EM101, EM102, TRY003  # what is refused, is refused in the words of the real one

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from lamina.testing.servers.supabase.rest.refusal import range_not_satisfiable

if TYPE_CHECKING:
    from lamina.testing.servers.supabase.message import Call
    from lamina.testing.servers.supabase.rest.asked import Level

_RANGE: Final = re.compile(r"\s*(?:items=)?(\d+)-(\d*)\s*")


def narrow(level: Level, call: Call, most: int | None) -> None:
    """Narrow *level* to the rows of a header Range of a GET, and to at most *most* of them."""
    found = _RANGE.fullmatch(call.header("Range")) if call.method == "GET" else None
    if found is not None:
        low, high = int(found[1]), int(found[2]) if found[2] else None
        if high is not None and high < low:
            raise range_not_satisfiable(
                "The lower boundary must be lower than or equal to the upper boundary in the "
                "Range header."
            )
        end = None if level.limit is None else level.offset + level.limit
        ends = [each for each in (end, None if high is None else high + 1) if each is not None]
        level.offset = max(level.offset, low)
        level.limit = max(0, min(ends) - level.offset) if ends else None
    if most is not None:
        level.limit = most if level.limit is None else min(level.limit, most)


def content_range(low: int, high: int, total: int | None) -> str:
    """Return the header's value for the rows from *low* to *high*."""
    rows = f"{low}-{high}" if low <= high and total != 0 else "*"
    return f"{rows}/{'*' if total is None else total}"


def status(low: int, high: int, total: int | None) -> int:
    """Return the status of a page.

    Raises:
        Refused: It would begin behind the last row.
    """
    if total is None:
        return 200
    if low > total:
        raise range_not_satisfiable(
            f"An offset of {low} was requested, but there are only {total} rows.",
            content_range(low, high, total),
        )
    return 206 if 1 + high - low < total else 200
