"""Pages of keys, from as many looks as it takes to fill one, within bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from redis.exceptions import ResponseError

from lamina.backends.redis.failures import refused
from lamina.backends.redis.names import key_of, pattern
from lamina.values import Page

if TYPE_CHECKING:
    from lamina.backends.redis.server import Server
    from lamina.domains.keyvalue import Scan

_MOST: Final = 10_000
_WHEN_SPARSE: Final = 1000
_LOOKS: Final = 20


async def scan(server: Server, op: Scan) -> Page[str]:
    """Return a page of keys; it may be empty after looking at some 20,000 that do not match."""
    glob = pattern(op.scope, op.prefix)
    limit = min(op.limit, _MOST)
    keys: dict[str, None] = {}
    cursor, count = op.cursor, limit
    for _ in range(_LOOKS):
        try:
            names, cursor = await server.scan(glob, cursor, count)
        except ResponseError as error:
            raise refused(error) from error
        found = (key_of(op.scope, name) for name in names)
        keys |= dict.fromkeys(key for key in found if key is not None)
        if cursor is None or len(keys) >= limit:
            break
        count = max(limit, _WHEN_SPARSE)
    return Page(tuple(keys), cursor)
