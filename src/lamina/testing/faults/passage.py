"""One connection through the proxy, in both directions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, final

from lamina.testing.faults.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.testing.faults.script import Fault, Harm
    from lamina.testing.faults.splitting import Splitter
    from lamina.testing.faults.traffic import Flow, Traffic

_SLICES_A_SECOND: Final = 20


@final
class Passage:
    """Hands on what comes until a fault strikes.

    A request begins with the first bytes from the client after an answer, or where the splitter
    says; its answer begins with the first bytes from the server after a (whole) request.
    """

    def __init__(
        self, traffic: Traffic, client: Connection, server: Connection, number: int
    ) -> None:
        self._traffic = traffic
        self._client = client
        self._server = server
        self._number = number
        self._requests = _Requests(traffic.splitter)
        self._unanswered = False
        self._silent = False
        self._ended = False

    async def run(self) -> None:
        """Return when either side has ended or a fault has ended it."""
        up = asyncio.get_running_loop().create_task(self._up())
        try:
            await self._down()
            if self._silent and not self._ended:
                await up
        finally:
            self._server.abort()
            up.cancel()
            await asyncio.wait({up})
        if not up.cancelled():
            up.result()  # a splitter that failed

    async def _up(self) -> None:
        orderly = False
        try:
            await self._hand_up()
            orderly = not self._silent
        finally:
            if not orderly:
                self._server.abort()  # which ends the other direction too
        self._server.end()

    async def _hand_up(self) -> None:
        passed = 0
        fault: Fault | None = None
        while data := await self._client.read():
            for piece, begins, ends in self._requests.split(data):
                if begins:
                    passed = 0
                    self._traffic.requests += 1
                    fault = self._traffic.script.draw("request", self._number)
                    await self._traffic.up.wait()
                self._unanswered = self._unanswered or ends
                await self._pass(piece, self._server, self._traffic.up, fault, passed)
                passed += len(piece)

    async def _down(self) -> None:
        passed = 0
        fault: Fault | None = None
        while data := await self._server.read():
            if self._unanswered:
                self._unanswered = False
                self._requests.answered()
                passed = 0
                fault = self._traffic.script.draw("answer", self._number)
                await self._traffic.down.wait()
            await self._pass(data, self._client, self._traffic.down, fault, passed)
            passed += len(data)

    async def _pass(
        self, data: bytes, to: Connection, flow: Flow, fault: Fault | None, passed: int
    ) -> None:
        flow.bytes += len(data)
        if self._traffic.black:
            self._silent = True
        place = -1 if fault is None else fault.after - passed
        if fault is None or not 0 <= place < len(data):
            await self._send(data, to, flow)
            return
        await self._send(data[:place], to, flow)
        if fault.how == "corrupt":
            await self._send(bytes([data[place] ^ 0xFF]) + data[place + 1 :], to, flow)
        else:
            await self._end(fault.how)

    async def _send(self, data: bytes, to: Connection, flow: Flow) -> None:
        step = len(data) if flow.rate is None else max(1, int(flow.rate / _SLICES_A_SECOND))
        for start in range(0, len(data), step or 1):
            if self._silent or self._ended:
                return
            part = data[start : start + step]
            await to.send(part)
            if flow.rate is not None:
                await asyncio.sleep(len(part) / flow.rate)

    async def _end(self, how: Harm) -> None:
        if how == "hang":
            self._silent = True
            return
        self._ended = True
        if how == "reset":
            self._client.reset()
        else:
            await self._client.close()
        self._server.abort()


@final
class _Requests:
    """Tells where requests begin and end in what a client sends."""

    def __init__(self, splitter: Splitter | None) -> None:
        self._splitter = splitter
        self._kept = b""
        self._begun = False

    def answered(self) -> None:
        """Take what comes next for a new request, where there is no splitter to say so."""
        if self._splitter is None:
            self._begun = False

    def split(self, data: bytes) -> Iterator[tuple[bytes, bool, bool]]:
        """Give pieces: the bytes, whether a request begins with them, whether it is whole."""
        if self._splitter is None:
            begins, self._begun = not self._begun, True
            yield data, begins, True
            return
        while data:
            length = self._splitter(self._kept + data)
            begins, self._begun = not self._begun, length == 0
            if not length:
                self._kept += data
                yield data, begins, False
                return
            piece, data = data[: length - len(self._kept)], data[length - len(self._kept) :]
            self._kept = b""
            yield piece, begins, True
