"""A project on the local Supabase, with the tables that the tests of its API need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from supabase_calls import SQL, Rest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.testing.servers import Project, Supabase


@pytest.fixture(scope="module")
def project(supabase: Supabase) -> Project:
    return supabase.project(SQL)


@pytest.fixture
def rest(project: Project) -> Iterator[Rest]:
    with Rest(project, project.service_key) as client:
        yield client
