"""Find the nearest: by one query, or by one that is resumed until there are enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from lamina.backends.upstash.answers import matches_of
from lamina.backends.upstash.conditions import compiled
from lamina.backends.upstash.failures import reading
from lamina.backends.upstash.kinds import asked
from lamina.backends.upstash.names import name_of
from lamina.backends.upstash.resuming import Resumed
from lamina.errors import Unsupported
from lamina.values import Page

if TYPE_CHECKING:
    from typing import Any

    from lamina.backends.upstash.client import Client
    from lamina.backends.upstash.conditions import Clause
    from lamina.backends.upstash.kinds import Facts
    from lamina.domains.vectors import Match, Nearest, NearestPage

MOST: Final = 1_000
"""Records that one request gives: what the service allows."""

_FIRST: Final = 100
_LOOKED_AT: Final = 100_000


@final
class Search:
    """Searches of one index.

    The service may cut off what a filter finds, and cannot tell every filter. So where a query
    gives fewer than were asked for, the search goes on with all that the service has left.
    """

    def __init__(self, client: Client, resumed: Resumed) -> None:
        self._client = client
        self._resumed = resumed

    async def nearest(self, facts: Facts, op: Nearest) -> tuple[Match, ...]:
        """Return the nearest.

        Raises:
            Unsupported: More than 100,000 records would have to be looked at.
        """
        given, space, clause = (
            asked(facts, op),
            name_of(op.scope, op.namespace),
            compiled(op.filter),
        )
        if clause.text is None:
            return ()
        if op.top_k <= MOST and (op.filter is None or clause.text):
            with reading():
                found = matches_of(
                    await self._client.query(
                        top_k=op.top_k,
                        filter=clause.text,
                        include_metadata=True,
                        include_data=True,
                        namespace=space,
                        **given,
                    ),
                    op.filter,
                )
            if op.filter is None or len(found) == op.top_k:
                return tuple(found)
        return await self._all(op, given, space, clause)

    async def whole(self, facts: Facts, op: Nearest) -> tuple[Match, ...]:
        """Return the nearest among all that the service has left, not by one query.

        Raises:
            Unsupported: More than 100,000 records would have to be looked at.
        """
        clause = compiled(op.filter)
        if clause.text is None:
            return ()
        return await self._all(op, asked(facts, op), name_of(op.scope, op.namespace), clause)

    async def page(self, facts: Facts, op: NearestPage) -> Page[Match]:
        """Return a page of all matches; the last one ends what the service holds."""
        given, space, clause = (
            asked(facts, op),
            name_of(op.scope, op.namespace),
            compiled(op.filter),
        )
        if clause.text is None:
            return Page(())
        limit = min(op.limit, MOST)
        if op.cursor is None:
            found, query = await self._resumed.begin(given, space, clause.text, limit)
        else:
            query = self._resumed.of_cursor(op)
            found = await self._resumed.more(query, limit)
        if not query:
            return Page(())
        ended = not found or (not clause.text and len(found) < limit)
        if ended:
            self._resumed.end(query)
        with reading():
            items = tuple(matches_of(found, op.filter))
        return Page(items, None if ended else self._resumed.cursor(op, query))

    async def _all(
        self, op: Nearest, given: dict[str, Any], space: str, clause: Clause
    ) -> tuple[Match, ...]:
        size = min(MOST, max(op.top_k, _FIRST if clause.text else MOST))
        raw, query = await self._resumed.begin(given, space, clause.text or "", size)
        if not query:
            return ()
        try:
            looked = 0
            found: list[Match] = []
            while raw:
                with reading():
                    found += matches_of(raw, op.filter)
                looked += len(raw)
                if len(found) >= op.top_k or (not clause.text and len(raw) < size):
                    break
                if looked >= _LOOKED_AT and op.filter is not None:
                    msg = f"no {op.top_k} of the nearest {_LOOKED_AT} records meet the filter"
                    raise Unsupported(msg)
                size = MOST
                raw = await self._resumed.more(query, size)
        finally:
            self._resumed.end(query)
        found.sort(key=lambda match: -match.score)
        return tuple(found[: op.top_k])
