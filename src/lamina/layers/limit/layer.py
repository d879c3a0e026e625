"""Let at most so many operations run at once."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, final

from lamina.layer import Layer
from lamina.layers.limit.core import LimitStatus, Permits
from lamina.layers.limit.waiters import Waiters
from lamina.options import check_name, check_number, check_whole

if TYPE_CHECKING:
    from lamina.operation import Handler, Op, Operation, R
    from lamina.plan import Worst
    from lamina.site import Site


@final
class Limit(Layer):
    """Run at most *at_once* operations; let *queue* more wait, refuse the rest.

    Who waits is served first come first served, at most *wait* seconds (None: no bound of its
    own) and never past the caller's deadline. Waiting is told in ``Call.queued``, so that
    ``Breaker`` and ``Hedge`` do not count it. A cancelled waiter hands its place on. A batch is one
    operation. Stacks that name the same *shared* limit fill it together, on one event loop.

    No queue by default, as in Polly and resilience4j.

    Raises:
        LimitReached: The queue is full, or *wait* seconds have passed. Nothing was sent.
        DeadlineExceeded: The caller's own budget ended while waiting. Nothing was sent.
    """

    slot = "limit"

    def __init__(
        self,
        at_once: int,
        *,
        queue: int = 0,
        wait: float | None = None,
        shared: str | None = None,
    ) -> None:
        self.at_once = at_once
        self.queue = queue
        self.wait = wait
        self.shared = shared
        check_whole(self, "at_once", least=1)
        check_whole(self, "queue", least=0)
        check_number(self, "wait", above=0, optional=True)
        check_name(self, "shared")

    def setup(self, site: Site) -> None:
        self._runtime = site.runtime
        self._waiters = self._own_or_shared(site)
        self._permits = self._waiters.permits
        site.common.reluctant.append(self._is_waited_for)

    async def around(self, op: Op, inner: Handler[Op, R]) -> R:
        if not self._permits.take():  # the common case neither waits nor allocates
            await self._waiters.join(self._runtime, self.wait)
        try:
            return await inner(op)
        finally:
            self._waiters.leave()

    def worst(self, op: type[Operation[Any]], below: Worst) -> Worst:
        del op
        if below.seconds is None:
            return below
        turns = math.ceil(self.queue / self.at_once)  # before the last in the line has its own
        line = min(turns * below.seconds, math.inf if self.wait is None else self.wait)
        return replace(below, seconds=below.seconds + line)

    async def close(self) -> None:
        self._waiters.close(self._runtime)

    def resize(self, at_once: int) -> None:
        """Let *at_once* run from now on; those that run already go on, those that fit wake up.

        Raises:
            StackError: *at_once* is no whole number from 1.
        """
        Limit(at_once)
        self._waiters.resize(at_once)

    def status(self) -> LimitStatus:
        """Describe it as it is now."""
        return self._permits.status()

    def _own_or_shared(self, site: Site) -> Waiters:
        def make() -> Waiters:
            return Waiters(Permits(self.at_once, self.queue))

        if self.shared is None:
            return make()
        return site.shared("limit", self.shared, (self.at_once, self.queue), make)

    def _is_waited_for(self) -> bool:
        return self._permits.waiting > 0
