"""HTTP for the backends that speak it: one pool that we own, and what its failures become."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httpx

from lamina.backends.failures import Failures, Row, seconds_of
from lamina.backends.network import Transport
from lamina.errors import (
    AuthError,
    Conflict,
    Corrupt,
    Invalid,
    StorageError,
    Throttled,
    TimedOut,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

HTTP: Final = Failures(
    Row("not connected", Unavailable, "cannot connect", sent="no"),
    Row("connect timeout", Unavailable, "no connection in time", sent="no"),
    Row("pool timeout", Unavailable, "no connection became free in time", sent="no"),
    Row("no answer", TimedOut, "no answer in time"),
    Row("cut off", Unavailable, "the connection was lost"),
    Row("no http", Unavailable, "the answer is not HTTP"),
    Row("bad url", Invalid, "the address cannot be asked for"),
    Row("no json", Corrupt, "the answer is not what was asked for"),
    Row("unauthorized", AuthError, "the credentials are refused", sent="no"),
    Row("forbidden", AuthError, "the credentials do not allow it", sent="no"),
    Row("conflict", Conflict, "it conflicts with what is stored"),
    Row("throttled", Throttled, "asked to slow down", sent="no"),
    Row("unavailable", Unavailable, "the service cannot answer now"),
    Row("failed", Unavailable, "the service failed"),
    Row("refused", Invalid, "the service refuses it"),
    Row("unexpected", Corrupt, "the service answered with an unexpected status"),
)
"""What transport and status alone tell; each service adds what its own codes tell."""

_STATUSES: Final[dict[int, str]] = {
    401: "unauthorized",
    403: "forbidden",
    407: "forbidden",
    408: "unavailable",
    409: "conflict",
    425: "unavailable",
    429: "throttled",
    502: "unavailable",
    503: "unavailable",
    504: "unavailable",
}
_RAISED: Final[tuple[tuple[type[Exception], str], ...]] = (
    (httpx.ConnectTimeout, "connect timeout"),
    (httpx.PoolTimeout, "pool timeout"),
    (httpx.TimeoutException, "no answer"),
    (httpx.ConnectError, "not connected"),
    (httpx.RemoteProtocolError, "cut off"),
    (httpx.NetworkError, "cut off"),
    (httpx.DecodingError, "no http"),
    (httpx.InvalidURL, "bad url"),
    (httpx.UnsupportedProtocol, "bad url"),
    (httpx.LocalProtocolError, "bad url"),
)


def pool(
    *, timeout: float, connect_timeout: float, connections: int, http2: bool = False
) -> httpx.AsyncClient:
    """Return a client with at most *connections*, all finite waits, and no retries.

    A call waits for a free connection as long as for an answer. Proxies and netrc of the
    environment are not read: settings come from the settings.
    """
    limits = httpx.Limits(
        max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=30
    )
    return httpx.AsyncClient(
        timeout=httpx.Timeout(timeout, connect=connect_timeout),
        transport=Transport(limits, http2=http2),
        trust_env=False,
    )


def failed(error: Exception) -> StorageError:
    """Return what an exception of httpx becomes; raise it ``from`` that."""
    for kind, name in _RAISED:
        if isinstance(error, kind):
            return HTTP[name].error()
    return HTTP["cut off"].error(detail=type(error).__name__)


def answered(status: int, headers: Mapping[str, str], now: float) -> StorageError:
    """Return what a *status* of 400 or more becomes; *now* is in Unix seconds."""
    fallback = "failed" if status >= 500 else "refused" if status >= 400 else "unexpected"
    name = _STATUSES.get(status, fallback)
    wait = seconds_of(headers.get("retry-after"), now)
    return HTTP[name].error(detail=f"HTTP {status}", retry_after=wait)
