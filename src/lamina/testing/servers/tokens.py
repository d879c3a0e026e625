"""JSON web tokens, as Supabase gives them for its keys."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any


def signed(claims: dict[str, Any], secret: str) -> str:
    """Return a token of *claims*, signed with HMAC-SHA-256 (RFC 7519)."""
    parts = [_text({"alg": "HS256", "typ": "JWT"}), _text(claims)]
    digest = hmac.digest(secret.encode(), ".".join(parts).encode(), "sha256")
    return ".".join((*parts, _base64(digest)))


def _text(value: dict[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
