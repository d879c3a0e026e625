"""Which nodes of a cluster hold which slots, as far as is known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, final

from lamina.backends.redis.failures import FAILURES
from lamina.backends.redis.names import SLOTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.backends.redis.address import Host

_RANGES: Final = re.compile(r"(?:[0-9]{1,5}-[0-9]{1,5}(?:,|$))*")


@final
class Slots:
    """The owner of each slot; nobody's at first."""

    def __init__(self, owners: Iterable[Host | None] = ()) -> None:
        self._owners: list[Host | None] = list(owners) or [None] * SLOTS

    @classmethod
    def told(cls, answer: Any, asked: Host) -> Slots:
        """Read the answer to CLUSTER SLOTS of the node *asked*, which may leave out its own name.

        Raises:
            Corrupt: It is something else.
        """
        owners: list[Host | None] = [None] * SLOTS
        try:
            for first, last, (name, port, *_), *_ in answer:
                host = (name.decode() if name else "").strip("?") or asked[0], int(port)
                owners[first : last + 1] = [host] * (last - first + 1)
        except (TypeError, ValueError, AttributeError) as error:
            raise FAILURES["garbage"].error() from error
        if len(owners) != SLOTS:
            raise FAILURES["garbage"].error()
        return cls(owners)

    def owner(self, slot: int) -> Host | None:
        """Return the node that holds *slot*."""
        return self._owners[slot]

    def move(self, slot: int, host: Host) -> None:
        """Note that *host* holds *slot* now."""
        self._owners[slot] = host

    def hosts(self) -> list[Host]:
        """Return the nodes that hold any."""
        return [host for host in dict.fromkeys(self._owners) if host is not None]

    def of(self, host: Host) -> frozenset[int]:
        """Return the slots that *host* holds."""
        return frozenset(slot for slot, owner in enumerate(self._owners) if owner == host)


def written(slots: Iterable[int]) -> str:
    """Return slots as text: ``0-5460,8000-8000``."""
    ranges: list[list[int]] = []
    for slot in sorted(slots):
        if ranges and ranges[-1][1] == slot - 1:
            ranges[-1][1] = slot
        else:
            ranges.append([slot, slot])
    return ",".join(f"{first}-{last}" for first, last in ranges)


def read(text: str) -> frozenset[int] | None:
    """Return the slots that *text* names, None if it cannot be read."""
    if not _RANGES.fullmatch(text) or text.endswith(","):
        return None
    ranges = [tuple(map(int, part.split("-"))) for part in text.split(",")] if text else []
    if not all(first <= last < SLOTS for first, last in ranges):
        return None
    return frozenset(slot for first, last in ranges for slot in range(first, last + 1))
