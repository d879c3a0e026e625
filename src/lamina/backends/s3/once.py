"""HTTP for the client, sent once: aiohttp by itself sends again what a lost connection took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast, final

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

_TIMES: Final = 3
"""How often the longest wait for an answer a request may take with all its bytes."""

_LOST: Final = (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)


class Lost(aiohttp.ClientPayloadError):
    """The connection was lost after the request was sent: it may have been carried out."""


class OnceSession(AIOHTTPSession):
    """The client's own session, but that it never sends a request again, or elsewhere.

    It also bounds the wait for a free connection, and how long a request may take in all: a
    server that reads no more would hold up a write forever.
    """

    async def _get_session(self, proxy_url: str | None) -> aiohttp.ClientSession:
        inner = vars(self)  # the stubs leave out what a subclass needs
        sessions: dict[str | None, aiohttp.ClientSession] = inner["_sessions"]
        if proxy_url not in sessions:
            times: aiohttp.ClientTimeout = inner["_timeout"]
            made = aiohttp.ClientSession(
                connector=getattr(self, "_create_connector")(proxy_url),  # noqa: B009  # as above
                timeout=aiohttp.ClientTimeout(
                    total=_TIMES * (times.sock_read or 0.0),
                    connect=times.sock_read,
                    sock_connect=times.sock_connect,
                    sock_read=times.sock_read,
                ),
                skip_auto_headers={"CONTENT-TYPE"},
                auto_decompress=False,
                middlewares=(_once,),
            )
            entered = await inner["_exit_stack"].enter_async_context(made)
            sessions[proxy_url] = cast("aiohttp.ClientSession", _Straight(entered))
        return sessions[proxy_url]


@final
class _Straight:
    """A session that follows no redirect: the request was signed for one place."""

    def __init__(self, inner: aiohttp.ClientSession) -> None:
        self._inner = inner

    def request(self, method: str, **asked: Any) -> Awaitable[ClientResponse]:
        """Ask once, and take what comes."""
        return self._inner.request(method, allow_redirects=False, **asked)


async def _once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except _LOST as error:
        raise Lost(str(error) or type(error).__name__) from error
