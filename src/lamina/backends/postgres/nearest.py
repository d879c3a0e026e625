"""Search for the nearest vectors: exactly, or by the index where there are many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

from asyncpg import Connection

from lamina.backends.postgres.conditions import compiled
from lamina.backends.postgres.finding import Row
from lamina.backends.postgres.written import decoded
from lamina.domains.vectors import Match

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lamina.backends.postgres.facts import Facts
    from lamina.backends.postgres.pool import Pool
    from lamina.domains.vectors import Nearest
    from lamina.index.dense import Metric
    from lamina.runtime import Runtime
    from lamina.values import Vector

_SCORES: Final[dict[str, Callable[[float], float]]] = {
    "cosine": lambda distance: 1 - distance / 2,
    "dot": lambda distance: (1 - distance) / 2,
    "euclidean": lambda distance: 1 / (1 + distance * distance),
}
_MOST_EF: Final = 1_000  # what hnsw.ef_search may be
_REMEMBERED: Final = 30.0  # seconds
_MOST_SPACES: Final = 1_000


@final
class Search:
    """Finds the nearest records of a namespace.

    A search with a filter, of a namespace with fewer than *exact_below* records, by a vector of
    length 0, or of pages is exact. Others ask the index (HNSW) with *ef_search* candidates, and
    look at all when it gives fewer than were asked for.
    """

    def __init__(
        self, pool: Pool, facts: Facts, metric: Metric, *, exact_below: int, ef_search: int
    ) -> None:
        self._pool = pool
        self._facts = facts
        self._score = _SCORES[metric]
        self._exact_below = exact_below
        self._ef_search = ef_search
        self._large: dict[tuple[str, str], float] = {}

    async def nearest(self, op: Nearest, vector: Vector, runtime: Runtime) -> list[Match]:
        """Return the best of a namespace, best first."""
        if not await self._known(vector):
            return []
        by_index = op.filter is None and self._facts.indexed and op.top_k <= _MOST_EF
        if by_index and any(vector.numbers()) and await self._is_large(op, runtime):
            found = await self._near(op, vector)
            if len(found) == op.top_k:
                return found
        return await self._exact(op, vector, 0, op.top_k)

    async def page(self, op: Nearest, vector: Vector, before: int, limit: int) -> list[Match]:
        """Return at most *limit* of all matches, after so many that came *before*."""
        return await self._exact(op, vector, before, limit) if await self._known(vector) else []

    async def _known(self, vector: Vector) -> bool:
        """Tell whether there may be vectors, and refuse one of another dimension."""
        if self._facts.dimension is None:
            await self._facts.look()
        self._facts.check(vector.dimension)
        return self._facts.dimension is not None

    async def _exact(self, op: Nearest, vector: Vector, before: int, limit: int) -> list[Match]:
        values: list[Any] = [op.scope, op.namespace, vector.numbers()]
        where = "" if op.filter is None else f" AND {compiled(op.filter, values)}"
        values += (limit, before)
        ends = f"LIMIT ${len(values) - 1} OFFSET ${len(values)}"
        query = f"{self._facts.sql.exact}{where} ORDER BY distance, id {ends}"
        return self._matches(await self._pool.ask(Connection.fetch, query, *values))

    async def _near(self, op: Nearest, vector: Vector) -> list[Match]:
        ef = min(max(self._ef_search, op.top_k), _MOST_EF)
        query = self._facts.sql.near.replace(":dim", str(vector.dimension))
        async with self._pool.transaction() as connection:
            await connection.execute(
                f"SET LOCAL hnsw.ef_search = {ef}; SET LOCAL hnsw.iterative_scan = strict_order"
            )
            wanted = (op.scope, op.namespace, vector.numbers(), op.top_k)
            rows = await connection.fetch(query, *wanted)
        return sorted(self._matches(rows), key=lambda match: (-match.score, match.id))

    async def _is_large(self, op: Nearest, runtime: Runtime) -> bool:
        """Tell whether a namespace was large when last looked at."""
        space, now = (op.scope, op.namespace), runtime.now()
        if self._large.get(space, 0.0) > now:
            return True
        count = await self._pool.ask(
            Connection.fetchval, self._facts.sql.holds, *space, self._exact_below
        )
        if count < self._exact_below:
            return False
        if len(self._large) >= _MOST_SPACES:
            self._large.clear()
        self._large[space] = now + _REMEMBERED
        return True

    def _matches(self, rows: Iterable[Row]) -> list[Match]:
        return [Match(row[0], self._score(row[3]), row[1], decoded(row[2])) for row in rows]
