"""Those who wait for a token, in a line with one timer for its head."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple, final

from lamina.context import note_queued, remaining
from lamina.errors import Closed, RateLimited

if TYPE_CHECKING:
    from lamina.bucket import Bucket
    from lamina.runtime import Runtime

_CLOSE: Final = 1e-9  # seconds: times that are sums of others may be rounded


class RateStatus(NamedTuple):
    """What a ``Throttle`` or ``Quota`` has now: whole tokens, who waits, how many it refused."""

    tokens: int
    waiting: int
    refused: int


@final
class Line:
    """Hands the tokens of *bucket* to at most *queue* who wait, first come first served."""

    def __init__(self, bucket: Bucket, queue: int) -> None:
        self.bucket = bucket
        self.queue = queue
        self.refused = 0
        self._futures: OrderedDict[asyncio.Future[None], Runtime] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._futures)

    def take(self, now: float) -> bool:
        """Take a token if there is one and nobody waits for it."""
        return not self._futures and self.bucket.take(now)

    async def join(self, runtime: Runtime, layer: str, wait: float | None) -> None:
        """Wait for a token.

        Raises:
            RateLimited: The line is full, or no token comes within *wait* seconds or before the
                caller's deadline; told at once.
            Closed: The store was closed meanwhile.
        """
        began = runtime.now()
        until = self.bucket.wait(began, len(self._futures))
        longest = min(remaining(began), math.inf if wait is None else wait)
        if len(self._futures) >= self.queue or until > longest + _CLOSE:
            raise self._refusal(layer, until)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._futures[future] = runtime
        if self._timer is None:
            self._arm(runtime, until)
        granted = False
        try:
            await future
            granted = True
        finally:
            if not granted:  # cancelled, perhaps with the token in hand
                self._abandon(future, runtime)
            note_queued(runtime.now() - began)

    def close(self, runtime: Runtime) -> None:
        """Let nobody of the stack of *runtime* wait any longer."""
        for future, owner in self._futures.items():
            if owner is runtime and not future.done():
                future.set_exception(Closed("the store was closed while it waited for a token"))

    def status(self, now: float) -> RateStatus:
        """Describe it."""
        return RateStatus(self.bucket.tokens(now), len(self._futures), self.refused)

    def _abandon(self, future: asyncio.Future[None], runtime: Runtime) -> None:
        """Leave the line, or hand the token on; who waits behind moves up."""
        if future in self._futures:
            del self._futures[future]
            if not self._futures:
                self._disarm()
        elif not future.cancelled() and future.exception() is None:
            self.bucket.give()
            self._turn(runtime)

    def _refusal(self, layer: str, until: float) -> RateLimited:
        self.refused += 1
        msg = f"no token for another {until:.3g} s"
        if self.queue:
            msg += f", {len(self._futures)} of at most {self.queue} wait"
        return RateLimited(msg, layer=layer, retry_after=until)

    def _arm(self, runtime: Runtime, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds, self._turn, runtime)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _turn(self, runtime: Runtime) -> None:
        """Hand out the tokens that are there, and come back for the next."""
        self._disarm()
        now = runtime.now()
        while self._futures:
            future = next(iter(self._futures))
            if future.done():  # cancelled: it is about to leave
                del self._futures[future]
                continue
            if not self.bucket.take(now):
                self._arm(runtime, self.bucket.wait(now))
                return
            del self._futures[future]
            future.set_result(None)
