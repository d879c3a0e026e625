"""What queries see of a namespace: the writes of some time ago."""

from __future__ import annotations

from collections import deque
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, final

from lamina.index import VectorIndex

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from lamina.index.dense import Metric
    from lamina.index.kinds import Kind
    from lamina.testing.servers.upstash.record import Record


class _Write(NamedTuple):
    due: float
    id: str
    record: Record | None


@final
class Searchable:
    """An index that follows writes once they are due; times are seconds of any one clock."""

    def __init__(self, kind: Kind, metric: Metric) -> None:
        self._kind: Kind = kind
        self._metric: Metric = metric
        self.clear()

    def clear(self) -> None:
        """Forget what is seen and what is pending."""
        self.index = VectorIndex(self._kind, metric=self._metric)
        self.shown: dict[str, Record] = {}
        self._pending: deque[_Write] = deque()

    @property
    def pending(self) -> int:
        """How many records were written and are not yet seen."""
        return len({write.id for write in self._pending if write.record is not None})

    def write(self, records: Iterable[Record], due: float) -> None:
        """Show *records* from *due* on, never before what was written earlier."""
        self._pending.extend(_Write(due, record.id, record) for record in records)

    def drop_later(self, ids: Iterable[str], due: float) -> None:
        """Hide records from *due* on."""
        self._pending.extend(_Write(due, key, None) for key in ids)

    def drop(self, ids: Collection[str]) -> None:
        """Hide records now, and never show what was pending for them."""
        gone = set(ids)
        if self._pending:
            self._pending = deque(write for write in self._pending if write.id not in gone)
        for key in gone:
            if self.shown.pop(key, None) is not None:
                self.index.drop(key)

    def follow(self, now: float) -> None:
        """Apply what is due."""
        due: list[_Write] = []
        while self._pending and self._pending[0].due <= now:
            due.append(self._pending.popleft())
        for dropped, group in groupby(due, lambda write: write.record is None):
            if dropped:
                for write in group:
                    self.shown.pop(write.id, None)
                    self.index.drop(write.id)
            else:
                self._show([write.record for write in group if write.record is not None])

    def _show(self, records: list[Record]) -> None:
        moved = {record.id: record for record in records if self._moved(record)}.values()
        self.shown.update((record.id, record) for record in records)
        if not moved:
            return
        if not self.shown.keys() - {record.id for record in moved}:
            self.index.clear()  # what it held is replaced, perhaps by another dimension
        vectors = [record.vector for record in moved if record.vector is not None]
        sparse = [record.sparse for record in moved if record.sparse is not None]
        ids = [record.id for record in moved]
        self.index.put_many(ids, vectors or None, sparse=sparse or None)

    def _moved(self, record: Record) -> bool:
        """Tell whether the index does not have its vectors already."""
        old = self.shown.get(record.id)
        return old is None or (old.vector, old.sparse) != (record.vector, record.sparse)
