"""The PostgreSQL backends do what their domains' interfaces promise, on a real server."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final

import asyncpg
import pytest

from lamina.backends.postgres import PostgresDocuments, PostgresKeyValue, PostgresVectors
from lamina.embed import LexicalEmbedder
from lamina.testing.contracts import DocumentsContract, KeyValueContract, VectorsContract

if TYPE_CHECKING:
    from lamina.testing.servers import Postgres

_EMBEDDER: Final = LexicalEmbedder()
_NUMBERS: Final = count()


@pytest.fixture(scope="module")
def database(postgres: Postgres) -> str:
    return postgres.database()


class OnPostgres:
    """Gives each backend a schema of its own, and moves the server's clock there."""

    examples = 15
    sweep_points: int | None = 8

    @pytest.fixture(autouse=True)
    def _server(self, database: str) -> None:
        self._url = database
        self._schema = ""
        self._elapsed = 0.0

    def schema(self) -> str:
        self._schema = f"lamina_{next(_NUMBERS)}"
        self._elapsed = 0.0
        return self._schema

    async def elapse(self, seconds: float) -> None:
        self._elapsed += seconds
        made = (
            f"CREATE OR REPLACE FUNCTION {self._schema}.lamina_now() RETURNS double precision "
            "LANGUAGE sql VOLATILE AS $$ SELECT extract(epoch FROM clock_timestamp())"
            f"::double precision + {self._elapsed} $$"
        )
        connection = await asyncpg.connect(self._url)
        try:
            await connection.execute(made)
        finally:
            await connection.close()


@pytest.mark.server
class TestPostgresKeyValue(OnPostgres, KeyValueContract):
    def backend(self) -> PostgresKeyValue:
        return PostgresKeyValue(self._url, schema=self.schema())


@pytest.mark.server
class TestPostgresDocuments(OnPostgres, DocumentsContract):
    def backend(self) -> PostgresDocuments:
        return PostgresDocuments(self._url, schema=self.schema())


@pytest.mark.server
class TestPostgresVectors(OnPostgres, VectorsContract):
    dimension = _EMBEDDER.dimension

    def backend(self) -> PostgresVectors:
        return PostgresVectors(self._url, schema=self.schema(), embedder=_EMBEDDER)


@pytest.mark.server
class TestPostgresVectorsByDistance(OnPostgres, VectorsContract):
    examples = 10
    dimension = _EMBEDDER.dimension

    def backend(self) -> PostgresVectors:
        schema = self.schema()
        return PostgresVectors(self._url, schema=schema, embedder=_EMBEDDER, metric="euclidean")


@pytest.mark.server
class TestPostgresVectorsByDotThroughTheIndex(OnPostgres, VectorsContract):
    examples = 10
    dimension = _EMBEDDER.dimension

    def backend(self) -> PostgresVectors:
        return PostgresVectors(
            self._url,
            schema=self.schema(),
            embedder=_EMBEDDER,
            metric="dot",
            exact_below=1,
            ef_search=400,
        )
