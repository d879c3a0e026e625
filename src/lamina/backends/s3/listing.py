"""Pages of objects, with what only their heads tell."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from lamina.context import current
from lamina.values import Page

if TYPE_CHECKING:
    from lamina.backends.names import Names
    from lamina.backends.s3.client import Client
    from lamina.domains.media import Info, ListObjects
    from lamina.runtime import Runtime

_MOST: Final = 1000
"""Objects in one page of S3."""

_AT_ONCE: Final = 16


async def listed(client: Client, names: Names, op: ListObjects, runtime: Runtime) -> Page[Info]:
    """Return one page; an object that is deleted meanwhile is left out.

    Raises:
        StorageError: What a failure becomes.
    """
    from lamina.backends.s3.failures import FAILURES

    asked: Any = {"Prefix": names.stem(op.scope, op.prefix), "MaxKeys": min(op.limit, _MOST)}
    if op.cursor is not None:
        asked["ContinuationToken"] = op.cursor  # not every server goes on in order after a key
    with client.asking():
        told = await client.s3.list_objects_v2(Bucket=client.bucket, **asked)
    if "IsTruncated" not in told:  # a gateway's page, which reads like an empty listing
        raise FAILURES["not understood"].error()
    found = [str(one.get("Key", "")) for one in told.get("Contents", [])]
    following = told.get("NextContinuationToken") if told.get("IsTruncated") else None
    begin, inner = names.begin(op.scope), "" if op.scope else names.kept("s")
    wanted = [
        name for name in found if name.startswith(begin) and not (inner and name.startswith(inner))
    ]
    infos = await _heads(client, names, op, wanted, runtime)
    return Page(tuple(info for info in infos if info is not None), following)


async def _heads(
    client: Client, names: Names, op: ListObjects, wanted: list[str], runtime: Runtime
) -> list[Info | None]:
    infos: list[Info | None] = [None] * len(wanted)
    waiting = iter(enumerate(wanted))

    async def work() -> None:
        for place, name in waiting:
            infos[place] = await _head(client, names, op, name)

    workers = [
        runtime.spawn(work(), "list objects", call=current.get())
        for _ in range(min(_AT_ONCE, len(wanted)))
    ]
    try:
        for worker in workers:
            await asyncio.wait((worker,))
            worker.result()
    finally:
        for worker in workers:
            worker.cancel()
        if workers:
            await asyncio.wait(workers)
    return infos


async def _head(client: Client, names: Names, op: ListObjects, name: str) -> Info | None:
    found = await client.head(name)
    if found is None:
        return None
    key = names.key(op.scope, name) or (found.label.key if found.label else "")
    if not key or not key.startswith(op.prefix) or names.name(op.scope, key) != name:
        return None  # what something else wrote under a name that no key of ours has
    return found.info(key)
