"""Supabase through the facades, beside the bare client doing the same work, on a server of ours."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from supabase import AsyncClientOptions, acreate_client

from benchmarks.report import Progress, Report
from benchmarks.timing import Subject, side_by_side
from lamina.backends.postgres.written import indexed
from lamina.backends.supabase import SupabaseDocuments, SupabaseMedia
from lamina.backends.supabase.document_rows import COLUMNS
from lamina.backends.supabase.sql import migration
from lamina.stack import Stack
from lamina.testing.servers import Supabase

TEXT = "the quick brown fox jumps over the lazy dog " * 20
DATA = bytes(range(256)) * 4
BUCKET = "INSERT INTO storage.buckets (id, name) VALUES ('media', 'media');"
METADATA = {"source": "notes", "page": 7}
KEPT = {"lamina": json.dumps(["b", "text/plain", json.dumps(METADATA), ""])}


async def measure(report: Report, progress: Progress, *, quick: bool) -> None:
    """Measure documents and objects by key; the bare client sends as many requests for them."""
    rounds = 6 if quick else 40
    with Supabase() as server:
        project = server.project(migration() + BUCKET)
        async with _bare(project.url, project.service_key) as bare:
            documents = SupabaseDocuments(project.url, project.service_key)
            media = SupabaseMedia(project.url, project.service_key, bucket="media")
            async with Stack().over(documents) as store, Stack().over(media) as files:
                progress.begin("supabase")
                subjects = {**_documents(store, bare), **_media(files, bare)}
                for subject in subjects.values():
                    await subject()
                timed = await side_by_side(subjects, progress=progress, rounds=rounds, calls=50_000)
    for name, each in timed.items():
        report.add("supabase", name, each.quiet, "us")
    section = "supabase, bare supabase-py's time / ours"
    for name in ("get a document", "set a document", "get an object", "set an object"):
        ratio = timed[f"supabase-py, {name}"].ratio(timed[f"lamina, {name}"])
        report.add(section, name, ratio, "ratio", target=0.97, least=True)


@asynccontextmanager
async def _bare(url: str, key: str) -> AsyncIterator[Any]:
    """Give the client as its documentation makes it, but that it repeats nothing."""
    async with httpx.AsyncClient(timeout=30) as http:
        options = AsyncClientOptions(httpx_client=http, postgrest_client_retry=False)
        yield await acreate_client(url, key, options)


def _documents(store: Any, bare: Any) -> dict[str, Subject]:
    async def written() -> None:
        words = indexed(TEXT)
        item = {
            "id": "b",
            "path": None,
            "content": TEXT,
            "metadata": METADATA,
            "exact": None,
            "words": words.words,
            "weights": words.weights,
        }
        await bare.rpc("lamina_documents_write", {"_scope": "", "_items": [item]}).execute()

    async def read() -> None:
        query = bare.table("lamina_documents").select(COLUMNS).eq("scope", "").eq("id", "b")
        json.loads((await query.execute()).data[0]["metadata"])

    return {
        "supabase-py, set a document": written,
        "lamina, set a document": lambda: store.set("a", TEXT, metadata=METADATA),
        "supabase-py, get a document": read,
        "lamina, get a document": lambda: store.get("a"),
    }


def _media(files: Any, bare: Any) -> dict[str, Subject]:
    bucket = bare.storage.from_("media")
    options = {"content-type": "text/plain", "upsert": "true", "metadata": KEPT}

    async def put() -> None:
        await bucket.upload("b", DATA, options)
        await bucket.info("b")

    async def got() -> None:
        await bucket.download("b")
        await bucket.info("b")

    return {
        "supabase-py, set an object": put,
        "lamina, set an object": lambda: files.set("a", DATA, type="text/plain", metadata=METADATA),
        "supabase-py, get an object": got,
        "lamina, get an object": lambda: files.get("a"),
    }
