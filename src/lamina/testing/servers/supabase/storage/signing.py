"""URLs that let anybody download or upload one object for a while."""
# ruff: noqa: S608  # names and values come quoted by `quoting`, or are bound
# ruff: noqa: EM101, TRY003  # what is refused, is refused in the words of the real one

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import jwt

from lamina.testing.servers.supabase.access import BadToken, read
from lamina.testing.servers.supabase.shapes import list_of
from lamina.testing.servers.supabase.storage import problems, uploads
from lamina.testing.servers.supabase.storage.downloads import send
from lamina.testing.servers.supabase.storage.names import check_key
from lamina.testing.servers.supabase.storage.objects import find
from lamina.testing.servers.supabase.storage.place import plain

if TYPE_CHECKING:
    from aiohttp import web

    from lamina.testing.servers.supabase.storage.place import Place

_UPLOAD_SECONDS: Final = 7200
_HIDDEN: Final = "Either the object does not exist or you do not have access to it"


def _signed(place: Place, seconds: float, **claims: Any) -> str:
    now = int(time.time())
    told = {**claims, "iat": now, "exp": now + int(seconds)}
    return jwt.encode(told, place.options.jwt_secret, algorithm="HS256")


def _seconds(told: dict[str, Any]) -> int:
    if told.get("expiresIn") is None:
        raise problems.invalid("body must have required property 'expiresIn'")
    try:
        seconds = int(told["expiresIn"])
    except (ValueError, TypeError, OverflowError) as error:
        raise problems.invalid("body/expiresIn must be integer") from error
    if seconds < 1:
        raise problems.invalid("body/expiresIn must be >= 1")
    return seconds


async def sign(place: Place) -> dict[str, Any]:
    """Return the URL of one object."""
    bucket, key = place.path[2], place.key(3)
    seconds = _seconds(await place.json())
    await find(place, bucket, key, place.who())
    return {"signedURL": _url(place, bucket, key, seconds)}


async def sign_many(place: Place) -> list[dict[str, Any]]:
    """Return the URLs of many objects."""
    bucket, told = place.path[2], await place.json()
    seconds, who = _seconds(told), place.who()
    names = [str(name) for name in list_of(told.get("paths"))]
    async with place.transaction(who) as connection:
        query = "SELECT name FROM storage.objects WHERE bucket_id = $1 AND name = ANY ($2)"
        there = {row["name"] for row in await connection.fetch(query, bucket, names)}
    return [
        {"error": None, "path": name, "signedURL": _url(place, bucket, name, seconds)}
        if name in there
        else {"error": _HIDDEN, "path": name, "signedURL": None}
        for name in names
    ]


def _url(place: Place, bucket: str, key: str, seconds: float) -> str:
    token = _signed(place, seconds, url=f"{bucket}/{key}")
    return f"/object/sign/{quote(bucket)}/{quote(key)}?token={token}"


def _claims(place: Place, bucket: str, key: str) -> dict[str, Any]:
    token = place.request.query.get("token")
    if token is None:
        raise problems.invalid("querystring must have required property 'token'")
    try:
        claims = read(token, place.options.jwt_secret)
    except BadToken as error:
        raise problems.bad_token(plain(error)) from error
    if claims.get("url") != f"{bucket}/{key}":
        raise problems.bad_signature()
    return claims


async def download(place: Place) -> web.StreamResponse:
    """Answer an object by its signed URL."""
    bucket, key = place.path[2], place.key(3)
    _claims(place, bucket, key)
    return await send(place, await find(place, bucket, key, None))


async def sign_upload(place: Place) -> dict[str, Any]:
    """Return the URL by which one object can be uploaded."""
    bucket, key, who = place.path[3], check_key(place.key(4)), place.who()
    over = place.request.headers.get("x-upsert", "").lower() == "true"
    await place.bucket(bucket)
    async with place.transaction(who, undo=True) as connection:
        then = "UPDATE SET updated_at = now()" if over else "NOTHING"
        done = await connection.fetchval(
            "INSERT INTO storage.objects (bucket_id, name) VALUES ($1, $2)"
            f" ON CONFLICT (bucket_id, name) DO {then} RETURNING 1",
            *(bucket, key),
        )
    if done is None:
        raise problems.object_exists()
    owner = who.claims.get("sub")
    url = f"{bucket}/{key}"
    token = _signed(place, _UPLOAD_SECONDS, url=url, upsert=over, owner=owner)
    path = f"/object/upload/sign/{quote(bucket)}/{quote(key)}?token={token}"
    return {"url": path, "token": token}


async def upload(place: Place) -> dict[str, Any]:
    """Take an upload that was signed."""
    claims = _claims(place, place.path[3], place.key(4))
    return await uploads.upload_signed(
        place, owner=claims.get("owner"), over=bool(claims.get("upsert"))
    )
