"""What Throttle and Quota have in common: a bucket with a line."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lamina.bucket import Bucket, check_pace
from lamina.layer import Layer
from lamina.layers.rate.line import Line, RateStatus
from lamina.options import check_name, check_number, check_whole

if TYPE_CHECKING:
    from lamina.operation import Handler, Op, Operation, R
    from lamina.plan import Worst
    from lamina.site import Site


class Limited(Layer):
    """Lets *rate* operations pass in *per* seconds, *burst* of them at once."""

    def __init__(
        self,
        rate: float,
        *,
        per: float = 1.0,
        burst: int | None = None,
        queue: int = 0,
        wait: float | None = None,
        shared: str | None = None,
    ) -> None:
        self.rate = rate
        self.per = per
        self.burst = burst
        self.queue = queue
        self.wait = wait
        self.shared = shared
        check_number(self, "rate", above=0)
        check_number(self, "per", above=0)
        check_whole(self, "burst", least=1, most=1e12, optional=True)
        check_whole(self, "queue", least=0)
        check_number(self, "wait", above=0, optional=True)
        check_name(self, "shared")
        check_pace(type(self).__name__, rate, per)

    def setup(self, site: Site) -> None:
        self._runtime = site.runtime
        self._line = self._own_or_shared(site)

    async def around(self, op: Op, inner: Handler[Op, R]) -> R:
        if not self._line.take(self._runtime.now()):
            await self._line.join(self._runtime, self.slot, self.wait)
        return await inner(op)

    def worst(self, op: type[Operation[Any]], below: Worst) -> Worst:
        del op
        if below.seconds is None:
            return below
        line = min(self.queue * self.per / self.rate, math.inf if self.wait is None else self.wait)
        return replace(below, seconds=below.seconds + line)

    async def close(self) -> None:
        self._line.close(self._runtime)

    def status(self) -> RateStatus:
        """Describe it as it is now."""
        return self._line.status(self._runtime.now())

    def _own_or_shared(self, site: Site) -> Line:
        def make() -> Line:
            return Line(Bucket.of(self.rate, self.per, self.burst), self.queue)

        if self.shared is None:
            return make()
        options = (self.rate, self.per, self.burst, self.queue)
        return site.shared(self.slot, self.shared, options, make)
