"""Ask another stack when the first fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from lamina.capabilities import Capabilities
from lamina.errors import StorageError
from lamina.hooks import Hook
from lamina.layer import Layer, Sends
from lamina.layers.fallback.batches import batched
from lamina.layers.fallback.core import LISTED, FallbackStatus, Policy
from lamina.layers.fallback.limited import reserving
from lamina.layers.fallback.options import both, check, worst_of
from lamina.layers.fallback.other import Other
from lamina.layers.fallback.pages import paged
from lamina.operation import BatchOperation, Operation
from lamina.timers import Timers

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.operation import Handler, Op, R
    from lamina.plan import Worst
    from lamina.site import Site


@final
class Fallback(Layer):
    """Answer from the stack *to* what this one cannot answer now: reads, and with *writes* writes.

    Asked there is what failed with a class in *on*: by default ``Unavailable``, ``TimedOut``,
    ``Throttled`` and refusals of layers. An answer of this store, absent and ``Conflict`` too, is
    an answer. Of a caller's deadline the part *reserve* is kept for *to*; without a deadline
    there is none to keep. An answer from *to* is told in ``Call.degraded`` and
    ``Call.served_by``; when *to* fails too, this store's error comes out, with a note.

    Never asked there: fresh reads, versions and uploads of this store, and a write that may have
    arrived. A listing goes on where it began. Of a batch only the items that failed are asked.

    *on_fallback* is told the operation and its failure, before *to* is asked. *writes* needs it:
    what *to* alone has got must be carried over by whoever keeps its list. The layer neither
    opens nor closes *to*. Stands outside Cache, Retry and Breaker. Defaults are our own.

    Raises:
        StorageError: This store's own error, whatever *to* did.
    """

    slot = "fallback"
    repeats = True  # what the first store answered is counted apart

    def __init__(
        self,
        to: Sends,
        *,
        on: tuple[type[StorageError], ...] = LISTED,
        writes: bool = False,
        reserve: float = 0.25,
        on_fallback: Callable[[Operation[Any], StorageError], None] | None = None,
    ) -> None:
        self.to = to
        self.on = on
        self.writes = writes
        self.reserve = reserve
        self.on_fallback = on_fallback
        check(self)

    def setup(self, site: Site) -> None:
        hook = (
            None if self.on_fallback is None else Hook(self.on_fallback, "Fallback", "on_fallback")
        )
        self._timers = Timers(last=True)
        self._limits = None if site.is_bounded() else self._timers
        self._policy = Policy(self.on, self.reserve)
        self._other = Other(self.to, self._policy, hook, site.runtime, self._timers)

    def wants(self, op: type[Operation[Any]]) -> bool:
        return op in self.to.capabilities and (self.writes or not op.writes)

    def bind(self, op: type[Op], inner: Handler[Op, R], site: Site) -> Handler[Op, R]:
        first = reserving(inner, self._policy, site.runtime, self._limits)
        if issubclass(op, BatchOperation):
            return batched(first, self._other)
        if hasattr(op, "cursor"):
            return paged(first, self._other)
        may_answer, instead = self._other.may_answer, self._other.instead

        async def handler(op: Op) -> R:
            try:
                return await first(op)
            except StorageError as error:
                if not may_answer(op, error):
                    raise
                failed = error
            return await instead(op, failed)

        return handler

    def serves(self, below: Capabilities) -> Capabilities:
        theirs = self.to.capabilities
        return Capabilities(
            {
                op: both(how, theirs[op]) if op.writes and self.wants(op) else how
                for op, how in below.items()
            }
        )

    def worst(self, op: type[Operation[Any]], below: Worst) -> Worst:
        return worst_of(self.to, op, below)

    def status(self) -> FallbackStatus:
        """Return what it has done since the stack was built."""
        return self._other.status()

    async def close(self) -> None:
        self._timers.close()
