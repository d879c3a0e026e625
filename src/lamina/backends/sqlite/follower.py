"""Keep the indexes in memory in step with the table of vector records."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final, final

from lamina.backends.sqlite import records

if TYPE_CHECKING:
    from collections.abc import Callable
    from sqlite3 import Connection

    from lamina.backends.sqlite.database import Database
    from lamina.index.dense import Metric
    from lamina.index.kinds import Kind
    from lamina.index.spaces import Spaces
    from lamina.threads import OneThread

_AT_ONCE: Final = 1_000


@final
class Follower:
    """Reads what has changed since it last looked, whoever changed it."""

    def __init__(
        self, database: Database, thread: OneThread, kind: Kind, metric: Metric, *, ann: bool
    ) -> None:
        self._database = database
        self._thread = thread
        self._options: tuple[Kind, Metric, bool] = (kind, metric, ann)
        self._following = asyncio.Lock()
        self._spaces: Spaces | None = None  # numpy is loaded with the first

    async def followed(self) -> Spaces:
        """Return the indexes, as of what the database holds now."""
        async with self._following:
            spaces = self._spaces
            if spaces is None:
                spaces = self._spaces = await self._thread.run(self._made)
            more = True
            while more:
                seen = spaces.seen
                rows, pruned = await self._database.read(_changes_after(seen))
                if 0 < seen < pruned:
                    await self._thread.run(spaces.forget)
                    continue
                if rows:
                    await self._thread.run(_follow, spaces, rows)
                more = len(rows) == _AT_ONCE
            return spaces

    def _made(self) -> Spaces:
        from lamina.index.spaces import Spaces

        kind, metric, ann = self._options
        return Spaces(kind, metric, ann=ann)


def _changes_after(seen: int) -> Callable[[Connection], tuple[list[records.Row], int]]:
    return lambda rows: records.changes(rows, seen, _AT_ONCE)


def _follow(spaces: Spaces, rows: list[records.Row]) -> None:
    from lamina.index.spaces import Change

    spaces.follow(
        Change(
            number,
            (scope, namespace),
            id_,
            vector,
            records.unpacked(sparse),
            None if metadata in {None, "{}"} else json.loads(metadata or "{}"),
        )
        for number, scope, namespace, id_, vector, sparse, metadata in rows
    )
