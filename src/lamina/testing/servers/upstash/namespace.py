"""One namespace: a store that reads its own writes, and what queries see of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from lamina.testing.servers.upstash.searchable import Searchable
from lamina.testing.servers.upstash.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from lamina.index.dense import Metric
    from lamina.index.kinds import Kind
    from lamina.testing.servers.upstash.record import Record


@final
class Namespace:
    """Records in order, and the lagging index over them."""

    def __init__(self, kind: Kind, metric: Metric) -> None:
        self.records = Slots()
        self.seen = Searchable(kind, metric)

    def put(self, records: Sequence[Record], due: float) -> None:
        """Write records in place of the whole old ones; queries see them at *due*."""
        for record in records:
            self.records.put(record)
        self.seen.write(records, due)

    def drop(self, ids: Collection[str], due: float | None) -> int:
        """Delete records and return how many there were; queries see it at *due*, or now."""
        gone = [key for key in dict.fromkeys(ids) if self.records.drop(key)]
        if due is None:
            self.seen.drop(gone)
        else:
            self.seen.drop_later(gone, due)
        return len(gone)

    def clear(self, due: float | None) -> None:
        """Delete all records; queries see it at *due*, or now."""
        if due is None:
            self.seen.clear()
        else:
            self.seen.drop_later(list(self.records.by_id), due)
        self.records.clear()
