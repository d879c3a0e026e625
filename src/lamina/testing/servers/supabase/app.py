"""The HTTP side: which project and which part of it a call is for."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, final
from urllib.parse import unquote

from aiohttp import web

from lamina.testing.servers.supabase import control
from lamina.testing.servers.supabase.access import BadToken, caller
from lamina.testing.servers.supabase.connections import Down
from lamina.testing.servers.supabase.faults import Faults
from lamina.testing.servers.supabase.message import Answer, Call
from lamina.testing.servers.supabase.projects import Projects
from lamina.testing.servers.supabase.rest import handler, refusal
from lamina.testing.servers.supabase.storage import handler as storage

if TYPE_CHECKING:
    from lamina.testing.servers.supabase.faults import Fault
    from lamina.testing.servers.supabase.options import Options
    from lamina.testing.servers.supabase.projects import Project

_REST: Final = "/rest/v1"
_STORAGE: Final = "/storage/v1"
_CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Max-Age": "86400",
}
_SKEW: Final = 30.0
"""By how many seconds the clock of whoever makes tokens may differ, for PostgREST."""


@final
class Server:
    """All projects behind one port."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._stack = contextlib.ExitStack()
        folder = options.storage or Path(
            self._stack.enter_context(tempfile.TemporaryDirectory(prefix="lamina-storage-"))
        )
        self.projects = Projects(options, folder)
        self._faults: dict[str, Faults] = {}

    async def open(self) -> None:
        """Prepare the default project.

        Raises:
            ScriptFailed: A file of SQL fails, in one line.
            Down: The database does not answer.
        """
        await self.projects.get()
        for file in self.options.sql:
            await self.projects.run_file(file)

    async def close(self) -> None:
        await self.projects.close()
        self._stack.close()

    def app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 62)  # Storage has limits of its own
        app.router.add_route("*", "/{path:.*}", self.answer)
        return app

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer any call."""
        name, path = _split(request.rel_url.raw_path)
        if path == "/_ready":
            return web.Response(text="ready")
        faults = self._faults.setdefault(name, Faults())
        if path.startswith("/_control"):
            return await control.answer(self.projects, faults, request, path)
        fault = faults.next(request.method, path)
        try:
            if fault is None:
                return await self._carry_out(request, name, path)
            return await self._faulty(fault, request, name, path)
        except ConnectionResetError:
            return web.Response(status=400)  # to a caller who is gone

    async def _faulty(
        self, fault: Fault, request: web.Request, name: str, path: str
    ) -> web.StreamResponse:
        await asyncio.sleep(fault.delay)
        # Nothing tells of the end of a connection but its transport.
        while fault.hang and request.transport is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        answer: web.StreamResponse = web.Response()
        if fault.answer is not None:
            await request.read()
            answer = _sent(fault.answer)
        elif not fault.hang and fault.reset != "before":
            answer = await self._carry_out(request, name, path)
        if fault.reset is not None:
            _reset(request)
        return answer

    async def _carry_out(self, request: web.Request, name: str, path: str) -> web.StreamResponse:
        try:
            project = await self.projects.get(name)
        except ValueError:
            return web.json_response({"message": "no such project"}, status=404)
        except Down:
            return _sent(handler.refusing(refusal.unreachable()))
        part = next((each for each in (_REST, _STORAGE) if f"{path}/".startswith(f"{each}/")), None)
        if part is None:
            message = "no Route matched with those values"
            return web.json_response({"message": message}, status=404)
        if request.method == "OPTIONS":
            return web.Response(headers=_CORS)
        rest = path.removeprefix(part)
        if part == _STORAGE:
            return await storage.answer(project, self.options, request, rest)
        return await self._rest(request, project, rest)

    async def _rest(self, request: web.Request, project: Project, path: str) -> web.Response:
        body = await request.read()
        try:
            who = caller(request.headers, self.options.jwt_secret, leeway=_SKEW)
        except BadToken as error:
            return _sent(handler.refusing(refusal.bad_token(str(error))))
        call = Call(
            request.method,
            unquote(path.strip("/")),
            request.rel_url.raw_query_string,
            request.headers,
            request.headers.getall("Prefer", []),
            body,
            who,
        )
        return _sent(await handler.answer(project, call, self.options))


def _split(path: str) -> tuple[str, str]:
    """Return the name of a project, empty for the default one, and the path within it."""
    if not path.startswith("/~"):
        return "", path
    name, _, rest = path[2:].partition("/")
    return unquote(name), f"/{rest}"


def _sent(answer: Answer) -> web.Response:
    headers = {**answer.headers, "Access-Control-Allow-Origin": "*"}
    return web.Response(status=answer.status, body=answer.body, headers=headers)


def _reset(request: web.Request) -> None:
    """Cut the connection so that the caller sees a reset."""
    transport = request.transport
    if transport is None:
        return
    bare = transport.get_extra_info("socket")
    if bare is not None:
        bare.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
