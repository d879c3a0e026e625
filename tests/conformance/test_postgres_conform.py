"""The PostgreSQL backends do what their domains' interfaces promise, on a real server."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, ClassVar

import pytest

from lamina.backends.postgres import PostgresDocuments, PostgresKeyValue
from lamina.testing.contracts import DocumentsContract, KeyValueContract

if TYPE_CHECKING:
    from lamina.testing.servers import Postgres


class OnPostgres:
    """Gives each backend a schema of its own, and moves the server's clock there."""

    examples = 12

    @pytest.fixture(autouse=True)
    def _server(self, postgres: Postgres, request: pytest.FixtureRequest) -> None:
        self._postgres = postgres
        self._url = postgres.database()
        self._numbers = count()
        self._schema = ""
        self._elapsed = 0.0

    def schema(self) -> str:
        self._schema = f"lamina_{next(self._numbers)}"
        self._elapsed = 0.0
        return self._schema

    async def elapse(self, seconds: float) -> None:
        self._elapsed += seconds
        self._postgres.run(
            f"CREATE OR REPLACE FUNCTION {self._schema}.lamina_now() RETURNS double precision "
            "LANGUAGE sql VOLATILE AS $$ SELECT extract(epoch FROM clock_timestamp())"
            f"::double precision + {self._elapsed} $$",
            dsn=self._url,
        )


@pytest.mark.server
class TestPostgresKeyValue(OnPostgres, KeyValueContract):
    def backend(self) -> PostgresKeyValue:
        return PostgresKeyValue(self._url, schema=self.schema())


@pytest.mark.server
class TestPostgresDocuments(OnPostgres, DocumentsContract):
    def backend(self) -> PostgresDocuments:
        return PostgresDocuments(self._url, schema=self.schema())
