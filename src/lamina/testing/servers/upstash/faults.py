"""Wrong answers by order: what to do to which of the next requests."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, final

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_LINGER: Final = struct.pack("ii", 1, 0)  # closing sends RST
_LOOK: Final = 0.05  # seconds between looks whether the other side has gone


@dataclass(slots=True)
class Fault:
    """What happens to the next *times* requests that it fits.

    First *delay* seconds pass; *after* carries the request out before all else; then it hangs,
    resets the connection or answers with *status*, or else as if nothing were.
    """

    times: int = 1
    endpoint: str | None = None
    """Only this one, such as ``query``."""
    index: str | None = None
    """Only this one, such as ``dense~name``."""
    delay: float = 0.0
    after: bool = False
    hang: bool = False
    reset: bool = False
    status: int | None = None
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict[str, str])


@final
class Faults:
    """The faults that are still to come, in order."""

    def __init__(self) -> None:
        self.coming: list[Fault] = []

    def take(self, index: str, endpoint: str) -> Fault | None:
        """Return what is to happen to a request, None for nothing."""
        for fault in self.coming:
            if fault.endpoint in {None, endpoint} and fault.index in {None, index}:
                fault.times -= 1
                if fault.times < 1:
                    self.coming.remove(fault)
                return fault
        return None


async def suffer(
    fault: Fault, request: web.Request, carry_out: Callable[[], Awaitable[web.Response]]
) -> web.Response:
    """Answer a request, which has come as a whole, as *fault* wants it."""
    if fault.delay > 0.0:
        await asyncio.sleep(fault.delay)
    normal = await carry_out() if fault.after else None
    if fault.hang:
        while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(_LOOK)
    elif fault.reset:
        _reset(request)
    elif fault.status is not None:
        return _canned(fault)
    else:
        return await carry_out() if normal is None else normal
    return web.Response()  # to nobody


def _reset(request: web.Request) -> None:
    if request.transport is None:
        return
    connection: socket.socket | None = request.transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
    request.transport.abort()


def _canned(fault: Fault) -> web.Response:
    headers = {"Content-Type": "application/json"} | fault.headers
    return web.Response(body=fault.body.encode(), status=fault.status or 200, headers=headers)
