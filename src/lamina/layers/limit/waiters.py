"""Those who wait for a permit, each on a future of its own."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, final

from lamina.context import note_queued, remaining
from lamina.errors import DeadlineExceeded, LimitReached

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.layers.limit.core import Permits, Ticket
    from lamina.runtime import Runtime


@final
class Waiters:
    """Drives the line of *permits*: wakes whom a permit is granted to.

    All methods but ``join`` run without a suspension, so that a permit is never between two.
    """

    def __init__(self, permits: Permits) -> None:
        self.permits = permits
        self._futures: dict[Ticket, asyncio.Future[bool]] = {}

    async def join(self, runtime: Runtime, wait: float | None) -> None:
        """Wait for a permit, at most *wait* seconds and never past the caller's deadline.

        Raises:
            LimitReached: The line is full, or *wait* seconds have passed.
            DeadlineExceeded: The caller's own budget ended.
        """
        began = runtime.now()
        left = remaining(began)
        ticket = self.permits.join() if left > 0 else None
        if ticket is None:
            raise self._refusal(left, wait)
        loop = asyncio.get_running_loop()
        future = self._futures[ticket] = loop.create_future()
        ends = min(left, math.inf if wait is None else wait)
        timer = None if math.isinf(ends) else loop.call_at(began + ends, self._expire, ticket)
        granted = False
        try:
            granted = await future
        finally:
            del self._futures[ticket]
            if timer is not None:
                timer.cancel()
            if not granted:  # too late, or cancelled, perhaps with the permit in hand
                self._wake(self.permits.abandon(ticket))
            note_queued(runtime.now() - began)
        if not granted:
            raise self._refusal(left if left <= ends else math.inf, wait, waited=True)

    def leave(self) -> None:
        """Give a permit back."""
        granted = self.permits.leave()
        if granted:
            self._wake(granted)

    def resize(self, at_once: int) -> None:
        """Allow *at_once* from now on."""
        self._wake(self.permits.resize(at_once))

    def _expire(self, ticket: Ticket) -> None:
        """End a wait; the ticket leaves the line now, so that no permit is granted to it."""
        if not ticket.granted:
            self.permits.abandon(ticket)
            self._tell(ticket, granted=False)

    def _wake(self, granted: Iterable[Ticket]) -> None:
        for ticket in granted:
            self._tell(ticket, granted=True)

    def _tell(self, ticket: Ticket, *, granted: bool) -> None:
        future = self._futures[ticket]
        if not future.done():  # a cancelled one will abandon its ticket
            future.set_result(granted)

    def _refusal(
        self, left: float, wait: float | None, *, waited: bool = False
    ) -> LimitReached | DeadlineExceeded:
        at_once = self.permits.at_once
        if left <= 0 or (waited and not math.isinf(left)):
            msg = f"the caller's deadline has passed, {at_once} are running"
            return DeadlineExceeded(msg, layer="limit", sent="no")
        if waited:
            self.permits.refused += 1
            msg = f"no place within {wait:g} s, {at_once} are running"
        else:
            msg = f"{at_once} are running and {self.permits.queue} may wait"
        return LimitReached(msg, layer="limit")
