"""An upload in parts is visible whole or not at all, whatever happens while it is finished."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from lamina.backends.supabase import SupabaseMedia
from lamina.backends.supabase.sql import migration
from lamina.domains.media import PART, Abort, Begin, Finish, Media, PutPart
from lamina.errors import Corrupt, Invalid, StackError, StorageError, Unavailable
from lamina.stack import Stack
from lamina.testing.servers import Project, Supabase

pytestmark = pytest.mark.server

MAKE_BUCKET: Final = "INSERT INTO storage.buckets (id, name) VALUES ('media', 'media');"

SWAP: Final = (
    "UPDATE storage.objects SET version = one.version FROM storage.objects AS one "
    "WHERE storage.objects.name LIKE '=u/%/2-%' AND one.name LIKE '=u/%/1-%'"
)


@pytest.fixture
def project(supabase: Supabase) -> Project:
    return supabase.project(migration() + MAKE_BUCKET)


@asynccontextmanager
async def media(project: Project, **options: Any) -> AsyncGenerator[Media, None]:
    given: dict[str, Any] = {"bucket": "media", "timeout": 5.0, **options}
    async with Stack().over(SupabaseMedia(project.url, project.service_key, **given)) as store:
        yield store


async def begun(store: Media, *parts: bytes) -> tuple[str, tuple[str, ...]]:
    """Begin an upload of the object a, and write its parts."""
    upload = await store.bound.send(Begin("a"))
    etags = [
        await store.bound.send(PutPart("a", upload, number, data))
        for number, data in enumerate(parts, 1)
    ]
    return upload, tuple(etags)


def left(supabase: Supabase, project: Project) -> int:
    """Return how many objects of uploads there are."""
    query = "SELECT count(*) FROM storage.objects WHERE name LIKE '=u/%'"
    return int(supabase.postgres.run(query, dsn=project.dsn))


async def test_as_many_uploads_as_connections_do_not_wait_for_each_other(
    project: Project,
) -> None:
    big = b"x" * (PART + 1)
    async with media(project, connections=3) as store:
        await asyncio.gather(*(store.set(f"{at}", big) for at in range(6)))
        for at in range(6):
            found = await store.head(f"{at}")
            assert found is not None
            assert found.size == len(big)


async def test_a_connection_for_the_parts_is_asked_for_when_built() -> None:
    with pytest.raises(StackError, match="connections"):
        SupabaseMedia("https://x.example", "key", bucket="media", connections=1)


@pytest.mark.parametrize(
    ("harm", "becomes"),
    [
        ("UPDATE storage.objects SET version = 'gone' WHERE name LIKE '=u/%/2-%'", Invalid),
        (SWAP, Corrupt),
        ("DELETE FROM storage.objects WHERE name LIKE '=u/%/2-%'", Invalid),
    ],
)
async def test_a_part_that_is_lost_leaves_the_old_object(
    supabase: Supabase, project: Project, harm: str, becomes: type[StorageError]
) -> None:
    async with media(project) as store:
        await store.set("a", b"old")
        upload, etags = await begun(store, b"1" * 300_000, b"2" * 300_000)
        supabase.postgres.run(harm, dsn=project.dsn)

        with pytest.raises(becomes):
            await store.bound.send(Finish("a", upload, etags))

        assert await store.get("a") == b"old"
        assert await store.bound.send(Abort("a", upload)) is True
        assert left(supabase, project) == 0


async def test_an_upload_cancelled_while_it_is_finished_leaves_the_old_object(
    supabase: Supabase, project: Project
) -> None:
    async with media(project) as store:
        await store.set("a", b"old")
        upload, etags = await begun(store, *(b"%d" % at * 100_000 for at in range(4)))
        fault = {"path": "/storage/v1/object/media/", "method": "GET", "delay": 0.2, "times": 9}
        project.control(fault)
        finishing = asyncio.ensure_future(store.bound.send(Finish("a", upload, etags)))
        await asyncio.sleep(0.5)
        finishing.cancel()
        await asyncio.wait({finishing})
        project.forget()

        assert finishing.cancelled()
        assert await store.get("a") == b"old"
        info = await store.bound.send(Finish("a", upload, etags))
        assert info.size == 400_000
        assert left(supabase, project) == 0


async def test_finishing_again_removes_what_the_first_try_left(
    supabase: Supabase, project: Project
) -> None:
    async with media(project) as store:
        upload, etags = await begun(store, b"1", b"2")
        faults: list[dict[str, Any]] = [
            {"method": "DELETE", "delay": 0.01},
            {"method": "DELETE", "preset": "gateway"},
        ]
        project.control(*faults)
        with pytest.raises(Unavailable) as caught:
            await store.bound.send(Finish("a", upload, etags))
        assert caught.value.sent == "maybe"
        assert left(supabase, project) == 2

        info = await store.bound.send(Finish("a", upload, etags))
        assert info.size == 2
        assert await store.get("a") == b"12"
        assert left(supabase, project) == 0


async def test_racing_ends_of_an_upload_leave_all_or_nothing(
    supabase: Supabase, project: Project
) -> None:
    async with media(project) as store:
        for _ in range(5):
            upload, etags = await begun(store, b"1" * 1000, b"2" * 1000)
            told = await asyncio.gather(
                store.bound.send(Finish("a", upload, etags)),
                store.bound.send(Abort("a", upload)),
                store.bound.send(Finish("a", upload, etags)),
                store.bound.send(PutPart("a", upload, 2, b"3")),
                return_exceptions=True,
            )
            assert all(isinstance(one, StorageError) for one in told if isinstance(one, Exception))
            found = await store.get("a")
            assert found in {None, b"1" * 1000 + b"2" * 1000}
            await store.bound.send(Abort("a", upload))
            await store.delete("a")
        assert left(supabase, project) == 0


async def test_an_object_larger_than_the_bucket_allows_is_refused_and_not_seen(
    supabase: Supabase, project: Project
) -> None:
    limit = "UPDATE storage.buckets SET file_size_limit = 1000"
    supabase.postgres.run(limit, dsn=project.dsn)
    async with media(project) as store:
        upload, etags = await begun(store, b"1" * 900, b"2" * 900)
        with pytest.raises(Invalid, match="larger than the bucket allows"):
            await store.bound.send(Finish("a", upload, etags))
        with pytest.raises(Invalid, match="larger than the bucket allows"):
            await store.set("b", b"x" * 1001)
        assert await store.head("a") is None
        assert await store.head("b") is None


async def test_deleting_while_writing_is_no_failure_of_the_writer(project: Project) -> None:
    async with media(project) as store:
        for at in range(4):
            await asyncio.gather(store.set("a", b"%d" % at), store.delete("a"))
            await asyncio.gather(store.set("b", b"x" * PART + b"%d" % at), store.delete("b"))
