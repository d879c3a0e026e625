"""Supabase's tables and Storage do what the interface promises, on a real PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from lamina.backends.supabase import SupabaseDocuments, SupabaseMedia
from lamina.backends.supabase.sql import migration
from lamina.testing.contracts import DocumentsContract, MediaContract

if TYPE_CHECKING:
    from lamina.testing.servers import Project, Supabase

BUCKET: Final = "media"
MAKE_BUCKET: Final = f"INSERT INTO storage.buckets (id, name) VALUES ('{BUCKET}', '{BUCKET}');"


class InProjects:
    """Gives each backend a project of its own."""

    examples = 5
    sweep_points = 30

    @pytest.fixture(autouse=True)
    def _server(self, supabase: Supabase) -> None:
        self._supabase = supabase

    def project(self) -> Project:
        self._elapsed = 0.0
        self._project = self._supabase.project(migration() + MAKE_BUCKET)
        return self._project

    async def elapse(self, seconds: float) -> None:
        self._elapsed += seconds
        self._supabase.postgres.run(
            "CREATE OR REPLACE FUNCTION public.lamina_now() RETURNS double precision "
            "LANGUAGE sql VOLATILE AS $$ SELECT extract(epoch FROM clock_timestamp())"
            f"::double precision + {self._elapsed} $$",
            dsn=self._project.dsn,
        )


@pytest.mark.server
class TestSupabaseDocuments(InProjects, DocumentsContract):
    def backend(self) -> SupabaseDocuments:
        project = self.project()
        return SupabaseDocuments(project.url, project.service_key)


@pytest.mark.server
class TestSupabaseMedia(InProjects, MediaContract):
    def backend(self) -> SupabaseMedia:
        project = self.project()
        return SupabaseMedia(project.url, project.service_key, bucket=BUCKET)
