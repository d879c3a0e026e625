"""What PostgreSQL refuses, as PostgREST tells it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from lamina.testing.servers.supabase.rest.refusal import Refused

if TYPE_CHECKING:
    import asyncpg

_STATUSES: Final = (
    ("08", 503),
    ("09", 500),
    ("0L", 403),
    ("0P", 403),
    ("23503", 409),
    ("23505", 409),
    ("25006", 405),
    ("21000", 500),
    ("25", 500),
    ("28", 403),
    ("2D", 500),
    ("38", 500),
    ("39", 500),
    ("3B", 500),
    ("40", 500),
    ("53400", 500),
    ("53", 503),
    ("54", 500),
    ("55", 500),
    ("57P01", 503),
    ("57", 500),
    ("58", 500),
    ("F0", 500),
    ("HV", 500),
    ("P0001", 400),
    ("P0", 500),
    ("XX", 500),
    ("42883", 404),
    ("42P01", 404),
    ("42P17", 500),
)
"""Beginnings of an SQLSTATE, the first that fits counts; 400 for the others."""


def refusal_of(error: asyncpg.PostgresError, *, known: bool) -> Refused:
    """Return the answer to an error; *known* is a caller with another role than anon."""
    if error.sqlstate == "PGRST":
        return _raised(error)
    status = _status(error, known=known)
    headers = {503: {"Retry-After": "0"}, 401: {"WWW-Authenticate": "Bearer"}}.get(status)
    told: Any = error
    return Refused(
        status, error.sqlstate, str(told.message), told.detail, told.hint, headers=headers
    )


def _status(error: asyncpg.PostgresError, *, known: bool) -> int:
    code, message = error.sqlstate, str(error)
    if code == "42501":
        return 403 if known else 401
    if code == "22023" and re.fullmatch(r"role .* does not exist", message, re.DOTALL):
        return 401
    if code == "21000" and message.endswith("requires a WHERE clause"):
        return 400
    if code.startswith("PT"):
        return int(code[2:]) if code[2:].isdigit() else 500
    return next((status for begin, status in _STATUSES if code.startswith(begin)), 400)


def _raised(error: Any) -> Refused:
    """Return the answer that a function built by itself, with RAISE SQLSTATE 'PGRST'."""
    try:
        told, more = json.loads(error.message), json.loads(error.detail or "")
        headers = {str(name): str(value) for name, value in more["headers"].items()}
        return Refused(
            int(more["status"]),
            told["code"],
            told["message"],
            told.get("details"),
            told.get("hint"),
            headers=headers,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        message = "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error"
        return Refused(500, "PGRST121", message, error.detail)
