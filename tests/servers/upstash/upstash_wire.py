"""One local Upstash Vector in a thread, and a bare HTTP client for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Thread
from typing import Any, Final

import httpx
from aiohttp import web

from lamina.testing.servers.upstash.app import Server
from lamina.testing.servers.upstash.options import parse

TOKEN: Final = "token-of-tests"
READ_ONLY: Final = "token-that-reads"


class Running:
    """A server on an event loop of its own."""

    def __init__(self, *argv: str) -> None:
        self.url = ""
        self._loop = asyncio.new_event_loop()
        options = parse(["--port", "0", "--token", TOKEN, "--read-only-token", READ_ONLY, *argv])
        self.server = Server(options)
        self._runner = web.AppRunner(self.server.app(), access_log=None, shutdown_timeout=0.1)
        self._thread = Thread(target=self._loop.run_forever)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(5)

    async def _start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self.server.state.work.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class Wire:
    """Speaks to one index, with nothing between a test and the wire."""

    def __init__(self, http: httpx.Client, url: str, name: str) -> None:
        self.http = http
        self.url = url
        self.name = name

    def send(self, op: str, body: Any = None, method: str = "POST", **more: Any) -> httpx.Response:
        content = {} if body is None else {"json": body}
        headers = {"Authorization": f"Bearer {TOKEN}"} | more.pop("headers", {})
        url = f"{self.url}/{self.name}/{op}"
        return self.http.request(method, url, headers=headers, **content, **more)

    def ok(self, op: str, body: Any = None, method: str = "POST") -> Any:
        """Return the result of a request that must succeed."""
        response = self.send(op, body, method)
        assert response.status_code == 200, response.text
        assert list(response.json()) == ["result"]
        return response.json()["result"]

    def refused(self, op: str, body: Any = None, method: str = "POST") -> tuple[int, str]:
        """Return status and text of a request that must be refused."""
        response = self.send(op, body, method)
        told = response.json()
        assert set(told) == {"error", "status"}
        assert told["status"] == response.status_code >= 400
        return told["status"], told["error"]

    def ids(self, op: str, body: Any) -> list[str]:
        return [each["id"] for each in self.ok(op, body)]


Open = Callable[..., Wire]
Control = Callable[..., dict[str, Any]]
Elapse = Callable[[float], None]
