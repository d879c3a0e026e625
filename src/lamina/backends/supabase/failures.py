"""What the failures of Supabase become."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

import httpx
from postgrest.exceptions import APIError
from pydantic import ValidationError
from storage3.exceptions import StorageApiError

from lamina.backends.failures import Failures, Row, seconds_of
from lamina.backends.http import HTTP, answered, failed
from lamina.errors import AuthError, Conflict, Invalid, TimedOut, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.errors import StorageError

_MIGRATE: Final = "run the SQL that `lamina sql supabase` prints, in the project's SQL editor"


class PastEnd(Invalid):
    """A range begins behind the end of an object."""


class RefusedValue(Invalid):
    """The database refuses a value: of several documents only one may hold it."""


class NoObject(Invalid):
    """Storage has no such object."""


FAILURES: Final = Failures(
    *HTTP.values(),
    Row("duplicate", Conflict, "another document has this path", sent="no"),
    Row("refused value", RefusedValue, "the database refuses a value", sent="no"),
    Row("same key twice", Invalid, "one write names the same key twice", sent="no"),
    Row("no table", Invalid, f"a table of Lamina is missing: {_MIGRATE}", sent="no"),
    Row("no function", Invalid, f"a function of Lamina is missing: {_MIGRATE}", sent="no"),
    Row("no column", Invalid, f"the tables are those of another version: {_MIGRATE}", sent="no"),
    Row("no schema", Invalid, "the schema is not exposed: see the project's API settings"),
    Row("bad query", Invalid, "the query is not understood", sent="no"),
    Row("bad key", AuthError, "the key is refused: it is of another project, or expired"),
    Row("denied", AuthError, "the key may not do that", sent="no"),
    Row("statement timeout", TimedOut, "the database gave up the statement"),
    Row("terminated", Unavailable, "the database ended the connection"),
    Row("no database", Unavailable, "the database cannot be reached", sent="no"),
    Row("pool exhausted", Unavailable, "no database connection became free", sent="no"),
    Row("rolled back", Unavailable, "the database undid the transaction", sent="no"),
    Row("full", Unavailable, "the database has no room left", transient=False),
    Row("read only", Unavailable, "the database takes no writes now", sent="no"),
    Row("no bucket", Invalid, "there is no such bucket: create it in the project", sent="no"),
    Row("no object", NoObject, "there is no such object", sent="no"),
    Row("past the end", PastEnd, "the range is not within the object", sent="no"),
    Row("bad name", Invalid, "Storage refuses the name", sent="no"),
    Row("too large", Invalid, "the object is larger than the bucket allows", sent="no"),
    Row("bad type", Invalid, "the bucket refuses the content type", sent="no"),
    Row("storage failed", Unavailable, "Storage failed"),
)
"""Those of HTTP, of the database behind it (SQLSTATE, PGRST...), and of Storage."""

_CODES: Final[dict[str, str]] = {
    "23505": "duplicate",
    "23502": "refused value",
    "23503": "refused value",
    "23514": "refused value",
    "22P02": "refused value",
    "22021": "refused value",
    "22P05": "refused value",
    "54000": "refused value",
    "54001": "refused value",
    "22003": "refused value",
    "21000": "same key twice",
    "42P01": "no table",
    "PGRST205": "no table",
    "42883": "no function",
    "PGRST202": "no function",
    "42703": "no column",
    "PGRST204": "no column",
    "3F000": "no schema",
    "PGRST106": "no schema",
    "PGRST100": "bad query",
    "PGRST301": "bad key",
    "PGRST302": "bad key",
    "PGRST303": "bad key",
    "42501": "denied",
    "57014": "statement timeout",
    "57P01": "terminated",
    "57P02": "terminated",
    "57P03": "no database",
    "PGRST000": "no database",
    "PGRST001": "terminated",
    "PGRST002": "no database",
    "53300": "no database",
    "PGRST003": "pool exhausted",
    "40001": "rolled back",
    "40P01": "rolled back",
    "53100": "full",
    "25006": "read only",
}
_STORAGE: Final[dict[str, str]] = {
    "Bucket not found": "no bucket",
    "InvalidKey": "bad name",
    "Invalid Key": "bad name",
    "InvalidJWT": "bad key",
    "InvalidRange": "past the end",
    "invalid_range": "past the end",
    "Payload too large": "too large",
    "EntityTooLarge": "too large",
    "invalid_mime_type": "bad type",
    "InvalidMimeType": "bad type",
}
_STORAGE_STATUS: Final[dict[int, str]] = {
    413: "too large",
    415: "bad type",
    416: "past the end",
    500: "storage failed",
}

KNOWN: Final = (
    APIError,
    StorageApiError,
    httpx.HTTPError,
    httpx.InvalidURL,
    ValidationError,
    json.JSONDecodeError,
    KeyError,
    TypeError,
    UnicodeDecodeError,
    RecursionError,
)
"""What the client raises when it is asked something."""


def failure(error: Exception, answer: httpx.Response | None, now: float) -> StorageError:
    """Return what an exception of the client becomes; *answer* is the last it got."""
    if isinstance(error, APIError):
        return _of_code(error.code or "", answer, now)
    if isinstance(error, StorageApiError):
        return of_storage(error.code, error.message, error.status, answer, now)
    if isinstance(error, httpx.HTTPError | httpx.InvalidURL):
        return failed(error)
    return FAILURES["no json"].error(detail=type(error).__name__)


def _of_code(code: str, answer: httpx.Response | None, now: float) -> StorageError:
    name = _CODES.get(code)
    if name is not None:
        headers: Mapping[str, str] = {} if answer is None else answer.headers
        wait = seconds_of(headers.get("retry-after"), now)
        return FAILURES[name].error(detail=code, retry_after=wait)
    if answer is not None and answer.status_code >= 400:
        return answered(answer.status_code, answer.headers, now)
    return FAILURES["no json"].error()


def of_storage(
    code: object, message: object, status: object, answer: httpx.Response | None, now: float
) -> StorageError:
    """Return what an error of Storage becomes; its *status* may differ from HTTP's, and be text."""
    name = _STORAGE.get(str(code)) or _STORAGE.get(str(message))
    if name is None and (str(status), code) == ("404", "not_found"):
        name = "no object"
    number = int(str(status)) if str(status).isdecimal() else 0
    own = code != "InternalError" or number < 500  # else a gateway's page, not Storage's word
    if name is None and own:
        name = _STORAGE_STATUS.get(number)
    headers: Mapping[str, str] = {} if answer is None else answer.headers
    if name is None and number >= 400:
        return answered(number, headers, now)
    if name is None:
        return FAILURES["no json"].error()
    return FAILURES[name].error(retry_after=seconds_of(headers.get("retry-after"), now))


def of_function(answer: httpx.Response, now: float) -> StorageError:
    """Return what an answer of the database becomes that its client has not read."""
    return _of_code(str(_body(answer).get("code")), answer, now)


def of_object(answer: httpx.Response, now: float) -> StorageError:
    """Return what an answer of Storage becomes that its client has not read."""
    body = _body(answer)
    status = body.get("statusCode", answer.status_code)
    return of_storage(body.get("error", ""), body.get("message", ""), status, answer, now)


def _body(answer: httpx.Response) -> dict[str, Any]:
    try:
        told: Any = answer.json()
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", told) if isinstance(told, dict) else {}
