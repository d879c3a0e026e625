"""Servers of our own that run as a Python module and answer at ``/_ready``."""

from __future__ import annotations

import http.client
import os
import sys
from pathlib import Path
from typing import ClassVar

import lamina
from lamina.testing.servers.server import Server
from lamina.testing.servers.wheels import check


class Local(Server):
    """A package of `lamina.testing.servers` that is run with ``python -m``."""

    module: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ("aiohttp",)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def user(self) -> int | None:
        return None  # the interpreter and its packages are where only we may be able to read

    def _program(self) -> Path:
        check(*self.packages)
        return Path(sys.executable)

    def _arguments(self) -> list[str]:
        return ["-m", f"lamina.testing.servers.{self.module}", "--port", str(self.port)]

    def _environ(self) -> dict[str, str | None]:
        """Let it import what we do, from wherever this process found Lamina."""
        source = str(Path(lamina.__file__).parents[1])
        more = os.environ.get("PYTHONPATH")
        return {
            "PYTHONPATH": f"{source}{os.pathsep}{more}" if more else source,
            "PYTHONUNBUFFERED": "1",
        }

    def _answers(self) -> bool:
        return self._request("GET", "/_ready")[0] == 200

    def _request(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except http.client.HTTPException as error:
            raise ConnectionResetError from error
        finally:
            connection.close()
