"""Delete what has expired, beside the writes that make it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, final

from asyncpg.prepared_stmt import PreparedStatement

if TYPE_CHECKING:
    from lamina.backends.postgres.keyvalue_sql import Statements
    from lamina.backends.postgres.pool import Pool
    from lamina.runtime import Runtime

_EVERY: Final = 512  # rows written, or
_AFTER: Final = 60.0  # seconds
_AT_ONCE: Final = 1_000  # rows in one transaction, so that nobody waits for long


@final
class Purging:
    """Deletes expired rows now and then, all there are, and skips what others have locked."""

    def __init__(self, pool: Pool, sql: Statements) -> None:
        self._pool = pool
        self._queries = (sql.purge, sql.purge_appends)
        self._written = 0
        self._due = math.inf
        self._busy = False

    def written(self, rows: int, runtime: Runtime) -> None:
        """Count what is written, and start deleting when it is time."""
        self._written += rows
        now = runtime.now()
        if self._due == math.inf:  # the first
            self._due = now + _AFTER
        elif (self._written >= _EVERY or now >= self._due) and not self._busy:
            self._written, self._due = 0, now + _AFTER
            if runtime.has_room():
                runtime.spawn(self._purge(), "delete what has expired")

    async def _purge(self) -> None:
        self._busy = True
        try:
            for query in self._queries:
                while await self._pool.run(PreparedStatement.fetchval, query, _AT_ONCE) == _AT_ONCE:
                    pass
        finally:
            self._busy = False
