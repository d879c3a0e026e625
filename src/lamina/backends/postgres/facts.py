"""What holds for all vectors of one store: their dimension, metric, embedder, and index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from asyncpg import Connection
from asyncpg.exceptions import (
    FeatureNotSupportedError,
    InsufficientPrivilegeError,
    InvalidSchemaNameError,
    UndefinedFileError,
)

from lamina.backends.postgres.schema import LOCK, Tables
from lamina.backends.postgres.vectors_sql import Statements, statements
from lamina.errors import AuthError, Invalid, Unavailable

if TYPE_CHECKING:
    from lamina.backends.postgres.pool import Pool
    from lamina.index.dense import Metric

OLDEST: Final = (0, 8)
_MOST_INDEXED: Final = 2_000  # numbers in a vector that hnsw takes
_MOST: Final = 16_000
_EXTENSION: Final = (
    "SELECT extversion, nspname FROM pg_extension "
    "JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'vector'"
)


@final
class Facts:
    """Prepares the tables of vectors, and notes what the first record decides.

    *dimension* and *embedder* are None until it is known.
    """

    def __init__(
        self, pool: Pool, schema: str, metric: Metric, dimension: int | None, *, create: bool
    ) -> None:
        self.sql = Statements()
        self.dimension: int | None = None
        self.embedder: str | None = None
        self.indexed = False
        self._pool = pool
        self._schema = schema
        self._metric: Metric = metric
        self._wanted = dimension
        self._create = create

    async def prepare(self, connection: Connection) -> None:
        """Find pgvector and the tables, or make them if told to.

        Raises:
            Unavailable: They are missing, too old, or hold vectors of another kind.
        """
        extension = await self._extension(connection)
        tables = Tables("vectors", 1, self._schema, extension)
        await tables.prepare(connection, create=self._create)
        self.sql = statements(self._schema, extension, self._metric)
        await self._read(connection)
        if self._wanted is not None and self.dimension is None:
            async with connection.transaction():
                await self._note(connection, self._wanted)
            await self._read(connection)
        if self._wanted not in {None, self.dimension}:
            msg = f"the vectors here have {self.dimension} numbers, not {self._wanted}"
            raise Unavailable(msg, transient=False, sent="no")

    async def fix(self, dimension: int) -> None:
        """Make sure that vectors have that *dimension*: the first one decides.

        Raises:
            Invalid: They have another.
        """
        if self.dimension is None:
            async with self._pool.transaction() as connection:
                await self._note(connection, dimension)
            await self.look()  # not before: what is not committed is not known
        self.check(dimension)

    def check(self, dimension: int) -> None:
        """Refuse another dimension.

        Raises:
            Invalid: It is another.
        """
        if self.dimension not in {None, dimension}:
            msg = f"vectors here have {self.dimension} numbers, got {dimension}"
            raise Invalid(msg)

    async def look(self) -> None:
        """Read what another process may have noted meanwhile."""
        rows = await self._pool.ask(Connection.fetch, self.sql.facts)
        self._take({row[0]: row[1] for row in rows})
        if self.dimension is not None and not self.indexed:
            self.indexed = bool(await self._pool.ask(Connection.fetchval, self.sql.has_index))

    async def claim(self, embedder: str, *, note: bool) -> None:
        """Make sure that all texts here are embedded by that one.

        Raises:
            Invalid: They are embedded by another.
        """
        if self.embedder is None:
            if note:
                await self._pool.ask(Connection.execute, self.sql.note, "embedder", embedder)
            await self.look()
        if self.embedder not in {None, embedder}:
            msg = f"texts here were embedded by {self.embedder}, not by {embedder}: use that one"
            raise Invalid(msg)

    async def _extension(self, connection: Connection) -> str:
        """Return the schema of pgvector."""
        found = await connection.fetchrow(_EXTENSION)
        if found is None and self._create:
            try:
                async with connection.transaction():
                    await connection.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
                    await connection.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
            except (FeatureNotSupportedError, UndefinedFileError) as error:
                msg = "the server lacks the extension vector: install pgvector there"
                raise Unavailable(msg, transient=False, sent="no") from error
            except (InsufficientPrivilegeError, InvalidSchemaNameError) as error:
                told = "the user may not make the extension vector in the schema public"
                msg = f"{told}: have an administrator run CREATE EXTENSION vector"
                raise AuthError(msg, sent="no") from error
            found = await connection.fetchrow(_EXTENSION)
        if found is None:
            msg = "the database lacks the extension vector: run CREATE EXTENSION vector in it"
            raise Unavailable(msg, transient=False, sent="no")
        version = tuple(int(part) for part in str(found[0]).split(".")[:2])
        if version < OLDEST:
            msg = f"pgvector {found[0]} is too old: 0.8 or later is needed"
            raise Unavailable(msg, transient=False, sent="no")
        return str(found[1])

    async def _read(self, connection: Connection) -> None:
        rows = await connection.fetch(self.sql.facts)
        self._take({row[0]: row[1] for row in rows})
        self.indexed = bool(await connection.fetchval(self.sql.has_index))

    async def _note(self, connection: Connection, dimension: int) -> None:
        """Note the dimension and make the index, inside a transaction."""
        if dimension > _MOST:
            msg = f"a vector has at most {_MOST} numbers, got {dimension}"
            raise Invalid(msg)
        await connection.execute(self.sql.lock)
        if await connection.fetchval(self.sql.fact, "dimension") is not None:
            return
        if self._create and dimension <= _MOST_INDEXED:
            await connection.execute(self.sql.make_index.replace(":dim", str(dimension)))
        await connection.execute(self.sql.note, "dimension", str(dimension))
        await connection.execute(self.sql.note, "metric", self._metric)

    def _take(self, facts: dict[str, str]) -> None:
        if facts.get("metric", self._metric) != self._metric:
            msg = f"the vectors here are for the metric {facts['metric']}, not {self._metric}"
            raise Unavailable(msg, transient=False, sent="no")
        self.dimension = int(facts["dimension"]) if "dimension" in facts else None
        self.embedder = facts.get("embedder")
