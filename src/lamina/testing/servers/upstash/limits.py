"""How much of each the server takes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

from lamina.testing.servers.upstash.refusals import too_much

if TYPE_CHECKING:
    from lamina.testing.servers.upstash.record import Record

NO_LIMIT: Final = 1 << 60


@dataclass(slots=True)
class Limits:
    """Counts, or bytes where it says so. Quotas of requests are off unless set."""

    max_upsert: int = 1000
    """Vectors in one upsert."""
    max_read: int = 1000
    """topK of a query, ids of a fetch, and what `resumable-query-next` may add."""
    max_prefix: int = 1000
    """Vectors that a fetch by prefix gives; the rest is left out."""
    max_range: int = 1000
    """Vectors in one page."""
    max_dimension: int = 3072
    max_metadata: int = 48 * 1024
    """Bytes of one vector's metadata, as compact JSON."""
    max_data: int = 1024 * 1024
    """Bytes of one vector's data."""
    max_sparse: int = 1000
    """Non-zero numbers of a sparse vector."""
    max_resumable: int = 100
    """Resumable queries that are open in one index."""
    max_id: int = NO_LIMIT
    max_namespace: int = NO_LIMIT
    max_filter: int = NO_LIMIT
    """Characters; the service's own limits are unknown."""
    max_in: int = 999
    """Values after one IN of a filter; the service was seen to refuse 1000."""
    max_queries_per_second: int = NO_LIMIT
    max_updates_per_second: int = NO_LIMIT
    max_queries_per_day: int = NO_LIMIT
    max_updates_per_day: int = NO_LIMIT

    @classmethod
    def none(cls) -> Limits:
        """Return limits that are never met."""
        return cls(**{each.name: NO_LIMIT for each in fields(cls)})

    def check_count(self, what: str, got: int, name: str) -> None:
        """Refuse more than the limit *name* allows."""
        most: int = getattr(self, name)
        if got > most:
            raise too_much(what, got, most)

    def check_record(self, record: Record) -> None:
        """Refuse a record that is too large."""
        self.check_count("characters of an id", len(record.id), "max_id")
        if record.vector is not None:
            self.check_count("vector dimensions", record.vector.dimension, "max_dimension")
        if record.sparse is not None:
            entries = sum(value != 0 for value in record.sparse.values)
            self.check_count("non-zero sparse values", entries, "max_sparse")
        if len(record.metadata_text) > self.max_metadata:  # with escapes, so no less than UTF-8
            self.check_count("bytes of metadata", record.metadata_bytes, "max_metadata")
        if record.data is not None:
            size = len(record.data.encode("utf-8", "replace"))
            self.check_count("bytes of data", size, "max_data")
