"""What the failures of Redis become: the only place that maps them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from redis import exceptions as foreign

from lamina.backends.failures import Failures, Row
from lamina.errors import (
    AuthError,
    BackendError,
    Corrupt,
    Invalid,
    TimedOut,
    Unavailable,
    Unsupported,
)

if TYPE_CHECKING:
    from lamina.errors import StorageError

FAILURES: Final = Failures(
    Row("not connected", Unavailable, "cannot connect to the server", sent="no"),
    Row("connect timeout", Unavailable, "no connection in time", sent="no"),
    Row("pool timeout", Unavailable, "no connection became free in time", sent="no"),
    Row("no answer", TimedOut, "no answer in time"),
    Row("cut off", Unavailable, "the connection was lost"),
    Row("garbage", Corrupt, "the answer is not what was asked for"),
    Row("no master", Unavailable, "no sentinel knows a master of that name", sent="no"),
    Row("no nodes", Unavailable, "no node of the cluster tells its slots", sent="no"),
    Row("uncovered", Unavailable, "no node serves that part of the cluster", sent="no"),
    Row("moving", Unavailable, "the cluster is moving the key", sent="no"),
    Row("loading", Unavailable, "the server is loading its data", sent="no"),
    Row("too many clients", Unavailable, "the server has too many clients", sent="no"),
    Row("busy", Unavailable, "the server is busy with a script", sent="no"),
    Row("read only", Unavailable, "the server is a replica: another is the master", sent="no"),
    Row("master down", Unavailable, "the replica has lost its master", sent="no"),
    Row("cluster down", Unavailable, "the cluster is down", sent="no"),
    Row("no replicas", Unavailable, "the server has too few replicas to take writes", sent="no"),
    Row("out of memory", Unavailable, "the server is out of memory", sent="no"),
    Row("disk", Unavailable, "the server takes no writes: it cannot save to its disk", sent="no"),
    Row("unauthorized", AuthError, "the server asks for a password: give it in the url", sent="no"),
    Row("wrong password", AuthError, "the server refuses user or password", sent="no"),
    Row("not permitted", AuthError, "the server does not allow this user to do that", sent="no"),
    Row("no database", Invalid, "the server has no database of that number"),
    Row("wrong kind", Invalid, "the key holds something other than a value"),
    Row("too big", Invalid, "the value is bigger than the server takes"),
    Row("is a cluster", Invalid, "the server is part of a cluster: topology must be 'cluster'"),
    Row("is no cluster", Invalid, "the server is not part of a cluster: see topology"),
    Row("is a sentinel", Invalid, "the server is a sentinel: topology must be 'sentinel'"),
    Row("is no sentinel", Invalid, "the server is no sentinel: see topology"),
    Row("too old", Unsupported, "the server is older than Redis 6.2"),
    Row("contended", Unavailable, "others change the key too quickly", sent="no"),
    Row("failed", BackendError, "the server refuses it"),
)
_CODES: Final[dict[str, str]] = {
    "LOADING": "loading",
    "BUSY": "busy",
    "READONLY": "read only",
    "MASTERDOWN": "master down",
    "CLUSTERDOWN": "cluster down",
    "TRYAGAIN": "moving",
    "MOVED": "moving",
    "ASK": "moving",
    "CROSSSLOT": "failed",
    "NOREPLICAS": "no replicas",
    "OOM": "out of memory",
    "MISCONF": "disk",
    "NOAUTH": "unauthorized",
    "WRONGPASS": "wrong password",
    "NOPERM": "not permitted",
    "WRONGTYPE": "wrong kind",
}
_TEXTS: Final = (
    ("max number of clients", "too many clients"),
    ("invalid password", "wrong password"),
    ("without any password configured", "wrong password"),
    ("index is out of range", "no database"),
    ("string exceeds maximum", "too big"),
    ("cluster support disabled", "is no cluster"),
    ("unknown command `sentinel`", "is no sentinel"),
    ("unknown command 'sentinel'", "is no sentinel"),
)
_REPEATED: Final = ", with args"


def refused(error: Exception) -> StorageError:
    """Return what an error that the server answered becomes; raise it ``from`` that.

    The client cuts some codes off the text, and keeps those in ``status_code``. Keys, content and
    passwords that the server repeats are cut off the text.
    """
    text = str(error)
    error.args = (text.partition(_REPEATED)[0],)
    code = getattr(error, "status_code", None) or text.partition(" ")[0]
    for known, name in _TEXTS:
        if known in text.lower():
            return FAILURES[name].error()
    name = _CODES.get(code, "failed")
    is_code = code.isascii() and code.isalpha() and code.isupper()
    return FAILURES[name].error(detail=code[:20] if name == "failed" and is_code else "")


def lost(error: Exception) -> StorageError:
    """Return what a failure in the middle of an exchange becomes; raise it ``from`` that."""
    if isinstance(error, TimeoutError | asyncio.TimeoutError | foreign.TimeoutError):
        return FAILURES["no answer"].error()
    if isinstance(error, foreign.ConnectionError):  # with some of which the client tells refusals
        return refused(error) if _is_refusal(error) else FAILURES["cut off"].error()
    if isinstance(error, OSError | EOFError):
        return FAILURES["cut off"].error()
    return FAILURES["garbage"].error()


def unconnected(error: Exception, place: str) -> StorageError:
    """Return what a failure to connect to *place* or to log in becomes; raise it ``from`` that."""
    if isinstance(error, TimeoutError | foreign.TimeoutError):
        return FAILURES["connect timeout"].error(detail=place)
    if isinstance(error, foreign.ResponseError) or _is_refusal(error):
        told = refused(error)
        error.args = ()  # some server in between may repeat the password
        told.sent = "no"
        return told
    reason = error if isinstance(error, OSError) else error.__context__
    why = f": {type(reason).__name__}" if isinstance(reason, OSError) else ""
    return FAILURES["not connected"].error(detail=f"{place}{why}")


def _is_refusal(error: Exception) -> bool:
    return getattr(error, "status_code", None) is not None
