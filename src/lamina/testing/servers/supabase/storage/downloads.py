"""Downloads, whole or in part."""

# ruff: noqa: EM101, TRY003  # what is refused, is refused in the words of the real one

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from aiohttp import web

from lamina.testing.servers.supabase.shapes import object_of
from lamina.testing.servers.supabase.storage import problems
from lamina.testing.servers.supabase.storage.objects import find, info

if TYPE_CHECKING:
    from lamina.testing.servers.supabase.storage.place import Place

_CHUNK: Final = 1 << 18
_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")


async def download(place: Place, begin: int, *, told: bool = False) -> web.StreamResponse:
    """Answer an object to whom it may be shown; *told* answers what is known of it."""
    bucket, key = place.path[begin], place.key(begin + 1)
    only_about = told or place.request.method == "HEAD"  # then nobody looks for the bucket
    found = await (
        find(place, bucket, key, place.who()) if only_about else _found(place, bucket, key)
    )
    return web.json_response(info(found)) if told else await send(place, found)


async def _found(place: Place, bucket: str, key: str) -> dict[str, Any]:
    asks = place.request.headers
    public = (await place.bucket(bucket))["public"]
    if public:
        return await find(place, bucket, key, None)
    if "Authorization" not in asks and "apikey" not in asks:
        raise problems.denied("Access denied to this bucket")
    return await find(place, bucket, key, place.who())


async def public(place: Place, begin: int, *, told: bool = False) -> web.StreamResponse:
    """Answer an object of a public bucket to anybody."""
    bucket, key = place.path[begin], place.key(begin + 1)
    if not (await place.bucket(bucket))["public"]:
        raise problems.no_bucket()
    found = await find(place, bucket, key, None)
    return web.json_response(info(found)) if told else await send(place, found)


async def send(place: Place, found: dict[str, Any]) -> web.StreamResponse:
    """Answer the bytes of an object."""
    metadata = object_of(found["metadata"])
    headers = _headers(place, found, metadata)
    if _is_known(place, found, headers["ETag"]):
        return web.Response(status=304, headers=headers)
    file = place.file(found["version"])
    try:
        opened = file.open("rb")
    except OSError as error:
        raise problems.no_object() from error
    with opened:
        size = file.stat().st_size
        first, last = _part(place.request.headers.get("Range"), size)
        status = 200
        if (first, last) != (0, size - 1) or (size and "Range" in place.request.headers):
            status = 206
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        headers["Content-Length"] = str(last - first + 1)
        if last - first < _CHUNK and place.request.method != "HEAD":
            opened.seek(first)
            return web.Response(status=status, headers=headers, body=opened.read(last - first + 1))
        answer = web.StreamResponse(status=status, headers=headers)
        await answer.prepare(place.request)
        if place.request.method != "HEAD":
            opened.seek(first)
            left = last - first + 1
            while left > 0 and (chunk := opened.read(min(left, _CHUNK))):
                left -= len(chunk)
                await answer.write(chunk)
        await answer.write_eof()
        return answer


def _headers(place: Place, found: dict[str, Any], metadata: dict[str, Any]) -> dict[str, str]:
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Type": metadata.get("mimetype") or "application/octet-stream",
        "ETag": metadata.get("eTag") or '""',
        "Cache-Control": metadata.get("cacheControl") or "no-cache",
        "Last-Modified": format_datetime(_changed(found), usegmt=True),
        "Access-Control-Allow-Origin": "*",
    }
    name = place.request.query.get("download")
    if name is not None:
        quoted = quote(name, safe="")
        headers["Content-Disposition"] = "attachment;" + (
            f" filename={quoted}; filename*=UTF-8''{quoted};" if name else ""
        )
    return headers


def _changed(found: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(found["updated_at"]).astimezone(UTC).replace(microsecond=0)


def _is_known(place: Place, found: dict[str, Any], etag: str) -> bool:
    told = place.request.headers.get("If-None-Match")
    if told is not None:
        return told.strip() == "*" or etag in [each.strip() for each in told.split(",")]
    since = place.request.if_modified_since
    return since is not None and _changed(found) <= since


def _part(header: str | None, size: int) -> tuple[int, int]:
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None or found[0] == "bytes=-":
        return 0, size - 1
    if not found[1]:
        return max(0, size - int(found[2])), size - 1
    first = int(found[1])
    last = min(int(found[2]), size - 1) if found[2] else size - 1
    if first > last:
        raise problems.Problem(400, "InvalidRange", "invalid range provided", "invalid_range")
    return first, last
