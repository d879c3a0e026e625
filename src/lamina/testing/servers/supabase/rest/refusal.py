"""What is refused, with PostgREST's codes and words."""

from __future__ import annotations

import json
from typing import Any, final


@final
class Refused(Exception):
    """The answer to a call that cannot be carried out."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Any = None,
        hint: str | None = None,
        *,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.told = {"code": code, "details": details, "hint": hint, "message": message}
        self.headers = headers or {}

    def body(self) -> bytes:
        if not self.told["code"]:
            return b"{}"
        return json.dumps(self.told, ensure_ascii=False, separators=(",", ":")).encode()


def unparsable(what: str, text: str, column: int, details: str) -> Refused:
    """Refuse a part of the query string."""
    message = f'"failed to parse {what} ({text})" (line 1, column {column})'
    return Refused(400, "PGRST100", message, details)


def invalid_body(message: str = "Empty or invalid json") -> Refused:
    """Refuse a body."""
    return Refused(400, "PGRST102", message)


def range_not_satisfiable(details: str, there: str = "") -> Refused:
    """Refuse which rows are asked for; *there* are those that could be, as a Content-Range."""
    headers = {"Content-Range": there} if there else None
    return Refused(416, "PGRST103", "Requested range not satisfiable", details, headers=headers)


def not_embedded(name: str) -> Refused:
    """Refuse to speak of rows inside that are not selected."""
    return Refused(
        400,
        "PGRST108",
        f"'{name}' is not an embedded resource in this request",
        None,
        f"Verify that '{name}' is included in the 'select' query parameter.",
    )


def not_one_row(count: int) -> Refused:
    """Refuse to give one of *count* rows."""
    return Refused(
        406,
        "PGRST116",
        "JSON object requested, multiple (or no) rows returned",
        f"The result contains {count} rows",
    )


def nothing_there() -> Refused:
    """Refuse to change a table that is unknown: PostgREST 12 says nothing about it."""
    return Refused(404, "", "")


def no_column(table: str, column: str) -> Refused:
    """Refuse a column that the table has not."""
    message = f"Could not find the '{column}' column of '{table}' in the schema cache"
    return Refused(400, "PGRST204", message)


def bad_token(message: str) -> Refused:
    """Refuse a token."""
    told = f'Bearer error="invalid_token", error_description={json.dumps(message)}'
    return Refused(401, "PGRST301", message, headers={"WWW-Authenticate": told})


def unreachable() -> Refused:
    """Tell that the database cannot be reached."""
    return Refused(
        503,
        "PGRST002",
        "Could not query the database for the schema cache. Retrying.",
        headers={"Retry-After": "0"},
    )


def connection_lost(details: str) -> Refused:
    """Tell that the database went away in the middle."""
    return Refused(
        503,
        "PGRST001",
        "Database client error. Retrying the connection.",
        details,
        headers={"Retry-After": "0"},
    )


def pool_exhausted() -> Refused:
    """Tell that no connection became free in time."""
    return Refused(504, "PGRST003", "Timed out acquiring connection from connection pool.")
