"""What all calls of one hedging layer share: when a hedge is due, and whether it may be sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, final

from lamina.budget import COST
from lamina.context import ends
from lamina.layers.hedge.core import Delays, Load

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.budget import Budget
    from lamina.errors import Brief
    from lamina.hooks import Hook
    from lamina.operation import Operation
    from lamina.site import Site


class HedgeStatus(NamedTuple):
    """What a ``Hedge`` has done, and why it sent no more.

    *won* hedges gave the answer; *cancelled* legs were still out when the call was decided, of
    which *abandoned* did not end within the grace. A hedge was not sent because of the own cap
    (*over_load*), the retry *budget*, a circuit that is not closed or calls that wait
    (*reluctant*), tasks of the runtime (*no_room*), the caller's deadline (*too_late*). *delays*
    are seconds by operation, None for those with too few samples. *raised* is how often *on_hedge*
    raised.
    """

    hedged: int
    won: int
    cancelled: int
    abandoned: int
    over_load: int
    budget: int
    reluctant: int
    no_room: int
    too_late: int
    delays: dict[str, float | None]
    raised: int


@final
@dataclass(slots=True)
class Counts:
    """The numbers of a ``HedgeStatus``."""

    hedged: int = 0
    won: int = 0
    cancelled: int = 0
    abandoned: int = 0
    over_load: int = 0
    budget: int = 0
    reluctant: int = 0
    no_room: int = 0
    too_late: int = 0


@final
class Kind:
    """What is known of one operation type.

    Attributes:
        suspends: Whether its calls suspend; None before the first has told.
    """

    __slots__ = ("_fixed", "_floor", "_learns", "learned", "suspends")

    def __init__(self, fixed: float | None, floor: float, learned: Delays, *, learns: bool) -> None:
        self._fixed = fixed
        self._floor = floor
        self._learns = learns
        self.learned = learned
        self.suspends: bool | None = None

    def delay(self) -> float | None:
        """Return the seconds after which a hedge is due, None for never."""
        if not self._learns:
            return self._fixed
        delay = self.learned.delay()
        return None if delay is None else max(delay, self._floor)


@final
class Sender:
    """Decides about each hedge of one layer."""

    def __init__(
        self,
        site: Site,
        *,
        hedges: int,
        extra_load: float | None,
        floor: float,
        grace: float,
        on_hedge: Hook[[Brief, int], object] | None,
    ) -> None:
        self.runtime = site.runtime
        self.hedges = hedges
        self.floor = floor
        self.grace = grace
        self.load = Load(extra_load)
        self.counts = Counts()
        self._on_hedge = on_hedge
        self._common = site.common
        self._reluctant: list[Callable[[], bool]] = list(site.common.reluctant)
        self._budget: Budget | None = None
        self._is_ours = False

    def is_reluctant(self) -> bool:
        """Tell whether a layer below would rather see no hedge now; count it if so."""
        if not any(reluctant() for reluctant in self._reluctant):
            return False
        self.counts.reluctant += 1
        return True

    def pay(self, op: Operation[Any], number: int, kind: Kind) -> bool:
        """Tell whether the hedge *number* of *op* may be sent, and pay for it."""
        counts, load, budget = self.counts, self.load, self._paid_from()
        calls = load.earn()
        if self._is_ours:
            budget.give(calls)  # as a retry would
        if self.runtime.now() + kind.learned.median() >= ends():
            counts.too_late += 1
        elif not load.allows():
            counts.over_load += 1
        elif not self.runtime.has_room():
            counts.no_room += 1
        elif not budget.take(COST):
            counts.budget += 1
        else:
            load.spend()
            counts.hedged += 1
            if self._on_hedge is not None:
                self._on_hedge(None, op.brief(), number)
            return True
        return False

    def raised(self) -> int:
        """Return how often the user's function raised."""
        return 0 if self._on_hedge is None else self._on_hedge.raised

    def won(self) -> None:
        """Note that a hedge gave the answer; the budget gets its cost back."""
        self.counts.won += 1
        self._paid_from().give(COST)

    def _paid_from(self) -> Budget:
        """Return the retry budget of this stack, ours to fill where nothing retries.

        Asked only once all layers are set up: the options of a retry outside decide.
        """
        if self._budget is None:
            self._is_ours = self._common.budget is None
            self._budget = self._common.paid_from()
        return self._budget
