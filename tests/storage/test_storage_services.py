"""The same storage on services: what a bot does works, and one service down takes no other down."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

import lamina
from lamina.backends.supabase.sql import migration
from lamina.errors import StorageError
from lamina.testing.servers import Valkey

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.testing.servers import S3, Postgres, Supabase, Upstash

pytestmark = pytest.mark.server


@pytest.fixture
def environ(valkey: Valkey, upstash: Upstash, supabase: Supabase, s3: S3) -> dict[str, str]:
    project = supabase.project(migration())
    url, token = upstash.index("embedding")
    return {
        "REDIS_URL": valkey.database(),
        "UPSTASH_VECTOR_REST_URL": url,
        "UPSTASH_VECTOR_REST_TOKEN": token,
        "SUPABASE_URL": project.url,
        "SUPABASE_KEY": project.service_key,  # one of its three names
        "S3_BUCKET_NAME": s3.bucket(),
        "S3_ENDPOINT_URL": s3.url,
        "S3_REGION": s3.region,
        "S3_ACCESS_KEY_ID": s3.access_key,
        "S3_SECRET_ACCESS_KEY": s3.secret_key,
    }


async def test_a_bot_runs_on_services_as_it_does_on_files(
    environ: dict[str, str], tmp_path: Path
) -> None:
    async with lamina.open(preset="production", environ=environ, home=tmp_path) as storage:
        assert await storage.health_check() == dict.fromkeys(
            ("redis", "vector", "supabase", "s3"), True
        )
        turn = ({"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"})
        assert await storage.append_message("chat", *turn) == 2
        id_ = await storage.store_document("Cats sleep on sofas.", {"source": "notes"})
        await storage.batch_store_documents(
            [{"content": "Income tax is due in April.", "metadata": {"source": "law"}}]
        )
        found = await storage.search_context("where do cats sleep?", chat_id="chat")
        assert found["vector_results"][0]["id"] == id_
        assert [one["content"] for one in found["conversation_context"]] == ["hello", "hi"]
        document = await storage.get_document(id_)
        assert document is not None
        assert await storage.update_document(id_, "Cats sleep.", expected_version=1) is True
        ref = await storage.store_media(b"\x89PNG", "cat é.png", "image/png", {"by": "me"})
        assert await storage.get_media(ref) == b"\x89PNG"
        assert (await storage.media_url(ref)).startswith("http://127.0.0.1")
        acme = storage.tenant("acme")
        assert await acme.get_document(id_) is None
        assert await acme.get_conversation("chat") is None
        assert await storage.delete_document(id_) is True
        assert await storage.delete_media(ref) is True


async def test_conversations_are_those_that_the_original_bot_wrote(
    environ: dict[str, str], valkey: Valkey, tmp_path: Path
) -> None:
    number = environ["REDIS_URL"].rpartition("/")[2]
    old = [{"role": "user", "content": "before"}]
    with valkey.connection() as run:
        run("SELECT", number)
        run("SET", "conv:42", json.dumps(old), "EX", 86_400)
    async with lamina.open(preset="production", environ=environ, home=tmp_path) as storage:
        assert await storage.get_conversation("42") == old
        await storage.append_message("42", {"role": "assistant", "content": "after"})
    with valkey.connection() as run:
        run("SELECT", number)
        told = json.loads(run("GET", "conv:42"))
        assert 86_000 < run("TTL", "conv:42") <= 86_400
    assert [one["content"] for one in told] == ["before", "after"]


async def test_one_service_that_dies_takes_no_other_with_it(
    environ: dict[str, str], tmp_path: Path
) -> None:
    with Valkey() as own:
        given = {**environ, "REDIS_URL": own.url}
        async with lamina.open(preset="production", environ=given, home=tmp_path) as storage:
            await storage.append_message("chat", {"role": "user", "content": "kept"})
            await asyncio.to_thread(own.kill)
            with pytest.raises(StorageError):
                await storage.get_conversation("chat")
            id_ = await storage.store_document("Still here.", {})
            found = await storage.search_context("still", chat_id="chat")
            assert found["vector_results"][0]["id"] == id_
            assert found["degraded"]
            assert (await storage.health_check())["redis"] is False


async def test_the_same_runs_on_postgres_alone(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.database()
    chosen = {
        domain: {"backend": "postgres", "url": url}
        for domain in ("keyvalue", "vectors", "documents")
    }
    async with lamina.open(environ={}, home=tmp_path, **chosen) as storage:
        await storage.append_message("chat", {"role": "user", "content": "hello"})
        id_ = await storage.store_document("Cats sleep on sofas.", {})
        found = await storage.search_context("cats", chat_id="chat")
        assert found["vector_results"][0]["id"] == id_
        assert len(found["conversation_context"]) == 1
