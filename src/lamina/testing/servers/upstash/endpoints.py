"""Which endpoint does what, by which HTTP methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from lamina.testing.servers.upstash import about, reads, searches, writes

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.testing.servers.upstash.index import Asked


class Endpoint(NamedTuple):
    """One operation; *run* returns the JSON of the result."""

    run: Callable[[Asked], str]
    also: str = ""
    """The HTTP method besides POST."""
    writes: bool = False


ENDPOINTS: Final[dict[str, Endpoint]] = {
    "upsert": Endpoint(writes.upsert, writes=True),
    "query": Endpoint(searches.query),
    "fetch": Endpoint(reads.fetch, "GET"),
    "range": Endpoint(reads.page, "GET"),
    "delete": Endpoint(writes.delete, "DELETE", writes=True),
    "reset": Endpoint(writes.reset, "DELETE", writes=True),
    "info": Endpoint(about.info, "GET"),
    "list-namespaces": Endpoint(about.list_namespaces, "GET"),
}
