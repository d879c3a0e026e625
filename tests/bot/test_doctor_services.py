"""The doctor says of each service what is wrong with it, and what to do."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from lamina.backends.supabase.sql import migration
from lamina.bot.doctor import Check, examine
from lamina.testing.servers import Valkey

if TYPE_CHECKING:
    from lamina.testing.servers import S3, Postgres, Supabase, Upstash

pytestmark = pytest.mark.server
NOWHERE: Final = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Valkey]:
    """Give a server that asks for a password."""
    with Valkey(password="secret-password") as server:
        yield server


@pytest.fixture(scope="module")
def settings(
    guarded: Valkey, upstash: Upstash, supabase: Supabase, s3: S3, postgres: Postgres
) -> dict[str, str]:
    """Return settings of healthy services: key-value, vectors, documents and media."""
    project = supabase.project(migration())
    url, token = upstash.index("embedding")
    return {
        "REDIS_URL": guarded.url,
        "UPSTASH_VECTOR_REST_URL": url,
        "UPSTASH_VECTOR_REST_TOKEN": token,
        "SUPABASE_URL": project.url,
        "SUPABASE_SERVICE_KEY": project.service_key,
        "S3_BUCKET_NAME": s3.bucket(),
        "S3_ENDPOINT_URL": s3.url,
        "AWS_REGION": s3.region,
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        "OTHER_DATABASE": postgres.database(),
        "BARE_PROJECT": supabase.project().url,
    }


async def checked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: dict[str, str]
) -> dict[str, Check]:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    checks = await examine(preset="production", home=str(tmp_path))
    told = "\n".join(f"{check.told} {check.fix}" for check in checks)
    for name in ("SUPABASE_SERVICE_KEY", "AWS_SECRET_ACCESS_KEY", "UPSTASH_VECTOR_REST_TOKEN"):
        assert settings[name] not in told
    assert "secret-password" not in told
    return {check.name: check for check in checks}


async def test_all_is_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: dict[str, str]
) -> None:
    checks = await checked(monkeypatch, tmp_path, settings)

    for domain in ("keyvalue", "vectors", "documents", "media"):
        assert checks[domain].state == "ok", checks[domain]
        assert "answered in" in checks[domain].told
    assert checks["embedder"].state == "ok"


POSTGRES: Final = {"LAMINA_DOCUMENTS__BACKEND": "postgres", "LAMINA_DOCUMENTS__URL": "{database}"}
CASES: Final[dict[str, tuple[str, dict[str, str], str, str]]] = {
    "redis is down": ("keyvalue", {"REDIS_URL": "redis://127.0.0.1:1"}, "connect", "REDIS_URL"),
    "redis wants a password": (
        "keyvalue",
        {"REDIS_URL": "redis://{redis}"},
        "password",
        "user and password",
    ),
    "redis has another password": (
        "keyvalue",
        {"REDIS_URL": "redis://:wrong@{redis}"},
        "",
        "user and password",
    ),
    "upstash is down": (
        "vectors",
        {"UPSTASH_VECTOR_REST_URL": NOWHERE},
        "connect",
        "UPSTASH_VECTOR_REST_URL",
    ),
    "upstash has another token": (
        "vectors",
        {"UPSTASH_VECTOR_REST_TOKEN": "mistaken-1"},
        "",
        "UPSTASH_VECTOR_REST_TOKEN",
    ),
    "supabase is down": ("documents", {"SUPABASE_URL": NOWHERE}, "connect", "SUPABASE_URL"),
    "supabase has another key": (
        "documents",
        {"SUPABASE_SERVICE_KEY": "mistaken-2"},
        "",
        "SUPABASE_SERVICE_KEY",
    ),
    "supabase lacks the tables": (
        "documents",
        {"SUPABASE_URL": "{bare}"},
        "lamina sql supabase",
        "message says",
    ),
    "s3 is down": ("media", {"S3_ENDPOINT_URL": NOWHERE}, "connect", "S3_ENDPOINT_URL"),
    "s3 has another secret": (
        "media",
        {"AWS_SECRET_ACCESS_KEY": "mistaken-3"},
        "",
        "AWS_SECRET_ACCESS_KEY",
    ),
    "s3 lacks the bucket": ("media", {"S3_BUCKET_NAME": "none-such"}, "bucket", "message says"),
    "postgres is down": (
        "documents",
        {**POSTGRES, "LAMINA_DOCUMENTS__URL": "postgresql://127.0.0.1:1/x"},
        "connect",
        "[documents] url",
    ),
    "postgres lacks the database": (
        "documents",
        {**POSTGRES, "LAMINA_DOCUMENTS__URL": "{database}_none"},
        "database",
        "[documents] url",
    ),
    "postgres may make no tables": (
        "documents",
        {**POSTGRES, "LAMINA_DOCUMENTS__CREATE": "false"},
        "lamina_documents",
        "",
    ),
    "another service answers": (
        "keyvalue",
        {"REDIS_URL": "redis://{s3}"},
        "",
        "[keyvalue]",
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_says_what_is_wrong_when(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    settings: dict[str, str],
    guarded: Valkey,
    case: str,
) -> None:
    domain, changed, told, fix = CASES[case]
    places = {
        "redis": f"127.0.0.1:{guarded.port}/0",
        "s3": settings["S3_ENDPOINT_URL"].removeprefix("http://"),
        "bare": settings["BARE_PROJECT"],
        "database": settings["OTHER_DATABASE"],
    }
    wrong = {name: value.format(**places) for name, value in changed.items()}

    checks = await checked(monkeypatch, tmp_path, {**settings, **wrong})

    assert checks[domain].state == "broken"
    assert told in checks[domain].told, checks[domain]
    assert fix in checks[domain].fix, checks[domain]
    assert checks[domain].fix
    for other in {"keyvalue", "vectors", "documents", "media"} - {domain}:
        assert checks[other].state == "ok", checks[other]


async def test_a_server_that_hangs_is_given_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: dict[str, str]
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(50)
        port = silent.getsockname()[1]
        wrong = {
            "REDIS_URL": f"redis://127.0.0.1:{port}",
            "SUPABASE_URL": f"http://127.0.0.1:{port}",
            "UPSTASH_VECTOR_REST_URL": f"http://127.0.0.1:{port}",
            "S3_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "LAMINA_CONNECT_TIMEOUT": "1",
        }
        checks = await checked(monkeypatch, tmp_path, {**settings, **wrong})

    for domain in ("keyvalue", "vectors", "documents", "media"):
        assert checks[domain].state == "broken"
        assert "`lamina dev " in checks[domain].fix
