"""Ranges of objects, of the version and the length that were asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.backends.s3.digests import check_whole
from lamina.backends.s3.labels import Stored, quoted
from lamina.domains.media import Chunk, ReadRange, check_range

if TYPE_CHECKING:
    from lamina.backends.s3.client import Client


async def read_range(client: Client, name: str, op: ReadRange) -> Chunk | None:
    """Read what *op* asks of the object called *name*, None if there is none.

    Raises:
        Invalid: The range begins before the object.
        Conflict: Another version is asked for.
        Corrupt: What came is not the range, or not what was written.
        StorageError: What any other failure becomes.
    """
    from lamina.backends.s3.failures import NoObject, PastEnd

    check_range(op, op.etag or "")
    pinned: Any = {} if op.etag is None else {"IfMatch": quoted(op.etag)}
    asked = f"bytes={op.start}-{op.start + op.length - 1}"
    try:
        with client.asking():
            told = await client.s3.get_object(Bucket=client.bucket, Key=name, Range=asked, **pinned)
            found, data = await _body(told, op)
    except NoObject:
        return None
    except PastEnd:
        return await _none_left(client, name, op)
    await check_whole(found, data)
    return Chunk(data, found.info(op.key))


async def _body(told: Any, op: ReadRange) -> tuple[Stored, bytes]:
    """Read the bytes, unless it is plain before that they are not what was asked for."""
    from lamina.backends.s3.failures import FAILURES

    async with told["Body"] as body:
        found = Stored.of(told)
        check_range(op, found.etag)  # some servers overlook the condition, or the range
        wanted = max(min(op.length, found.size - op.start), 0)
        if told.get("ContentLength", wanted) != wanted:  # of a whole object, perhaps a huge one
            raise FAILURES["not understood"].error()
        data: bytes = await body.read()
    if len(data) != wanted:
        raise FAILURES["not understood"].error()
    return found, data


async def _none_left(client: Client, name: str, op: ReadRange) -> Chunk | None:
    found = await client.head(name)
    if found is None:
        return None
    check_range(op, found.etag)
    return Chunk(b"", found.info(op.key))
