"""Scripted servers: one that speaks HTTP/1.1, one for any other protocol."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final, final

from lamina.testing.faults.request import Request, Requests
from lamina.testing.faults.scripted import ScriptedServer
from lamina.testing.faults.steps import Answer

if TYPE_CHECKING:
    from lamina.testing.faults.connection import Connection
    from lamina.testing.faults.splitting import Splitter
    from lamina.testing.faults.steps import Step

_BODILESS: Final = {204, 304}
_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}


@final
class FaultServer(ScriptedServer[Request]):
    """Answers HTTP/1.1 by script, and counts: ``server.count`` after one call should be 1.

    Connections are kept alive, ``Expect: 100-continue`` is met, bodies come by length or in
    chunks. The default is an empty answer with status 200.
    """

    plain = Answer()

    @property
    def url(self) -> str:
        """``http://host:port``."""
        return f"http://{self.address}"

    async def serve(self, client: Connection, number: int) -> None:
        requests = Requests(client, number)
        while (asked := await requests.next()) is not None:
            if not await self.played(asked, client) or _last(asked):
                return

    def encoded(self, step: bytes | Answer, asked: Request) -> tuple[bytes, bytes]:
        if isinstance(step, bytes):
            return b"", step
        data, headers = step.encoded()
        if step.status in _BODILESS:
            data = b""
            del headers["content-length"]
        lines = [
            f"HTTP/1.1 {step.status} {_REASONS.get(step.status, 'Unknown')}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        return head, b"" if asked.method == "HEAD" else data


@final
class RawServer(ScriptedServer[bytes]):
    r"""Answers any protocol by script: each command that *split* finds gets its step.

    ``RawServer(b"+PONG\r\n", split=resp_command)`` is a Redis that was asked one thing. The
    default is to send nothing and wait for the next command.
    """

    plain = b""

    def __init__(self, *steps: Step, split: Splitter, default: Step | None = None) -> None:
        super().__init__(*steps, default=default)
        self._split = split

    async def serve(self, client: Connection, number: int) -> None:
        del number
        kept = b""
        while data := await client.read():
            kept += data
            while length := self._split(kept):
                command, kept = kept[:length], kept[length:]
                if not await self.played(command, client):
                    return

    def encoded(self, step: bytes | Answer, asked: bytes) -> tuple[bytes, bytes]:
        del asked
        if isinstance(step, bytes):
            return b"", step
        msg = "an Answer is for HTTP; give bytes"
        raise TypeError(msg)


def _last(asked: Request) -> bool:
    return asked.version == "HTTP/1.0" or asked.headers.get("connection", "").lower() == "close"
