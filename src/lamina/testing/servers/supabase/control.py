"""``/_control``: projects, faults and counts, without a key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import asyncpg
from aiohttp import web

from lamina.testing.servers.supabase.connections import Down

if TYPE_CHECKING:
    from lamina.testing.servers.supabase.faults import Faults
    from lamina.testing.servers.supabase.projects import Projects


async def answer(
    projects: Projects, faults: Faults, request: web.Request, path: str
) -> web.Response:
    """Answer a call of the control API."""
    try:
        told: Any = json.loads(await request.text() or "null")
        if path == "/_control/project" and request.method == "POST":
            return await _project(projects, told)
        if path == "/_control" and request.method == "POST":
            faults.add(told)
        elif path == "/_control" and request.method == "DELETE":
            faults.clear()
        elif path != "/_control" or request.method != "GET":
            return web.json_response({"message": "no such control"}, status=404)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return web.json_response({"message": str(error)}, status=400)
    return web.json_response(faults.told())


async def _project(projects: Projects, told: dict[str, Any]) -> web.Response:
    name = str(told["name"])
    try:
        await projects.run(name, str(told.get("sql") or ""))
    except asyncpg.PostgresError as error:
        return web.json_response({"message": str(error)}, status=400)
    except Down as error:
        return web.json_response({"message": str(error)}, status=503)
    return web.json_response({"name": name})
