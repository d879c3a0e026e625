"""Uploads: the bytes go to disk as they come, then the object is known."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import uuid
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Final

from aiohttp import BodyPartReader

from lamina.testing.servers.supabase.shapes import object_of
from lamina.testing.servers.supabase.storage import problems
from lamina.testing.servers.supabase.storage.names import check_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import asyncpg

    from lamina.testing.servers.supabase.access import Caller
    from lamina.testing.servers.supabase.storage.place import Place

_CHUNK: Final = 1 << 16
_PUT: Final = (
    "INSERT INTO storage.objects AS o (bucket_id, name, owner_id, owner, version, metadata,"
    " user_metadata) VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, $7::text::jsonb)"
)
_OVER: Final = (
    " ON CONFLICT (bucket_id, name) DO UPDATE SET version = excluded.version,"
    " metadata = excluded.metadata, user_metadata = excluded.user_metadata,"
    " owner_id = excluded.owner_id, owner = excluded.owner, updated_at = now()"
)


@dataclass(slots=True)
class Received:
    """What was sent beside the bytes."""

    type: str = "application/octet-stream"
    cache: str = "no-cache"
    metadata: dict[str, Any] | None = None
    size: int = 0
    digest: Any = field(default_factory=lambda: hashlib.md5(usedforsecurity=False))


async def upload(place: Place) -> dict[str, Any]:
    """Add an object, or with x-upsert write over one."""
    over = place.request.headers.get("x-upsert", "").lower() == "true"
    return await _upload(place, place.path[1], place.key(2), place.who(), over=over)


async def update(place: Place) -> dict[str, Any]:
    """Write an object, whether it is there or not."""
    return await _upload(place, place.path[1], place.key(2), place.who(), over=True)


async def upload_signed(place: Place, *, owner: str | None, over: bool) -> dict[str, Any]:
    """Add an object whose upload was signed before."""
    bucket, key = place.path[3], place.key(4)
    stored = await _store(place, await place.bucket(bucket), key, None, owner, over=over)
    return {"Key": stored["Key"]}


async def _upload(
    place: Place, bucket: str, key: str, who: Caller, *, over: bool
) -> dict[str, Any]:
    check_key(key)
    found = await place.bucket(bucket)
    return await _store(place, found, key, who, who.claims.get("sub"), over=over)


async def _store(
    place: Place,
    bucket: asyncpg.Record,
    key: str,
    who: Caller | None,
    owner: str | None,
    *,
    over: bool,
) -> dict[str, Any]:
    name = bucket["id"]
    version, file = place.new_file()
    told = (name, key, owner, _uuid(owner), version)
    if who is not None:
        await _put(place, who, (*told, None, None), over=over, undo=True)
    limits = [place.options.file_size_limit, bucket["file_size_limit"]]
    try:
        types = bucket["allowed_mime_types"]
        got = await _receive(place, file, min(each for each in limits if each), types)
        row = (*told, json.dumps(_metadata(got)), _json(got.metadata))
        found, old = await _put(place, None, row, over=over)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    if old is not None:
        place.file(old).unlink(missing_ok=True)
    return {"Key": f"{name}/{key}", "Id": str(found)}


async def _put(
    place: Place, who: Caller | None, row: tuple[Any, ...], *, over: bool, undo: bool = False
) -> tuple[Any, str | None]:
    """Write the row of an object; return its id, and the version that it replaces."""
    async with place.transaction(who, undo=undo) as connection:
        query = "SELECT version FROM storage.objects WHERE bucket_id = $1 AND name = $2 FOR UPDATE"
        old = None if undo else await connection.fetchval(query, *row[:2])
        sql = _PUT + (_OVER if over else " ON CONFLICT (bucket_id, name) DO NOTHING")
        found = await connection.fetchval(f"{sql} RETURNING id", *row)
    if found is None:
        raise problems.object_exists()
    return found, old


async def _receive(place: Place, file: Path, most: int, types: list[str] | None) -> Received:
    got, request = Received(), place.request
    if request.content_type != "multipart/form-data":
        got.type = request.headers.get("Content-Type") or got.type
        got.cache = request.headers.get("Cache-Control") or got.cache
        header = request.headers.get("x-metadata")
        got.metadata = _parsed(base64.b64decode(header)) if header else None
        _check_type(got.type, types)
        await _write(got, file, request.content.iter_chunked(_CHUNK), most)
        return got
    try:
        await _receive_form(place, got, file, most, types)
    except (ValueError, LookupError, AssertionError) as error:  # what the reader of forms raises
        message = "Body is no valid multipart form"
        raise problems.invalid(message) from error
    return got


async def _receive_form(
    place: Place, got: Received, file: Path, most: int, types: list[str] | None
) -> None:
    there = False
    async for part in await place.request.multipart():
        if not isinstance(part, BodyPartReader):
            continue
        if part.filename is None and part.name:
            await _field(got, part)
            continue
        there = True
        got.type = part.headers.get("Content-Type") or got.type
        _check_type(got.type, types)
        await _write(got, file, _chunks(part), most)
    if not there:
        raise problems.Problem(400, "InvalidRequest", "No content provided")


async def _field(got: Received, part: BodyPartReader) -> None:
    text = await part.text()
    if part.name == "cacheControl":
        got.cache = f"max-age={text}"
    elif part.name == "metadata":
        got.metadata = _parsed(text)
    elif part.name == "contentType":
        got.type = text


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(_CHUNK):
        yield bytes(chunk)


async def _write(got: Received, file: Path, chunks: AsyncIterator[bytes], most: int) -> None:
    with await asyncio.to_thread(file.open, "wb") as out:
        async for chunk in chunks:
            got.size += len(chunk)
            if got.size > most:
                raise problems.too_large()
            got.digest.update(chunk)
            out.write(chunk)


def _check_type(kind: str, types: list[str] | None) -> None:
    name = kind.partition(";")[0].strip().lower()
    family = name.partition("/")[0]
    if types and not any(each.lower() in {name, f"{family}/*", "*/*"} for each in types):
        raise problems.bad_type(kind)


def _metadata(got: Received) -> dict[str, Any]:
    now = formatdate(usegmt=True)
    return {
        "eTag": f'"{got.digest.hexdigest()}"',
        "size": got.size,
        "mimetype": got.type,
        "cacheControl": got.cache,
        "lastModified": now,
        "contentLength": got.size,
        "httpStatusCode": 200,
    }


def _parsed(text: str | bytes) -> dict[str, Any] | None:
    try:
        told: object = json.loads(text)
    except ValueError:
        return None
    return object_of(told) or None


def _json(told: dict[str, Any] | None) -> str | None:
    return None if told is None else json.dumps(told)


def _uuid(text: str | None) -> uuid.UUID | None:
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        return None
