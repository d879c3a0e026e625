"""The order in which records came, for pages that neither skip nor repeat."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.testing.servers.upstash.record import Record


@final
class Slots:
    """Records by id, and in the order of slots, which only grow until `clear`.

    A record that is written again keeps its slot; one that was deleted gets a new one. So a
    cursor, which is a slot, needs no memory of what was deleted since.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything and begin with slot 0."""
        self.by_id: dict[str, Record] = {}
        self.size = 0
        self._next = 0
        self._slots: list[int] = []  # with those of records that are gone
        self._ids: list[str] = []

    def put(self, record: Record) -> None:
        """Keep *record*, and tell it its slot."""
        old = self.by_id.get(record.id)
        if old is None:
            slot = self._next
            self._next += 1
            self._slots.append(slot)
            self._ids.append(record.id)
        else:
            slot = old.slot
            self.size -= old.size
        record.slot = slot
        self.by_id[record.id] = record
        self.size += record.size

    def drop(self, key: str) -> bool:
        """Forget one record, and tell whether it was there."""
        old = self.by_id.pop(key, None)
        if old is None:
            return False
        self.size -= old.size
        if len(self._slots) > 2 * len(self.by_id) + 1024:
            self._slots = [record.slot for record in self.by_id.values()]
            self._ids = list(self.by_id)
        return True

    def since(self, slot: int, prefix: str = "") -> Iterator[Record]:
        """Yield the records from *slot* on whose ids begin with *prefix*."""
        for place in range(bisect_left(self._slots, slot), len(self._slots)):
            record = self.by_id.get(self._ids[place])
            if record is None or record.slot != self._slots[place]:
                continue
            if record.id.startswith(prefix):
                yield record
