"""Objects that are there: info, list, remove, move and copy."""
# ruff: noqa: S608  # names and values come quoted by `quoting`, or are bound
# ruff: noqa: EM101, EM102, TRY003  # what is refused, is refused in the words of the real one

from __future__ import annotations

import asyncio
import json
import shutil
from typing import TYPE_CHECKING, Any, Final

from lamina.testing.servers.supabase.shapes import list_of, object_of
from lamina.testing.servers.supabase.storage import problems
from lamina.testing.servers.supabase.storage.names import check_key
from lamina.testing.servers.supabase.storage.place import TIME

if TYPE_CHECKING:
    import asyncpg

    from lamina.testing.servers.supabase.access import Caller
    from lamina.testing.servers.supabase.storage.place import Place

_TIMES: Final = ", ".join(
    f"{TIME.format(name)} AS {name}" for name in ("updated_at", "created_at", "last_accessed_at")
)
_WHOLE: Final = (
    "name, bucket_id, coalesce(owner::text, '') AS owner, coalesce(owner_id, '') AS owner_id,"
    f" version, id::text, {_TIMES}, metadata::text, user_metadata::text"
)
_SORTED: Final = ("name", "updated_at", "created_at", "last_accessed_at")


def whole(row: asyncpg.Record) -> dict[str, Any]:
    """Return a row with its JSON read."""
    told = dict(row)
    for name in ("metadata", "user_metadata"):
        if told.get(name) is not None:
            told[name] = json.loads(told[name])
    return told


async def find(place: Place, bucket: str, key: str, who: Caller | None) -> dict[str, Any]:
    """Return an object that a caller may see."""
    async with place.transaction(who) as connection:
        row = await connection.fetchrow(
            f"SELECT {_WHOLE} FROM storage.objects WHERE bucket_id = $1 AND name = $2", bucket, key
        )
    if row is None:
        raise problems.no_object()
    return whole(row)


def info(found: dict[str, Any]) -> dict[str, Any]:
    """Return what is told of an object."""
    metadata = object_of(found["metadata"])
    return {
        "id": found["id"],
        "name": found["name"],
        "version": found["version"],
        "bucket_id": found["bucket_id"],
        "size": metadata.get("size"),
        "content_type": metadata.get("mimetype"),
        "cache_control": metadata.get("cacheControl"),
        "etag": metadata.get("eTag"),
        "metadata": found["user_metadata"],
        "last_modified": found["updated_at"],
        "created_at": found["created_at"],
    }


async def listed(place: Place) -> list[dict[str, Any]]:
    """Return one folder, its folders first."""
    told = await place.json()
    prefix = str(told.get("prefix") or "")
    prefix = prefix + "/" if prefix and not prefix.endswith("/") else prefix
    sort = object_of(told.get("sortBy"))
    column = sort.get("column") if sort.get("column") in _SORTED else "name"
    order = "DESC" if str(sort.get("order")).lower() == "desc" else "ASC"
    depth = prefix.count("/") + 1
    sql = (
        f"SELECT name, id, {_TIMES}, metadata::text FROM ("
        f"(SELECT path_tokens[$3] AS name, NULL::text AS id, NULL::timestamptz AS updated_at,"
        " NULL::timestamptz AS created_at, NULL::timestamptz AS last_accessed_at,"
        " NULL::jsonb AS metadata FROM storage.objects WHERE bucket_id = $1 AND name ILIKE $2"
        f" AND array_length(path_tokens, 1) <> $3 GROUP BY 1 ORDER BY 1 {order}) UNION ALL"
        " (SELECT path_tokens[$3], id::text, updated_at, created_at, last_accessed_at, metadata"
        " FROM storage.objects WHERE bucket_id = $1 AND name ILIKE $2"
        f" AND array_length(path_tokens, 1) = $3 ORDER BY {column} {order})"
        ") AS every LIMIT $4 OFFSET $5"
    )
    limit, offset = _count(told, "limit", 100), _count(told, "offset", 0)
    like = _escaped(prefix + str(told.get("search") or "")) + "%"
    async with place.transaction(place.who()) as connection:
        bucket = place.path[2]
        rows = await connection.fetch(sql, bucket, like, depth, limit, offset)
    return [whole(row) for row in rows]


def _count(told: dict[str, Any], name: str, default: int) -> int:
    given = told.get(name)
    if given is None:
        return default
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given < 1 << 31:
        raise problems.invalid(f"body/{name} must be integer")
    return given


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


async def remove(place: Place) -> list[dict[str, Any]]:
    """Delete the objects that a body names; return those that were there."""
    names = list_of((await place.json()).get("prefixes"))
    if not names:
        raise problems.invalid("body/prefixes must NOT have fewer than 1 items")
    return await _remove(place, place.path[1], [str(name) for name in names])


async def remove_one(place: Place) -> dict[str, Any]:
    """Delete one object."""
    if not await _remove(place, place.path[1], [place.key(2)]):
        raise problems.no_object()
    return {"message": "Successfully deleted"}


async def _remove(place: Place, bucket: str, names: list[str]) -> list[dict[str, Any]]:
    async with place.transaction(place.who()) as connection:
        rows = await connection.fetch(
            f"DELETE FROM storage.objects WHERE bucket_id = $1 AND name = ANY ($2)"
            f" RETURNING {_WHOLE}",
            *(bucket, names),
        )
    for row in rows:
        place.file(row["version"]).unlink(missing_ok=True)
    return [whole(row) for row in rows]


async def _between(place: Place) -> tuple[str, str, str, str]:
    told = await place.json()
    for name in ("bucketId", "sourceKey", "destinationKey"):
        if not isinstance(told.get(name), str):
            message = f"body must have required property '{name}'"
            raise problems.invalid(message)
    bucket = told["bucketId"]
    to = str(told.get("destinationBucket") or bucket)
    return bucket, told["sourceKey"], to, check_key(told["destinationKey"])


async def move(place: Place) -> dict[str, Any]:
    """Give an object another name."""
    bucket, source, to, key = await _between(place)
    who = place.who()
    await find(place, bucket, source, who)
    try:
        async with place.transaction(who) as connection:
            found = await connection.fetchval(
                "UPDATE storage.objects SET bucket_id = $3, name = $4, updated_at = now()"
                " WHERE bucket_id = $1 AND name = $2 RETURNING id",
                *(bucket, source, to, key),
            )
    except problems.Problem as problem:
        raise (problems.object_exists() if problem.status == 409 else problem) from problem
    if found is None:
        raise problems.denied()
    return {"message": "Successfully moved", "Id": str(found), "Key": f"{to}/{key}"}


async def copy(place: Place) -> dict[str, Any]:
    """Store an object under another name, too."""
    bucket, source, to, key = await _between(place)
    who = place.who()
    over = place.request.headers.get("x-upsert", "").lower() == "true"
    found = await find(place, bucket, source, who)
    await place.bucket(to)
    version, file = place.new_file()
    await asyncio.to_thread(shutil.copyfile, place.file(found["version"]), file)
    over_sql = (
        "(bucket_id, name) DO UPDATE SET version = excluded.version,"
        " metadata = excluded.metadata, user_metadata = excluded.user_metadata, updated_at = now()"
    )
    try:
        async with place.transaction(who) as connection:
            row = await connection.fetchrow(
                "INSERT INTO storage.objects (bucket_id, name, owner_id, version, metadata,"
                " user_metadata) SELECT $3, $4, $5, $6, metadata, user_metadata"
                " FROM storage.objects WHERE bucket_id = $1 AND name = $2"
                f"{f' ON CONFLICT {over_sql}' if over else ''} RETURNING {_WHOLE}",
                *(bucket, source, to, key, who.claims.get("sub"), version),
            )
    except problems.Problem as problem:
        file.unlink(missing_ok=True)
        raise (problems.object_exists() if problem.status == 409 else problem) from problem
    if row is None:
        raise problems.no_object()
    return {"Key": f"{to}/{key}", "Id": row["id"], **whole(row)}
