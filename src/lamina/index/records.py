"""Which record lives in which slot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lamina.index.ranking import Mask, Slots

_FEW_DEAD: Final = 1024


@final
class Records:
    """Ids by slot and slots by id; slots are given in order and not reused before `squeeze`."""

    def __init__(self) -> None:
        self.ids: list[str] = []  # by slot
        self._slots: dict[str, int] = {}
        self._alive = bytearray()  # by slot

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, key: object) -> bool:
        return key in self._slots

    def reserve(self, ids: Sequence[str]) -> int:
        """Give *ids* the next slots, dead until `enter`, and return the first."""
        first = len(self.ids)
        self.ids.extend(ids)
        self._alive.extend(bytes(len(ids)))
        return first

    def enter(self, first: int, ids: Sequence[str]) -> None:
        """Make the slots from *first* on alive, in place of those that *ids* had."""
        for slot, key in enumerate(ids, first):
            self.drop(key)
            self._slots[key] = slot
            self._alive[slot] = 1

    def drop(self, key: str) -> bool:
        """Forget *key*, and tell whether it was there."""
        slot = self._slots.pop(key, None)
        if slot is None:
            return False
        self._alive[slot] = 0
        return True

    def alive(self) -> Mask:
        """Return a copy of which slots are alive."""
        return np.frombuffer(self._alive, dtype=np.bool_).copy()

    def mask(self, ids: Iterable[str]) -> Mask:
        """Return which slots are those of *ids*; unknown ones have none."""
        found = np.zeros(len(self.ids), dtype=np.bool_)
        found[[slot for slot in map(self._slots.get, ids) if slot is not None]] = True
        return found

    @property
    def dead(self) -> int:
        """How many slots are dead."""
        return len(self.ids) - len(self._slots)

    def squeeze(self) -> Slots | None:
        """Close the gaps once a fifth is dead; return each old slot's new one, -1 if dead."""
        if self.dead <= max(_FEW_DEAD, len(self.ids) // 5):
            return None
        alive = self.alive()
        new = np.where(alive, np.cumsum(alive) - 1, -1)
        self.ids = [key for key, lives in zip(self.ids, self._alive, strict=True) if lives]
        self._slots = {key: slot for slot, key in enumerate(self.ids)}
        self._alive = bytearray(b"\1") * len(self.ids)
        return new
