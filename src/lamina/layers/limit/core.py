"""Places for so many at once, and a line of those who wait for one; no clock, no IO."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple, final


class LimitStatus(NamedTuple):
    """What a ``Limit`` does now, and how many it has refused since it was made."""

    at_once: int
    running: int
    waiting: int
    refused: int


@final
class Ticket:
    """A place in the line; *granted* once it became a permit, which must be given back."""

    __slots__ = ("granted",)

    def __init__(self) -> None:
        self.granted = False


@final
class Permits:
    """At most *at_once* permits are out; at most *queue* tickets wait, first come first served."""

    __slots__ = ("_line", "at_once", "queue", "refused", "running")

    def __init__(self, at_once: int, queue: int) -> None:
        self.at_once = at_once
        self.queue = queue
        self.running = 0
        self.refused = 0
        self._line: OrderedDict[Ticket, None] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many tickets wait."""
        return len(self._line)

    def take(self) -> bool:
        """Take a permit if one is free; then nobody waits for it."""
        if self.running < self.at_once:
            self.running += 1
            return True
        return False

    def join(self) -> Ticket | None:
        """Return a ticket at the end of the line, None if the line is full."""
        if len(self._line) >= self.queue:
            self.refused += 1
            return None
        ticket = Ticket()
        self._line[ticket] = None
        return ticket

    def leave(self) -> list[Ticket]:
        """Give a permit back; return whom it is granted to."""
        self.running -= 1
        return self._granted()

    def abandon(self, ticket: Ticket) -> list[Ticket]:
        """Give a ticket up, granted or not; return whom its permit is granted to."""
        if ticket.granted:
            ticket.granted = False
            return self.leave()
        self._line.pop(ticket, None)
        return []

    def resize(self, at_once: int) -> list[Ticket]:
        """Allow *at_once* from now on; return whom new permits are granted to.

        Permits that are out stay out: fewer are granted until enough came back.
        """
        self.at_once = at_once
        return self._granted()

    def status(self) -> LimitStatus:
        """Describe it."""
        return LimitStatus(self.at_once, self.running, len(self._line), self.refused)

    def _granted(self) -> list[Ticket]:
        granted: list[Ticket] = []
        while self._line and self.running < self.at_once:
            ticket, _ = self._line.popitem(last=False)
            ticket.granted = True
            self.running += 1
            granted.append(ticket)
        return granted
