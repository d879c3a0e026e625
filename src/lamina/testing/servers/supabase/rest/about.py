"""What the root tells: the names of tables and functions, as OpenAPI."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lamina.testing.servers.supabase.message import Answer
from lamina.testing.servers.supabase.rest.refusal import Refused

if TYPE_CHECKING:
    from lamina.testing.servers.supabase.rest.work import Work


def about(work: Work) -> Answer:
    """Answer with the tables and functions of the schema."""
    if work.call.method not in {"GET", "HEAD"}:
        message = f"Unsupported HTTP method: {work.call.method}"
        raise Refused(405, "PGRST117", message)
    tables = [f"/{name}" for within, name in work.schema.tables if within == work.within]
    calls = [f"/rpc/{name}" for within, name in work.schema.functions if within == work.within]
    told: dict[str, object] = {
        "swagger": "2.0",
        "info": {"title": "standard public schema", "version": "12.2.12", "description": ""},
        "paths": {path: {} for path in ["/", *sorted(tables), *sorted(calls)]},
    }
    kind = {"Content-Type": "application/openapi+json; charset=utf-8"}
    return Answer(200, json.dumps(told).encode() if work.call.method == "GET" else b"", kind)
