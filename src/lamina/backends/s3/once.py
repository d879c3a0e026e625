"""HTTP for the client, sent once: aiohttp by itself sends again what a lost connection took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession

if TYPE_CHECKING:
    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

_LOST: Final = (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)


class Lost(aiohttp.ClientPayloadError):
    """The connection was lost after the request was sent: it may have been carried out."""


class OnceSession(AIOHTTPSession):
    """The client's own session, but that it never sends a request again.

    It also bounds the wait for a free connection.
    """

    async def _get_session(self, proxy_url: str | None) -> aiohttp.ClientSession:
        inner = vars(self)  # the stubs leave out what a subclass needs
        sessions: dict[str | None, aiohttp.ClientSession] = inner["_sessions"]
        if proxy_url not in sessions:
            times: aiohttp.ClientTimeout = inner["_timeout"]
            made = aiohttp.ClientSession(
                connector=getattr(self, "_create_connector")(proxy_url),  # noqa: B009  # as above
                timeout=aiohttp.ClientTimeout(
                    connect=times.sock_read,
                    sock_connect=times.sock_connect,
                    sock_read=times.sock_read,
                ),
                skip_auto_headers={"CONTENT-TYPE"},
                auto_decompress=False,
                middlewares=(_once,),
            )
            sessions[proxy_url] = await inner["_exit_stack"].enter_async_context(made)
        return sessions[proxy_url]


async def _once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except _LOST as error:
        raise Lost(str(error) or type(error).__name__) from error
