"""What the failures of Upstash Vector become."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from lamina.backends.failures import Failures, Row, seconds_of
from lamina.backends.http import HTTP, answered
from lamina.errors import AuthError, Invalid, Unsupported

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from lamina.errors import StorageError

FAILURES: Final = Failures(
    *HTTP.values(),
    Row("bad token", AuthError, "the token is refused: it must be that of this index", sent="no"),
    Row("no index", Invalid, "there is no index at this URL: copy it from the console", sent="no"),
    Row("bad dimension", Invalid, "the vector has another dimension than the index"),
    Row("wrong kind", Invalid, "the index holds another kind of vectors"),
    Row("no model", Unsupported, "the index has no model to embed text: give a vector"),
    Row("bad filter", Unsupported, "the service does not take this filter"),
    Row("no query", Invalid, "the pages of this search have ended: begin it again"),
)
"""Those of HTTP, and what the service tells in words."""

_TEXTS: Final[dict[str, str]] = {
    "Invalid vector dimension": "bad dimension",
    "This index requires": "wrong kind",
    "Embedding data for this index is not allowed": "no model",
    "Invalid filter": "bad filter",
}
_REFUSALS: Final = range(400, 500)
_PASSING: Final = (401, 403, 408, 425, 429)
_ODD: Final = (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError)


def refused(
    status: int, told: Mapping[str, Any], headers: Mapping[str, str], path: str, now: float
) -> StorageError:
    """Return what an answer without a result becomes; *told* is what its JSON says."""
    if status < 400:
        if "error" not in told:
            return FAILURES["no json"].error()
        said = told.get("status")
        if not isinstance(said, int) or said < 400:
            return FAILURES["failed"].error()
        status = said
    name = _name(status, str(told.get("error", "")), path)
    if name is None:
        return answered(status, headers, now)
    wait = seconds_of(headers.get("retry-after"), now)
    return FAILURES[name].error(detail=f"HTTP {status}", retry_after=wait)


@contextmanager
def reading() -> Generator[None, None, None]:
    """Map what reading an answer of another shape raises.

    Raises:
        Corrupt: It is not what was asked for.
    """
    try:
        yield
    except _ODD as error:
        raise FAILURES["no json"].error(detail=type(error).__name__) from error


def _name(status: int, text: str, path: str) -> str | None:
    if status == 401:
        return "bad token"
    if status not in _REFUSALS or status in _PASSING:
        return None
    if path.startswith("/resumable-query-next"):
        return "no query"
    if status == 404 and path == "/info":
        return "no index"
    return next((name for begin, name in _TEXTS.items() if text.startswith(begin)), None)
