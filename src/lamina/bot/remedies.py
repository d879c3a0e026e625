"""What to do about a backend that cannot serve, in words for whoever set it up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lamina.errors import AuthError, Corrupt, Throttled, TimedOut, Unavailable, Unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping

_CREDENTIALS: Final = {
    "redis": "the user and password in [{domain}] url (REDIS_URL)",
    "upstash": "[{domain}] token (UPSTASH_VECTOR_REST_TOKEN): it belongs to one index's url",
    "supabase": "[{domain}] key (SUPABASE_SERVICE_KEY): it belongs to one project's url",
    "s3": "[{domain}] access_key and secret_key (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) "
    "and what they may do with the bucket",
    "postgres": "the user and password in [{domain}] url, and what the user may do",
}
_PLACES: Final = {
    "redis": "[{domain}] url (REDIS_URL)",
    "upstash": "[{domain}] url (UPSTASH_VECTOR_REST_URL)",
    "supabase": "[{domain}] url (SUPABASE_URL)",
    "s3": "[{domain}] endpoint and region (S3_ENDPOINT_URL, AWS_REGION)",
    "postgres": "[{domain}] url",
}


def remedy(domain: str, backend: str, error: Exception) -> str:
    """Return what to do when *backend*, which serves *domain*, fails with *error*."""
    place = _named(_PLACES, domain, backend)
    if isinstance(error, AuthError):
        return f"check {_named(_CREDENTIALS, domain, backend)}"
    if isinstance(error, Throttled):
        return "wait, or raise the service's limit"
    if isinstance(error, Corrupt):
        return f"check that {place} is that of {backend} itself, not of another service"
    if isinstance(error, TimedOut | Unavailable | TimeoutError):
        local = f"; `lamina dev {backend}` starts one here" if backend in _PLACES else ""
        return f"see that it runs, and check {place}{local}"
    if isinstance(error, Unsupported):
        return "use another version or backend"
    return f"do what the message says, or correct {place}"


def _named(table: Mapping[str, str], domain: str, backend: str) -> str:
    return table.get(backend, "the [{domain}] settings").format(domain=domain)
