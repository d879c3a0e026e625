"""Which endpoint does what, by which HTTP methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from lamina.testing.servers.upstash import about, deletes, reads, resumed, searches, writes

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
    "upsert-data": Endpoint(writes.upsert_data, writes=True),
    "update": Endpoint(writes.update, writes=True),
    "query": Endpoint(searches.query),
    "query-data": Endpoint(searches.query_data),
    "resumable-query": Endpoint(resumed.start),
    "resumable-query-data": Endpoint(resumed.start_data),
    "resumable-query-next": Endpoint(resumed.more),
    "resumable-query-end": Endpoint(resumed.end),
    "fetch": Endpoint(reads.fetch, "GET"),
    "range": Endpoint(reads.page, "GET"),
    "random": Endpoint(reads.random, "GET"),
    "delete": Endpoint(deletes.delete, "DELETE", writes=True),
    "reset": Endpoint(deletes.reset, "DELETE", writes=True),
    "info": Endpoint(about.info, "GET"),
    "stats": Endpoint(about.stats, "GET"),
    "list-namespaces": Endpoint(about.list_namespaces, "GET"),
    "delete-namespace": Endpoint(deletes.delete_namespace, "DELETE", writes=True),
    "rename-namespace": Endpoint(deletes.rename_namespace, writes=True),
}
