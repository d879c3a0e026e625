"""Settings by name, beneath the file and the environment."""

from __future__ import annotations

from typing import Any, Final

_GUARDED: Final = ["metrics", "log", "retry", "breaker", "timeout"]
_CACHED: Final = ["metrics", "log", "cache", "retry", "breaker", "timeout"]


def _section(
    backend: str,
    seconds: float,
    *,
    cache: float | None = None,
    batch: bool = False,
    **options: str,
) -> dict[str, Any]:
    """Describe one domain; conversations are never cached: another process may write them.

    What is gathered may wait for others, so that a deadline bounds it: six attempts' time.
    """
    layers = list(_GUARDED if cache is None else _CACHED)
    if batch:
        layers.insert(layers.index("retry"), "batch")
        layers.insert(layers.index("log") + 1, "deadline")
    section: dict[str, Any] = {
        "backend": backend,
        "layers": layers,
        "breaker": {"window": max(30.0, 2 * seconds)},  # a hang is told within it
        "timeout": {"seconds": seconds},
        **({"deadline": {"seconds": 6 * seconds}} if batch else {}),
        **options,
    }
    return section if cache is None else {**section, "cache": {"ttl": cache}}


PRESETS: Final[dict[str, dict[str, Any]]] = {
    "embedded": {
        "keyvalue": _section("sqlite", 10.0),
        "vectors": _section("sqlite", 30.0, cache=30.0),  # the first search loads the model
        "documents": _section("sqlite", 10.0),
        "media": _section("files", 60.0),
    },
    "test": {
        "keyvalue": _section("memory", 10.0),
        "vectors": _section("memory", 30.0, cache=30.0),
        "documents": _section("memory", 10.0),
        "media": _section("memory", 60.0),
    },
    "production": {
        "keyvalue": _section("redis", 1.0, batch=True, url="${REDIS_URL}"),
        "vectors": _section(
            "upstash",
            5.0,
            cache=30.0,
            batch=True,
            url="${UPSTASH_VECTOR_REST_URL}",
            token="${UPSTASH_VECTOR_REST_TOKEN}",  # noqa: S106  # the name of a variable
        ),
        "documents": _section(
            "supabase",
            5.0,
            cache=30.0,
            batch=True,
            url="${SUPABASE_URL}",
            key="${SUPABASE_SERVICE_KEY|SUPABASE_SERVICE_ROLE_KEY|SUPABASE_KEY}",
        ),
        "media": _section(
            "s3",
            60.0,
            bucket="${S3_BUCKET_NAME|S3_BUCKET|AWS_S3_BUCKET}",
            endpoint="${S3_ENDPOINT_URL|AWS_ENDPOINT_URL_S3|AWS_ENDPOINT_URL?}",
            region="${AWS_REGION|AWS_DEFAULT_REGION|S3_REGION?}",
            access_key="${AWS_ACCESS_KEY_ID|S3_ACCESS_KEY_ID?}",
            secret_key="${AWS_SECRET_ACCESS_KEY|S3_SECRET_ACCESS_KEY?}",  # noqa: S106  # names
            session_token="${AWS_SESSION_TOKEN?}",  # noqa: S106  # the name of a variable
        ),
    },
}
