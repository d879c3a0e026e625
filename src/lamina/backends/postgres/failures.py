"""What PostgreSQL's and the driver's failures mean: the only place that maps them."""

from __future__ import annotations

from typing import Final

import asyncpg
from asyncpg.exceptions import (
    ClientConfigurationError,
    InterfaceError,
    InternalClientError,
    PostgresError,
    TargetServerAttributeNotMatched,
)

from lamina.backends.failures import Failures, Row
from lamina.errors import (
    AuthError,
    BackendError,
    Conflict,
    Corrupt,
    Invalid,
    StorageError,
    TimedOut,
    Unavailable,
)


class Undone(Exception):
    """Raised inside a transaction to undo it, though nothing has failed."""


FAILURES: Final = Failures(
    Row("not connected", Unavailable, "cannot connect: is the server up, the URL right", sent="no"),
    Row("connect timeout", Unavailable, "no connection in time", sent="no"),
    Row(
        "bad url",
        Unavailable,
        "the URL holds an option that the driver or the server does not know",
        transient=False,
        sent="no",
    ),
    Row("pool timeout", Unavailable, "no connection became free in time", sent="no"),
    Row("no answer", TimedOut, "no answer in time"),
    Row("cut off", Unavailable, "the connection was lost"),
    Row(
        "no tls",
        Unavailable,
        "the server offers no TLS, which the URL requires, or is no PostgreSQL",
        transient=False,
        sent="no",
    ),
    Row(
        "no postgres",
        Unavailable,
        "the server speaks another protocol, or asks for what the driver lacks",
        transient=False,
    ),
    Row(
        "pooled",
        Unavailable,
        "a pooler stands between that keeps no sessions: open with pooler=true",
        transient=False,
        sent="no",
    ),
    Row("starting", Unavailable, "the server is starting up or shutting down", sent="no"),
    Row("ended", Unavailable, "the server ended the connection"),
    Row("crowded", Unavailable, "the server takes no more connections", sent="no"),
    Row("disk full", Unavailable, "the server's disk is full: nothing was written", sent="no"),
    Row("scarce", Unavailable, "the server lacks memory or another resource", sent="no"),
    Row("stopped", TimedOut, "the server stopped the statement: nothing was written", sent="no"),
    Row("locked", Unavailable, "it is locked: nothing was written", sent="no"),
    Row("deadlock", Unavailable, "two writes waited for each other: nothing written", sent="no"),
    Row("raced", Unavailable, "another write came between: nothing was written", sent="no"),
    Row("read only", Unavailable, "the server only reads, as a standby does", sent="no"),
    Row("another kind", Unavailable, "no server is of the kind that the URL wants", sent="no"),
    Row("unauthorized", AuthError, "the user or the password is refused", sent="no"),
    Row("forbidden", AuthError, "the user may not do that: grant it the right", sent="no"),
    Row(
        "no database",
        Unavailable,
        "there is no such database: create it, or correct the URL",
        transient=False,
        sent="no",
    ),
    Row(
        "no tables",
        Unavailable,
        "tables or functions are missing: open with create=true, or run the SQL files",
        transient=False,
        sent="no",
    ),
    Row("conflict", Conflict, "another one has this path or id"),
    Row("refused", Invalid, "the server refuses a value"),
    Row("too large", Invalid, "a value is too large for the server"),
    Row("damaged", Corrupt, "the server found damaged data: restore it from a backup"),
    Row("failed", BackendError, "the server failed"),
)
"""Everything that a call can meet; ``schema.py`` says what only opening can."""

_READ_ONLY: Final = "25006"
_PROTOCOL: Final = "08P01"  # PgBouncer's code for nearly all that it says
_CODES: Final = {
    "40003": "cut off",  # whether the statement was completed is unknown
    "57P03": "starting",
    "57P01": "ended",
    "57P02": "ended",
    "57P04": "ended",
    "57P05": "ended",
    "25P03": "ended",
    "26000": "pooled",  # what was prepared is not there
    "42P05": "pooled",  # or is there already
    "53300": "crowded",
    "53100": "disk full",
    "57014": "stopped",
    "55P03": "locked",
    "40P01": "deadlock",
    "40001": "raced",
    _READ_ONLY: "read only",
    "42501": "forbidden",
    "3D000": "no database",
    "3F000": "no tables",
    "42P01": "no tables",
    "42883": "no tables",
    "42703": "no tables",
    "42704": "no tables",
    "23505": "conflict",
    "XX001": "damaged",
    "XX002": "damaged",
}
_CLASSES: Final = {
    "08": "cut off",
    "22": "refused",
    "23": "refused",
    "28": "unauthorized",
    "40": "raced",
    "53": "scarce",
    "54": "too large",
}
_CONNECTING: Final = {
    "no answer": "connect timeout",
    "cut off": "not connected",
    "no tables": "bad url",  # what is unknown then is a setting
    "refused": "bad url",
}
_RAISED: Final[tuple[tuple[type[Exception], str], ...]] = (
    (TimeoutError, "no answer"),  # before OSError, of which it is one
    (OSError, "cut off"),
    (asyncpg.DataError, "refused"),
    (InternalClientError, "no postgres"),
    (InterfaceError, "cut off"),  # used after it was closed
)


def failed(error: Exception, *, connecting: bool = False) -> StorageError:
    """Return what a failure becomes; raise it ``from`` that. *connecting*: nothing was sent."""
    name, detail = _told(error)
    if connecting and type(error) is ConnectionError and "rejected SSL" in str(error):
        name, detail = "no tls", ""
    elif connecting and isinstance(error, TargetServerAttributeNotMatched):
        name = "another kind"  # a standby that is not promoted yet, most often
    elif connecting and isinstance(error, OSError | PostgresError):
        name = _CONNECTING.get(name, name)
    elif connecting:
        name = "bad url" if isinstance(error, ClientConfigurationError) else "no postgres"
    made = FAILURES[name].error(detail=detail)
    if connecting:
        made.sent = "no"
    return made


def ended(error: BaseException) -> bool:
    """Tell whether a connection is of no use any more: lost, out of step, or to a standby."""
    if isinstance(error, PostgresError):
        if getattr(error, "sqlstate", None) == _READ_ONLY:  # the next one may find the new primary
            return True
        return not _goes_on(error)
    return not isinstance(error, StorageError | InterfaceError | Undone)


def _goes_on(error: PostgresError) -> bool:
    """Tell whether the server keeps the connection after what it said."""
    return getattr(error, "severity_en", None) in {None, "ERROR"}


def _told(error: Exception) -> tuple[str, str]:
    """Return the name of the row, and what to add to its message."""
    if isinstance(error, PostgresError):
        if isinstance(error.__cause__, PostgresError):  # what the server said before it hung up
            error = error.__cause__
        code = str(getattr(error, "sqlstate", None) or "")
        if code == _PROTOCOL and "startup parameter" in str(error):
            return "pooled", code
        left = "failed" if _goes_on(error) else "ended"
        return _CODES.get(code) or _CLASSES.get(code[:2], left), code
    for kind, name in _RAISED:
        if isinstance(error, kind):
            return name, "" if kind is TimeoutError else type(error).__name__
    return "failed", type(error).__name__
