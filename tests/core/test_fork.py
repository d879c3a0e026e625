"""A store that was opened before a fork is refused in the child, and goes on in the parent."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from lamina.backends.postgres import PostgresKeyValue
from lamina.backends.redis import RedisKeyValue
from lamina.backends.s3 import S3Media
from lamina.backends.supabase import SupabaseDocuments
from lamina.backends.supabase.sql import migration
from lamina.backends.upstash import UpstashVectors
from lamina.errors import WrongLoop
from lamina.stack import Stack

if TYPE_CHECKING:
    from lamina.backend import Backend
    from lamina.testing.servers import S3, Postgres, Supabase, Upstash, Valkey

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    # A fork beside threads is what is tested; the child only asks and leaves.
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]


@pytest.fixture
def makers(
    valkey: Valkey, postgres: Postgres, upstash: Upstash, supabase: Supabase, s3: S3
) -> dict[str, Callable[[], Backend[Any]]]:
    def project() -> SupabaseDocuments:
        made = supabase.project(migration())
        return SupabaseDocuments(made.url, made.service_key)

    def media() -> S3Media:
        keys = {"access_key": s3.access_key, "secret_key": s3.secret_key}
        return S3Media(s3.bucket(), endpoint=s3.url, region=s3.region, **keys)

    return {
        "redis": lambda: RedisKeyValue(valkey.database()),
        "postgres": lambda: PostgresKeyValue(postgres.database()),
        "upstash": lambda: UpstashVectors(*upstash.index()),
        "supabase": project,
        "s3": media,
    }


def answer_of_child(work: Callable[[], None]) -> int:
    """Run *work* in a forked child; return 0 if it ends, 1 if it raises."""
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


@pytest.mark.parametrize("name", ["redis", "postgres", "upstash", "supabase", "s3"])
async def test_a_child_is_refused_and_the_parent_goes_on(
    makers: dict[str, Callable[[], Backend[Any]]], name: str
) -> None:
    async with Stack().over(makers[name]()) as store:
        await store.check()

        def work() -> None:
            asyncio.events._set_running_loop(None)  # as in a child that starts a loop of its own
            with pytest.raises(WrongLoop):
                asyncio.run(store.check())

        sys.stdout.flush()
        assert answer_of_child(work) == 0
        await asyncio.gather(*(store.check() for _ in range(5)))
