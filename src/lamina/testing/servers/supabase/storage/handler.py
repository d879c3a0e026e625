"""Answer one call of ``/storage/v1``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from aiohttp import web

from lamina.testing.servers.supabase.storage import (
    buckets,
    downloads,
    objects,
    problems,
    signing,
    uploads,
)
from lamina.testing.servers.supabase.storage.place import Place

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lamina.testing.servers.supabase.options import Options
    from lamina.testing.servers.supabase.projects import Project

_JSON: Final[dict[tuple[str, str], Callable[[Place], Awaitable[Any]]]] = {
    ("GET", "bucket"): buckets.every,
    ("POST", "bucket"): buckets.create,
    ("GET", "bucket/*"): buckets.one,
    ("PUT", "bucket/*"): buckets.update,
    ("DELETE", "bucket/*"): buckets.delete,
    ("POST", "bucket/*/empty"): buckets.empty,
    ("POST", "object/list/*"): objects.listed,
    ("POST", "object/move"): objects.move,
    ("POST", "object/copy"): objects.copy,
    ("POST", "object/sign/*"): signing.sign_many,
    ("POST", "object/sign/*/**"): signing.sign,
    ("POST", "object/upload/sign/*/**"): signing.sign_upload,
    ("PUT", "object/upload/sign/*/**"): signing.upload,
    ("POST", "object/*/**"): uploads.upload,
    ("PUT", "object/*/**"): uploads.update,
    ("DELETE", "object/*"): objects.remove,
    ("DELETE", "object/*/**"): objects.remove_one,
}


async def answer(
    project: Project, options: Options, request: web.Request, path: str
) -> web.StreamResponse:
    """Answer a call; *path* is behind ``/storage/v1``, as it was sent."""
    parts = _parts(path)
    place = Place(project, options, request, parts)
    try:
        if request.method in {"GET", "HEAD"} and parts[0] == "object" and len(parts) > 2:
            return await _shown(place)
        asked = "GET" if request.method == "HEAD" else request.method
        for (method, pattern), run in _JSON.items():
            if method == asked and _fits(pattern.split("/"), parts):
                return web.json_response(await run(place), headers=_ANYWHERE, dumps=_dumps)
        message = f"Route {request.method}:{request.path} not found"
        told = {"message": message, "error": "Not Found", "statusCode": 404}
        return web.json_response(told, status=404)
    except problems.Problem as problem:
        return _problem(request, problem)


def _parts(path: str) -> tuple[str, ...]:
    """Return the parts of a path; only the key of an object may end with a slash."""
    parts = tuple(unquote(part) for part in path.lstrip("/").split("/"))
    keyed = parts[0] == "object" and parts[1:2] not in {("list",), ("move",), ("copy",)}
    return parts if keyed or len(parts) == 1 or parts[-1] else parts[:-1]


def _dumps(told: object) -> str:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


_ANYWHERE: Final = {"Access-Control-Allow-Origin": "*"}


async def _shown(place: Place) -> web.StreamResponse:
    match place.path[1:]:
        case ("info", "public" | "authenticated" as way, _, _, *_):
            show = downloads.public if way == "public" else downloads.download
            return await show(place, 3, told=True)
        case ("info", _, _, *_):
            return await downloads.download(place, 2, told=True)
        case ("sign", _, _, *_):
            return await signing.download(place)
        case ("public" | "authenticated" as way, _, _, *_):
            return await (downloads.public if way == "public" else downloads.download)(place, 2)
        case _:
            return await downloads.download(place, 1)


def _fits(pattern: list[str], parts: tuple[str, ...]) -> bool:
    if pattern[-1] == "**":
        head = pattern[:-1]
        longer = len(parts) >= len(pattern)
        return longer and all(a in ("*", b) for a, b in zip(head, parts, strict=False))
    return len(pattern) == len(parts) and all(
        a in ("*", b) for a, b in zip(pattern, parts, strict=True)
    )


def _problem(request: web.Request, problem: problems.Problem) -> web.Response:
    body = b"" if request.method == "HEAD" else problem.body()
    headers = {"Content-Type": "application/json; charset=utf-8", **_ANYWHERE}
    return web.Response(status=problem.http_status, body=body, headers=headers)
