"""Those who wait for a permit, each on a future of its own."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, final

from lamina.context import note_queued, remaining
from lamina.errors import Closed, DeadlineExceeded, LimitReached

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
        self._owners: dict[asyncio.Future[bool], Runtime] = {}

    async def join(self, runtime: Runtime, wait: float | None) -> None:
        """Wait for a permit, at most *wait* seconds and never past the caller's deadline.

        Raises:
            LimitReached: The line is full, or *wait* seconds have passed.
            DeadlineExceeded: The caller's own budget ended.
            Closed: The store was closed meanwhile.
        """
        began = runtime.now()
        left = remaining(began)
        if left <= 0:
            raise self._too_late()
        ticket = self.permits.join()
        if ticket is None:
            msg = f"{self.permits.at_once} are running and {self.permits.queue} may wait"
            raise LimitReached(msg, layer="limit")
        loop = asyncio.get_running_loop()
        future = self._futures[ticket] = loop.create_future()
        self._owners[future] = runtime
        ends = min(left, math.inf if wait is None else wait)
        timer = None if math.isinf(ends) else loop.call_at(began + ends, self._expire, ticket)
        granted = False
        try:
            granted = await future
        finally:
            del self._futures[ticket], self._owners[future]
            if timer is not None:
                timer.cancel()
            if not granted:  # too late, or cancelled, perhaps with the permit in hand
                self._wake(self.permits.abandon(ticket))
            note_queued(runtime.now() - began)
        if not granted:
            raise self._too_late() if left <= ends else self._waited_out(wait)

    def leave(self) -> None:
        """Give a permit back."""
        granted = self.permits.leave()
        if granted:
            self._wake(granted)

    def resize(self, at_once: int) -> None:
        """Allow *at_once* from now on."""
        self._wake(self.permits.resize(at_once))

    def close(self, runtime: Runtime) -> None:
        """Let nobody of the stack of *runtime* wait any longer."""
        for future, owner in self._owners.items():
            if owner is runtime and not future.done():
                future.set_exception(Closed("the store was closed while it waited for a place"))

    def _wake(self, granted: Iterable[Ticket]) -> None:
        for ticket in granted:
            self._tell(ticket, granted=True)

    def _expire(self, ticket: Ticket) -> None:
        self._tell(ticket, granted=False)

    def _tell(self, ticket: Ticket, *, granted: bool) -> None:
        future = self._futures[ticket]
        if not future.done():  # cancelled, or too late: it will abandon its ticket
            future.set_result(granted)

    def _too_late(self) -> DeadlineExceeded:
        msg = f"the caller's deadline has passed, {self.permits.at_once} are running"
        return DeadlineExceeded(msg, layer="limit", sent="no")

    def _waited_out(self, wait: float | None) -> LimitReached:
        self.permits.refused += 1
        msg = f"no place within {wait:g} s, {self.permits.at_once} are running"
        return LimitReached(msg, layer="limit")
