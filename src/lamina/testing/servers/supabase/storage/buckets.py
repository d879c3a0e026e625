"""Buckets."""
# ruff: noqa: S608  # names and values come quoted by `quoting`, or are bound
# ruff: noqa: EM101, TRY003  # what is refused, is refused in the words of the real one

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from lamina.testing.servers.supabase.shapes import list_of
from lamina.testing.servers.supabase.storage import problems
from lamina.testing.servers.supabase.storage.names import check_bucket
from lamina.testing.servers.supabase.storage.place import TIME

if TYPE_CHECKING:
    from lamina.testing.servers.supabase.storage.place import Place

_FIELDS: Final = (
    "id, name, coalesce(owner::text, '') AS owner, public, file_size_limit, allowed_mime_types,"
    f" {TIME.format('created_at')} AS created_at, {TIME.format('updated_at')} AS updated_at"
)
_SIZE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?b)?\s*", re.IGNORECASE)
_UNITS: Final = {"b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30, "tb": 1 << 40}


async def every(place: Place) -> list[dict[str, Any]]:
    """Return all buckets that the caller may see."""
    async with place.transaction(place.who()) as connection:
        rows = await connection.fetch(f"SELECT {_FIELDS} FROM storage.buckets ORDER BY created_at")
    return [dict(row) for row in rows]


async def one(place: Place) -> dict[str, Any]:
    """Return one bucket."""
    async with place.transaction(place.who()) as connection:
        row = await connection.fetchrow(
            f"SELECT {_FIELDS} FROM storage.buckets WHERE id = $1", place.path[1]
        )
    if row is None:
        raise problems.no_bucket()
    return dict(row)


async def create(place: Place) -> dict[str, Any]:
    """Make a bucket."""
    who, told = place.who(), await place.json()
    if not isinstance(told.get("name"), str):
        raise problems.invalid("body must have required property 'name'")
    name = check_bucket(told["name"])
    identity = check_bucket(str(told.get("id") or name))
    async with place.transaction(who) as connection:
        await connection.execute(
            "INSERT INTO storage.buckets"
            " (id, name, public, file_size_limit, allowed_mime_types, owner_id)"
            " VALUES ($1, $2, $3, $4, $5, $6)",
            *(identity, name, bool(_public(told)), _size(told), _types(told)),
            who.claims.get("sub"),
        )
    return {"name": identity}


async def update(place: Place) -> dict[str, Any]:
    """Change a bucket."""
    told = await place.json()
    async with place.transaction(place.who()) as connection:
        done = await connection.fetchval(
            "UPDATE storage.buckets SET public = coalesce($2, public),"
            " file_size_limit = CASE WHEN $3 THEN $4 ELSE file_size_limit END,"
            " allowed_mime_types = CASE WHEN $5 THEN $6 ELSE allowed_mime_types END,"
            " updated_at = now() WHERE id = $1 RETURNING id",
            *(place.path[1], _public(told), "file_size_limit" in told, _size(told)),
            *("allowed_mime_types" in told, _types(told)),
        )
    if done is None:
        raise problems.no_bucket()
    return {"message": "Successfully updated"}


async def empty(place: Place) -> dict[str, Any]:
    """Delete all objects of a bucket."""
    name = place.path[1]
    await one(place)
    async with place.transaction(place.who()) as connection:
        rows = await connection.fetch(
            "DELETE FROM storage.objects WHERE bucket_id = $1 RETURNING version", name
        )
    for row in rows:
        place.file(row["version"]).unlink(missing_ok=True)
    return {"message": "Successfully emptied"}


async def delete(place: Place) -> dict[str, Any]:
    """Delete a bucket that is empty."""
    name = place.path[1]
    who = place.who()
    async with place.transaction(who) as connection:
        found = await connection.fetchval(
            "SELECT id FROM storage.buckets WHERE id = $1 FOR UPDATE", name
        )
    if found is None:
        raise problems.no_bucket()
    async with place.transaction() as connection:
        query = "SELECT EXISTS (SELECT FROM storage.objects WHERE bucket_id = $1)"
        full = await connection.fetchval(query, name)
    if full:
        message = "The bucket you tried to delete is not empty"
        raise problems.Problem(409, "InvalidRequest", message)
    async with place.transaction(who) as connection:
        done = await connection.fetchval(
            "DELETE FROM storage.buckets WHERE id = $1 RETURNING id", name
        )
    if done is None:
        raise problems.no_bucket()
    return {"message": "Successfully deleted"}


def _public(told: dict[str, Any]) -> bool | None:
    given = told.get("public")
    given = {"true": True, "false": False}.get(given) if isinstance(given, str) else given
    if not isinstance(given, bool) and told.get("public") is not None:
        raise problems.invalid("body/public must be boolean")
    return given


def _size(told: dict[str, Any]) -> int | None:
    given = told.get("file_size_limit")
    if given is None or given == "":
        return None
    found = _SIZE.fullmatch(str(given))
    if found is None:
        message = "Invalid file size format, hint: use 20GB / 20MB / 30KB / 3B"
        raise problems.Problem(400, "InvalidRequest", message)
    return int(float(found[1]) * _UNITS[(found[2] or "b").lower()])


def _types(told: dict[str, Any]) -> list[str] | None:
    given = [str(each) for each in list_of(told.get("allowed_mime_types"))]
    wrong = [each for each in given if "/" not in each]
    if wrong:
        raise problems.bad_type(wrong[0])
    return given or None
