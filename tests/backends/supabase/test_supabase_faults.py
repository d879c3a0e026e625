"""A failing Supabase is told in time and truthfully, and the next call works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import jwt
import pytest

from lamina.backends.supabase import SupabaseDocuments, SupabaseMedia
from lamina.backends.supabase.sql import migration
from lamina.domains.documents import Documents, Write
from lamina.domains.media import PART, Begin, Media, PutPart
from lamina.errors import (
    AuthError,
    Closed,
    Conflict,
    Corrupt,
    Invalid,
    StackError,
    StorageError,
    Throttled,
    TimedOut,
    Unavailable,
    Unsupported,
)
from lamina.stack import Stack
from lamina.testing.faults import FaultProxy
from lamina.testing.servers import Project, Supabase
from lamina.values import Failed, Json

pytestmark = pytest.mark.server

MAKE_BUCKET: Final = "INSERT INTO storage.buckets (id, name) VALUES ('media', 'media');"
ROW: Final = "SELECT count(*) FROM lamina_documents"


@pytest.fixture(scope="module")
def victim() -> Iterator[Supabase]:
    with Supabase() as server:
        yield server


@pytest.fixture
def project(victim: Supabase) -> Project:
    victim.forget()
    return victim.project(migration() + MAKE_BUCKET)


@asynccontextmanager
async def documents(project: Project, **options: Any) -> AsyncGenerator[Documents, None]:
    given: dict[str, Any] = {
        "url": project.url,
        "key": project.service_key,
        "timeout": 2.0,
        **options,
    }
    async with Stack().over(SupabaseDocuments(**given)) as store:
        yield store


@asynccontextmanager
async def media(project: Project, **options: Any) -> AsyncGenerator[Media, None]:
    given: dict[str, Any] = {"bucket": "media", "timeout": 2.0, **options}
    given = {"url": project.url, "key": project.service_key, **given}
    async with Stack().over(SupabaseMedia(**given)) as store:
        yield store


async def test_a_server_that_is_killed_is_used_again_once_it_is_back(
    victim: Supabase, project: Project
) -> None:
    async with documents(project) as store, media(project) as files:
        await store.set("a", "text")
        await files.set("a", b"1")
        project.control({"hang": True, "times": 2})
        calls: list[asyncio.Future[Any]]
        calls = [asyncio.ensure_future(store.get("a")), asyncio.ensure_future(files.head("a"))]
        async with asyncio.timeout(5):
            while project.control()["faults"]:
                await asyncio.sleep(0.01)
        await asyncio.to_thread(victim.kill)
        told = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(one) for one in told] == [Unavailable, Unavailable], told
        with pytest.raises(Unavailable, match="cannot connect") as caught:
            await store.get("a")
        assert (caught.value.sent, caught.value.backend) == ("no", "supabase")
        await asyncio.to_thread(victim.restart)

        found = await store.get("a")
        assert found is not None
        assert found.content == "text"
        assert await files.get("a") == b"1"


async def test_a_paused_server_is_given_up_in_time(victim: Supabase, project: Project) -> None:
    async with documents(project, timeout=0.3) as store, media(project, timeout=0.3) as files:
        await store.set("a", "text")
        victim.pause()
        try:
            started = monotonic()
            calls = (store.get("a"), store.set("a", "other"), files.set("a", b"1"))
            told = await asyncio.gather(*calls, return_exceptions=True)
            assert monotonic() - started < 2
        finally:
            victim.resume()
        assert [type(one) for one in told] == [TimedOut] * 3, told
        assert all(isinstance(one, TimedOut) and one.sent == "maybe" for one in told)

        found = await store.get("a")
        assert found is not None


async def test_a_database_that_is_down_is_told_and_used_again(
    victim: Supabase, project: Project
) -> None:
    async with documents(project) as store:
        await store.set("a", "text")
        await asyncio.to_thread(victim.postgres.kill)
        try:
            with pytest.raises(Unavailable) as caught:
                await store.get("a")
            with pytest.raises(Unavailable) as caught:
                await store.get("a")
            assert "PGRST" in str(caught.value)
        finally:
            await asyncio.to_thread(victim.postgres.restart)

        found = None
        async with asyncio.timeout(10):
            while True:
                try:
                    found = await store.get("a")
                    break
                except Unavailable:
                    await asyncio.sleep(0.05)
        assert found is not None


@pytest.mark.parametrize("how", ["reset", "close", "hang"])
async def test_an_answer_lost_after_the_request_may_have_been_carried_out(
    project: Project, how: Any
) -> None:
    address = urlsplit(project.url)
    async with FaultProxy(str(address.hostname), address.port or 0) as proxy:
        url = f"http://{proxy.address}{address.path}"
        async with documents(project, url=url, timeout=0.5) as store:
            await store.set("a", "text")
            proxy.after_request(how)
            with pytest.raises((Unavailable, TimedOut)) as caught:
                await store.set("a", "other")
            assert caught.value.sent == "maybe"

            found = await store.get("a")
            assert found is not None
            assert found.content in {"text", "other"}


async def test_half_an_answer_is_none(project: Project) -> None:
    address = urlsplit(project.url)
    async with FaultProxy(str(address.hostname), address.port or 0) as proxy:
        url = f"http://{proxy.address}{address.path}"
        async with documents(project, url=url) as store, media(project, url=url) as files:
            await store.set("a", "text " * 1000)
            await files.set("a", b"1" * 10_000)
            for call in (store.get("a"), files.get("a")):
                proxy.in_answer("close", after=500)
                with pytest.raises(Unavailable, match="lost"):
                    await call
            assert await files.get("a") == b"1" * 10_000


@pytest.mark.parametrize(
    ("told", "becomes", "wait"),
    [
        ({"preset": "schema-cache"}, Unavailable, 0.0),
        ({"preset": "pool"}, Unavailable, None),
        ({"preset": "timeout"}, TimedOut, None),
        ({"status": 429, "headers": {"Retry-After": "7"}, "body": {"message": "x"}}, Throttled, 7),
        ({"preset": "gateway"}, Unavailable, None),
        ({"preset": "no-code", "status": 500}, Unavailable, None),
        ({"status": 200, "body": "<html>hello</html>"}, Corrupt, None),
    ],
)
async def test_what_a_gateway_or_the_database_answers(
    victim: Supabase, project: Project, told: Any, becomes: type[StorageError], wait: float | None
) -> None:
    async with documents(project) as store:
        project.control(told)
        with pytest.raises(becomes) as caught:
            await store.get("a")
        if wait is not None:
            assert caught.value.retry_after == wait
        assert await store.get("a") is None


@pytest.mark.parametrize("which", ["expired", "wrong", "anonymous"])
async def test_a_key_that_is_refused_fails_opening(
    victim: Supabase, project: Project, which: str
) -> None:
    keys = {
        "expired": project.key("service_role", expires=1_000),
        "wrong": jwt.encode({"role": "service_role"}, "another secret of enough length, too"),
        "anonymous": project.anon_key,
    }
    with pytest.raises(AuthError) as caught:
        async with documents(project, key=keys[which]):
            pass
    assert not caught.value.transient
    assert keys[which] not in str(caught.value)
    with pytest.raises((AuthError, Invalid)):
        async with media(project, key=keys[which]):
            pass


async def test_what_is_missing_is_named_with_what_to_do(victim: Supabase) -> None:
    bare = victim.project()
    with pytest.raises(Invalid, match="lamina sql supabase"):
        async with documents(bare):
            pass
    with pytest.raises(Invalid, match="no such bucket"):
        async with media(bare):
            pass
    with pytest.raises(Invalid, match=r"a function of Lamina is missing.*lamina sql supabase"):
        async with media(victim.project(MAKE_BUCKET)):
            pass
    old = victim.project(migration() + "UPDATE lamina_versions SET version = 99;")
    with pytest.raises(Invalid, match="another version"):
        async with documents(old):
            pass


async def test_a_server_that_is_not_there_is_told_at_once() -> None:
    nowhere = Project("http://127.0.0.1:9", "", "secret that is long enough to sign with")
    with pytest.raises(Unavailable, match="cannot connect"):
        async with documents(nowhere):
            pass


async def test_a_users_token_confines_it_to_the_users_scope(project: Project) -> None:
    told = {"role": "authenticated", "app_metadata": {"lamina_scope": "acme"}}
    token = jwt.encode(told, project.jwt_secret)
    async with documents(project) as all_scopes:
        await all_scopes.set("a", "of nobody")
        await all_scopes.scoped("acme").set("a", "of acme")
        await all_scopes.scoped("other").set("a", "of other")
        async with documents(project, key=project.anon_key, token=token) as theirs:
            own = await theirs.scoped("acme").get("a")
            assert own is not None
            assert own.content == "of acme"
            assert await theirs.get("a") is None
            assert await theirs.scoped("other").get("a") is None
            assert await theirs.scoped("other").search("other") == ()
            assert await theirs.scoped("other").delete("a") is False
            with pytest.raises(AuthError):
                await theirs.scoped("other").set("b", "text")
            await theirs.scoped("acme").set("b", "text")
        assert await all_scopes.scoped("other").get("b") is None


async def test_a_token_reaches_no_other_scope_by_any_function(
    victim: Supabase, project: Project
) -> None:
    told = {"role": "authenticated", "app_metadata": {"lamina_scope": "acme"}}
    theirs = jwt.encode(told, project.jwt_secret)
    nobody = jwt.encode({"role": "authenticated"}, project.jwt_secret)
    unscoped = {"role": "authenticated", "app_metadata": {"lamina_scope": ""}}
    async with documents(project) as store:
        await store.scoped("other").set("a", "secret words", path="/a", metadata={"a": 1})
        await store.set("a", "secret words", path="/a")
    page = {"_words": None, "_condition": None, "_sorted_by": "id", "_descending": False}
    after = {"_after_value": None, "_after_id": None, "_most": 10}
    asked: dict[str, dict[str, Any]] = {
        "lamina_documents_read": {"_ids": ["a"]},
        "lamina_documents_page": {**page, **after},
        "lamina_documents_find": {**page, **after},
    }
    tokens = (theirs, nobody, jwt.encode(unscoped, project.jwt_secret), project.anon_key)
    async with httpx.AsyncClient() as bare:
        for token in tokens:
            headers = {"apikey": project.anon_key, "authorization": f"Bearer {token}"}
            for name, given in asked.items():
                for scope in ("other", ""):
                    url = f"{project.url}/rest/v1/rpc/{name}"
                    answer = await bare.post(url, json={"_scope": scope, **given}, headers=headers)
                    assert "secret" not in answer.text
                    assert answer.json() == [] or answer.status_code in {401, 403}
            url = f"{project.url}/rest/v1/lamina_versions"
            answer = await bare.patch(url, json={"version": 9}, headers=headers)
            assert answer.status_code in {401, 403}
    rights = (
        "SELECT string_agg(privilege_type, ' ' ORDER BY 1) FROM (SELECT DISTINCT privilege_type"
        " FROM information_schema.role_table_grants WHERE table_name LIKE 'lamina%'"
        " AND grantee IN ('PUBLIC', 'anon', 'authenticated')) AS every"
    )
    assert victim.postgres.run(rights, dsn=project.dsn).split() == [
        "DELETE",
        "INSERT",
        "SELECT",
        "UPDATE",
    ]


async def test_the_migration_may_run_again_and_in_another_schema(victim: Supabase) -> None:
    own = victim.project(migration("tenants") * 2 + migration() * 2)
    async with documents(own, schema="tenants") as store, documents(own) as other:
        await store.set("a", "text")
        assert await other.get("a") is None
        assert await store.get("a") is not None
    with pytest.raises(StackError):
        migration('x"; DROP TABLE y; --')


async def test_one_of_many_versions_wins_and_versions_are_not_skipped(project: Project) -> None:
    async with documents(project) as store:
        await store.set("a", "text")
        told = await asyncio.gather(
            *(store.update("a", content=str(at), expected_version=1) for at in range(50)),
            return_exceptions=True,
        )
        assert [one for one in told if one == 2] == [2]
        assert sum(isinstance(one, Conflict) for one in told) == 49
        told = await asyncio.gather(*(store.set("a", str(at)) for at in range(50)))
        found = await store.get("a")
        assert found is not None
        assert found.version == 52


async def test_a_batch_is_written_in_order_and_around_what_is_refused(project: Project) -> None:
    items = [
        Write(f"{at % 7}", f"{at} " + "x" * 50_000 * (at % 2), Json.of({"at": at}))
        for at in range(20)
    ]
    items[3] = Write("3", "no", Json(b"[1]"))
    async with documents(project, timeout=10.0) as store:
        await store.set("gone", "text", path="/taken")
        items.append(Write("late", "text", path="/taken"))
        told = await store.set_many(items, outcomes=True)
        failed = {at: type(one.error) for at, one in enumerate(told) if isinstance(one, Failed)}
        assert failed == {3: Invalid, 20: Conflict}
        found = await store.get_many([f"{at}" for at in range(7)])
        assert [one and one.metadata["at"] for one in found] == [14, 15, 16, 17, 18, 19, 13]


async def test_an_upload_leaves_nothing_behind(victim: Supabase, project: Project) -> None:
    async with media(project, timeout=10.0) as store:
        await store.set("big", b"x" * (2 * PART + 5))
        upload = await store.bound.send(Begin("gone"))
        await store.bound.send(PutPart("gone", upload, 1, b"1"))
    left = victim.postgres.run(
        "SELECT string_agg(name, ' ' ORDER BY name) FROM storage.objects", dsn=project.dsn
    )
    names = str(left)
    assert "big" in names
    assert names.count("=u/") == 2  # of the upload that nobody finished or aborted


async def test_conditions_are_refused_before_anything_is_sent(
    victim: Supabase, project: Project
) -> None:
    async with media(project) as store:
        victim.forget()
        with pytest.raises(Unsupported):
            await store.set("a", b"1", if_absent=True)
        with pytest.raises(Invalid):
            await store.url("a", expires=1e9)


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://x"},
        {"url": "https://user:secret@x.example"},
        {"url": ""},
        {"key": ""},
        {"key": "with space"},
        {"key": "line\nbreak"},
        {"token": "x\r\ny: z"},
        {"timeout": 0},
        {"timeout": float("nan")},
        {"connect_timeout": -1},
        {"connections": 0},
        {"schema": ""},
        {"schema": 'a"b'},
        {"schema": "a\nb"},
    ],
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    given: dict[str, Any] = {"url": "https://x.example", "key": "key", **wrong}
    with pytest.raises(StackError) as caught:
        SupabaseDocuments(**given)
    assert "secret" not in str(caught.value)
    with pytest.raises(StackError):
        SupabaseMedia(**given, bucket="media")


async def test_calls_are_refused_unless_it_is_open(project: Project) -> None:
    backend = SupabaseDocuments(project.url, project.service_key)
    store = Stack().over(backend)
    with pytest.raises(Closed):
        await store.get("a")
    await store.close()
