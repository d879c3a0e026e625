"""Send a slow read again, and take the first answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, final

from lamina.errors import Brief
from lamina.hooks import Hook
from lamina.layer import Layer
from lamina.layers.hedge.core import Delays
from lamina.layers.hedge.hedged import hedged
from lamina.layers.hedge.options import check, named
from lamina.layers.hedge.sender import HedgeStatus, Kind, Sender
from lamina.operation import Operation
from lamina.options import check_served
from lamina.plan import Worst

if TYPE_CHECKING:
    from lamina.operation import Handler, Op, R
    from lamina.site import Site


@final
class Hedge(Layer):
    """Send a read again when it takes long or has just failed; the first good answer counts.

    Up to *hedges* more are sent, each *delay* seconds after the one before, or at once when one
    fails for a passing reason. Without a *delay* it is the *quantile* of how long calls of the
    type take, at least *floor*, once there are *min_samples*; with *quantile* None too, only
    failures are hedged. What fails for good ends the call; if all fail, the primary's error comes
    out. Of a batch, an answer with items that failed for a passing reason is taken only if no leg
    has a better one.

    Hedges are at most the part *extra_load* of the answered calls (and ten; None: no such
    cap), and are paid from the retry budget of the stack. None is sent while the circuit below is
    not closed or calls wait for a place, nor when it would likely miss the caller's deadline, nor
    after a refusal or a request to wait. *ops* names the only operations to hedge, types or their
    names; one that writes is sent again only while it is ``repeatable()``.

    Each leg passes all layers below as a call of its own, as a task in the caller's context; the
    others are cancelled once the call is decided, also when the caller is. They have *grace*
    seconds to end, after that the runtime logs and keeps them. Calls that have not suspended so
    far cost no task; the first of a type that does is not hedged then.

    *on_hedge* is told the brief and the number of each hedge. What is learned and the cap follow
    Finagle's ``BackupRequestFilter``, when legs are sent and end follows gRPC (gRFC A6).
    """

    slot = "hedge"
    repeats = True

    def __init__(
        self,
        delay: float | None = None,
        *,
        quantile: float | None = 0.95,
        hedges: int = 1,
        min_samples: int = 100,
        floor: float = 0.001,
        extra_load: float | None = 0.02,
        ops: Iterable[str | type[Operation[Any]]] | None = None,
        grace: float = 0.05,
        on_hedge: Callable[[Brief, int], object] | None = None,
    ) -> None:
        self.delay = delay
        self.quantile = quantile
        self.hedges = hedges
        self.min_samples = min_samples
        self.floor = floor
        self.extra_load = extra_load
        self.ops = named(ops)
        self.grace = grace
        self.on_hedge = on_hedge
        check(self)

    def setup(self, site: Site) -> None:
        check_served(self, "ops", site.capabilities)
        self._sender = Sender(
            site,
            hedges=self.hedges,
            extra_load=self.extra_load,
            floor=self.floor,
            grace=self.grace,
            on_hedge=Hook(self.on_hedge, "Hedge", "on_hedge") if self.on_hedge else None,
        )
        self._kinds: dict[str, Kind] = {}

    def wants(self, op: type[Operation[Any]]) -> bool:
        if self.ops is None:
            return not op.writes
        return op in self.ops or op.__name__ in self.ops

    def bind(self, op: type[Op], inner: Handler[Op, R], site: Site) -> Handler[Op, R]:
        del site
        learned = Delays(self.quantile or 1.0, self.min_samples)
        learns = self.delay is None and self.quantile is not None
        kind = self._kinds[op.__name__] = Kind(self.delay, self.floor, learned, learns=learns)
        return hedged(self._sender, kind, op, inner)

    def worst(self, op: type[Operation[Any]], below: Worst) -> Worst:
        del op
        attempts = (1 + self.hedges) * below.attempts
        if below.seconds is None:
            return Worst(attempts)
        delay = below.seconds if self.delay is None else min(self.delay, below.seconds)
        return Worst(attempts, below.seconds + self.hedges * delay + self.grace)

    def status(self) -> HedgeStatus:
        """Return what it has done since the stack was built."""
        delays = {name: kind.delay() for name, kind in sorted(self._kinds.items())}
        sender = self._sender
        return HedgeStatus(**asdict(sender.counts), delays=delays, raised=sender.raised())
