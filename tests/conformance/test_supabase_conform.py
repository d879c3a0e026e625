"""Supabase's tables and Storage do what the interface promises, on a real PostgreSQL."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, ClassVar, Final

import pytest

from lamina.backends.supabase import SupabaseDocuments, SupabaseMedia
from lamina.backends.supabase.sql import migration
from lamina.testing.contracts import DocumentsContract, MediaContract

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.testing.servers import Project, Supabase

_SCHEMAS: Final = 4
"""How many backends may be in use at once; making a schema takes longer than emptying one."""


class InProject:
    """All backends of a class share a project."""

    examples = 5
    sweep_points: int | None = 30
    _supabase: ClassVar[Supabase]
    _project: ClassVar[Project]
    _numbers: ClassVar[Iterator[int]]

    @classmethod
    def prepare(cls) -> str:
        """Return the SQL that makes the project."""
        return migration()

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _server(cls, supabase: Supabase) -> None:
        cls._supabase, cls._numbers = supabase, count()
        cls._project = supabase.project(cls.prepare())

    def run(self, sql: str) -> None:
        """Run SQL behind the server's back."""
        self._supabase.postgres.run(sql, dsn=self._project.dsn)


@pytest.mark.server
class TestSupabaseDocuments(InProject, DocumentsContract):
    _elapsed: ClassVar[dict[str, float]] = {}

    @classmethod
    def prepare(cls) -> str:
        return "".join(migration(f"s{number}") for number in range(_SCHEMAS))

    def backend(self) -> SupabaseDocuments:
        """Return one in a schema that was emptied, whose clock is right."""
        self._schema = f"s{next(self._numbers) % _SCHEMAS}"
        self.run(f"TRUNCATE {self._schema}.lamina_documents")
        if self._elapsed.pop(self._schema, None):
            self.run(self._clock(0.0))
        project = self._project
        return SupabaseDocuments(project.url, project.service_key, schema=self._schema)

    async def elapse(self, seconds: float) -> None:
        self._elapsed[self._schema] = self._elapsed.get(self._schema, 0.0) + seconds
        self.run(self._clock(self._elapsed[self._schema]))

    def _clock(self, ahead: float) -> str:
        return (
            f"CREATE OR REPLACE FUNCTION {self._schema}.lamina_now() RETURNS double precision "
            "LANGUAGE sql VOLATILE AS $$ SELECT extract(epoch FROM clock_timestamp())"
            f"::double precision + {ahead} $$"
        )


@pytest.mark.server
class TestSupabaseMedia(InProject, MediaContract):
    def backend(self) -> SupabaseMedia:
        """Return one in a bucket of its own."""
        bucket = f"media-{next(self._numbers)}"
        self.run(f"INSERT INTO storage.buckets (id, name) VALUES ('{bucket}', '{bucket}')")
        return SupabaseMedia(self._project.url, self._project.service_key, bucket=bucket)
