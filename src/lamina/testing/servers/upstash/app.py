"""The HTTP side: paths, tokens, methods and the form of answers."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final, final
from urllib.parse import unquote

from aiohttp import web

from lamina.testing.servers.upstash.endpoints import ENDPOINTS
from lamina.testing.servers.upstash.index import Asked, Index, clock
from lamina.testing.servers.upstash.kinds import KINDS
from lamina.testing.servers.upstash.reading import parsed
from lamina.testing.servers.upstash.record import dumped
from lamina.testing.servers.upstash.refusals import UNAUTHORIZED, Refused
from lamina.testing.servers.upstash.work import Work

if TYPE_CHECKING:
    from lamina.testing.servers.upstash.endpoints import Endpoint
    from lamina.testing.servers.upstash.options import Options

_LARGEST_BODY: Final = 2 << 30


@final
class Server:
    """All indexes of one process, behind HTTP."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.indexes: dict[str, Index] = {}
        self.work = Work()

    def app(self) -> web.Application:
        """Return what serves it."""
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self.answer)
        return app

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        path, _, asked = request.raw_path.partition("?")
        if path == "/_ready":
            return web.Response(text="ready")
        try:
            return _json(f'{{"result":{await self._result(request, path, asked)}}}')
        except Refused as refused:
            text = f'{{"error":{dumped(refused.text)},"status":{refused.status}}}'
            return _json(text, refused.status)

    async def _result(self, request: web.Request, path: str, asked: str) -> str:
        steps = path[1:].split("/")
        kind, _, name = unquote(steps[0]).partition("~")
        if kind not in KINDS or len(steps) not in {2, 3}:
            raise Refused(404, "Not Found")
        endpoint = ENDPOINTS.get(steps[1])
        if endpoint is None:
            raise Refused(404, "Not Found")
        self._admit(request, endpoint)
        body = await request.read()
        index = self._index(steps[0], kind, name)
        namespace = unquote(steps[2]) if len(steps) == 3 else ""
        everything = asked.partition("=")[0] == "all"

        def job() -> str:
            content = parsed(body)
            ask = Asked(index, namespace, content, self.options, clock(), everything)
            return endpoint.run(ask)

        return await self.work.run(index, len(body), job)

    def _admit(self, request: web.Request, endpoint: Endpoint) -> None:
        given = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {self.options.token}".encode()):
            raise Refused(401, UNAUTHORIZED)
        if request.method not in {"POST", endpoint.also}:
            raise Refused(405, "Method Not Allowed")

    def _index(self, key: str, kind: str, name: str) -> Index:
        found = self.indexes.get(key)
        if found is None:
            options = self.options
            found = Index(name or kind, KINDS[kind], options.dimension, options.metric)
            self.indexes[key] = found
        return found


def _json(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="application/json")
