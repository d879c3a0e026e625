"""The HTTP side: paths, tokens, methods and the form of answers."""

from __future__ import annotations

import hmac
import sys
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final
from urllib.parse import parse_qs, unquote

from aiohttp import web

from lamina.testing.servers.upstash import control
from lamina.testing.servers.upstash.endpoints import ENDPOINTS
from lamina.testing.servers.upstash.faults import suffer
from lamina.testing.servers.upstash.index import Asked
from lamina.testing.servers.upstash.reading import parsed
from lamina.testing.servers.upstash.record import dumped
from lamina.testing.servers.upstash.refusals import UNAUTHORIZED, Refused, read_only, wrong_input
from lamina.testing.servers.upstash.state import State

if TYPE_CHECKING:
    from lamina.testing.servers.upstash.options import Options

_LARGEST_BODY: Final = 2 << 30


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names, percent-decoded."""

    index: str
    operation: str
    namespace: str
    everything: bool


@final
class Server:
    """Indexes behind HTTP."""

    def __init__(self, options: Options) -> None:
        self.state = State(options)

    def app(self) -> web.Application:
        """Return what serves them."""
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self.answer)
        return app

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        path = request.raw_path.partition("?")[0]
        if path == "/_ready":
            return web.Response(text="ready")
        if path == "/_control":
            return await self._control(request)
        target = _target(request.raw_path)
        if target is None:
            return _refusal(Refused(404, "Not Found"))
        self.state.counts[target.operation] += 1
        try:
            await request.read()  # whatever comes of it, it has come as a whole
        except (ConnectionError, web.RequestPayloadError):
            return _refusal(wrong_input())
        fault = self.state.faults.take(target.index, target.operation)
        if fault is None:
            return await self._carry_out(request, target)
        return await suffer(fault, request, lambda: self._carry_out(request, target))

    async def _carry_out(self, request: web.Request, target: Target) -> web.Response:
        try:
            return _json(f'{{"result":{await self._result(request, target)}}}')
        except Refused as refused:
            return _refusal(refused)
        except RecursionError:
            return _refusal(wrong_input())  # nested deeper than can be gone through
        except Exception:  # one request must not take the server along
            traceback.print_exc(file=sys.stderr)
            return _refusal(Refused(500, "Internal Server Error"))

    async def _result(self, request: web.Request, target: Target) -> str:
        state, endpoint = self.state, ENDPOINTS[target.operation]
        self._admit(request, target.operation, writes=endpoint.writes)
        if request.method not in {"POST", endpoint.also}:
            raise Refused(
                405, "Method Not Allowed", {"Allow": f"POST, {endpoint.also}".strip(", ")}
            )
        state.rates.admit(state.options.limits, time.time(), writes=endpoint.writes)
        body = await request.read()
        index = state.indexes.get(target.index)

        def job() -> str:
            now = state.clock()
            content = parsed(body)
            return endpoint.run(
                Asked(index, target.namespace, content, state.options, now, target.everything)
            )

        return await state.work.run(index, len(body), job)

    def _admit(self, request: web.Request, operation: str, *, writes: bool) -> None:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        options = self.state.options
        if hmac.compare_digest(given, f"Bearer {options.token}".encode()):
            return
        reads = f"Bearer {options.read_only_token}".encode()
        if options.read_only_token is None or not hmac.compare_digest(given, reads):
            raise Refused(401, UNAUTHORIZED)
        if writes:
            raise read_only(operation)

    async def _control(self, request: web.Request) -> web.Response:
        try:
            if request.method == "POST":
                control.change(self.state, parsed(await request.read()))
            elif request.method != "GET":
                raise Refused(405, "Method Not Allowed")
        except Refused as refused:
            return _refusal(refused)
        return _json(dumped(control.told(self.state)))


def _target(raw: str) -> Target | None:
    path, _, query = raw.partition("?")
    if not path.startswith("/"):  # to a proxy one names the host too
        path = "/" + path.partition("://")[2].partition("/")[2]
    steps = path[1:].split("/")
    if len(steps) not in {2, 3} or steps[1] not in ENDPOINTS:
        return None
    index = unquote(steps[0])
    namespace = unquote(steps[2]) if len(steps) == 3 else ""
    return Target(index, steps[1], namespace, "all" in parse_qs(query, keep_blank_values=True))


def _refusal(refused: Refused) -> web.Response:
    text = f'{{"error":{dumped(refused.text)},"status":{refused.status}}}'
    response = _json(text, refused.status)
    response.headers.update(refused.headers)
    return response


def _json(text: str, status: int = 200) -> web.Response:
    return web.Response(body=text.encode(), status=status, content_type="application/json")
