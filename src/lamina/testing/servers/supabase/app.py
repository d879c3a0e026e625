"""The HTTP side: which project and which part of it a call is for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, final
from urllib.parse import unquote

import asyncpg
from aiohttp import web

from lamina.testing.servers.supabase.access import BadToken, caller
from lamina.testing.servers.supabase.connections import Down
from lamina.testing.servers.supabase.message import Answer, Call
from lamina.testing.servers.supabase.projects import Projects
from lamina.testing.servers.supabase.rest import handler, refusal
from lamina.testing.servers.supabase.storage import handler as storage

if TYPE_CHECKING:
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

    async def open(self) -> None:
        """Prepare the default project."""
        await self.projects.get()
        for file in self.options.sql:
            await self.projects.run("", file.read_text())

    async def close(self) -> None:
        await self.projects.close()
        self._stack.close()

    def app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 62)
        app.router.add_route("*", "/{path:.*}", self.answer)
        return app

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer any call."""
        name, path = _split(request.rel_url.raw_path)
        if path == "/_ready":
            return web.Response(text="ready")
        if path == "/_control/project" and request.method == "POST":
            return await self._new_project(await request.json())
        try:
            project = await self.projects.get(name)
        except ValueError:
            return web.json_response({"message": "no such project"}, status=404)
        except Down:
            return _sent(handler.refusing(refusal.unreachable()))
        if path.startswith(_REST):
            return await self._rest(request, project, path.removeprefix(_REST))
        if path.startswith(_STORAGE):
            if request.method == "OPTIONS":
                return web.Response(headers=_CORS)
            told = path.removeprefix(_STORAGE)
            return await storage.answer(project, self.options, request, told)
        return web.json_response({"message": "no Route matched with those values"}, status=404)

    async def _new_project(self, told: dict[str, str]) -> web.Response:
        try:
            await self.projects.run(told["name"], told.get("sql") or "")
        except asyncpg.PostgresError as error:
            return web.json_response({"message": str(error)}, status=400)
        return web.json_response({"name": told["name"]})

    async def _rest(self, request: web.Request, project: Project, path: str) -> web.Response:
        if request.method == "OPTIONS":
            return web.Response(headers=_CORS)
        body = await request.read()
        try:
            who = caller(request.headers, self.options.jwt_secret)
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
        return _sent(await handler.answer(project, call, self.options.max_rows))


def _split(path: str) -> tuple[str, str]:
    """Return the name of a project, empty for the default one, and the path within it."""
    if not path.startswith("/~"):
        return "", path
    name, _, rest = path[2:].partition("/")
    return name, f"/{rest}"


def _sent(answer: Answer) -> web.Response:
    headers = {**answer.headers, "Access-Control-Allow-Origin": "*"}
    return web.Response(status=answer.status, body=answer.body, headers=headers)


_ = asyncio, json
