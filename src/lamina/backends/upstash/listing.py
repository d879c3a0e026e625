"""Go through the records of a namespace in the service's order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lamina.backends.upstash.answers import metadata_of
from lamina.backends.upstash.conditions import compiled
from lamina.backends.upstash.failures import reading
from lamina.backends.upstash.names import name_of, namespace_of
from lamina.errors import Invalid
from lamina.values import Page

if TYPE_CHECKING:
    from upstash_vector.types import RangeResult

    from lamina.backends.upstash.client import Client
    from lamina.domains.vectors import DropWhere, ListIds
    from lamina.filters import Filter

MOST: Final = 1_000
"""Records that are read or deleted by one request: what the service allows."""

_LONGEST_CURSOR: Final = 200


async def list_ids(client: Client, op: ListIds) -> Page[str]:
    """Return a page of ids."""
    cursor = op.cursor or ""
    if not cursor.isascii() or not cursor.isprintable() or len(cursor) > _LONGEST_CURSOR:
        msg = "the cursor is none that a page gave"
        raise Invalid(msg)
    space = name_of(op.scope, op.namespace)
    with reading():
        found = await client.range(
            cursor, min(op.limit, MOST), namespace=space, prefix=op.prefix or None
        )
        ids = tuple(one.id for one in found.vectors if one.id.startswith(op.prefix))
    return Page(ids, found.next_cursor or None)


async def drop_where(client: Client, op: DropWhere) -> int:
    """Delete what meets the filter: by the service if it decides the same, or else by id."""
    space, clause = name_of(op.scope, op.namespace), compiled(op.filter)
    if clause.text is None:
        return 0
    if clause.text and clause.exact:
        with reading():
            return (await client.delete(namespace=space, filter=clause.text)).deleted
    ids = await _meeting(client, space, op.filter)
    deleted = 0
    for start in range(0, len(ids), MOST):
        with reading():
            told = await client.delete(ids[start : start + MOST], namespace=space)
            deleted += told.deleted
    return deleted


async def namespaces(client: Client, scope: str) -> tuple[str, ...]:
    """Return the namespaces of a scope that hold records; each is looked into."""
    with reading():
        names = await client.list_namespaces()
        found = {name: namespace_of(scope, name) for name in names}
    held: list[str] = []
    for name, namespace in found.items():
        if namespace is not None:
            with reading():
                if (await client.range("", 1, namespace=name)).vectors:
                    held.append(namespace)
    return tuple(sorted(held))


async def _meeting(client: Client, space: str, where: Filter | None) -> list[str]:
    """Return the ids of all records that meet the filter; nothing is deleted between pages."""
    ids: dict[str, None] = {}
    cursor: str | None = ""
    while cursor is not None:
        with reading():
            page: RangeResult = await client.range(
                cursor, MOST, include_metadata=where is not None, namespace=space
            )
            for one in page.vectors:
                if where is None or where.matches(metadata_of(one)):
                    ids[one.id] = None
        cursor = page.next_cursor or None
    return [*ids]
