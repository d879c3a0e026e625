"""Make failures on purpose, next to the backend."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from random import Random
from typing import TYPE_CHECKING, Any, final

from lamina.errors import StorageError
from lamina.layer import Layer
from lamina.layers.chaos.core import RATES, ChaosStatus, Dice, Kind, Rate
from lamina.layers.chaos.harm import Harm
from lamina.layers.chaos.options import check, names_of
from lamina.layers.chaos.torn import may_tear
from lamina.operation import Handler, Op, Operation, R
from lamina.options import check_served
from lamina.plan import Worst

if TYPE_CHECKING:
    from lamina.site import Site


@final
class Chaos(Layer):
    """Make calls fail, slow or wrong, each strategy at its own rate from 0 to 1.

    They act in this order: *behaviour* calls ``action(op)``; *slow* waits *latency* seconds, or
    what ``latency(rng)`` draws, at most until the caller's deadline; *rate* raises what
    ``fault(op)`` makes (by default ``Unavailable``, not sent); *outcome* gives ``answer(op)``
    without asking the backend; *hang* never answers, half of the time after the operation was
    carried out; *torn* carries out a part of a batch of writes, or writes the beginning of a
    content, then fails in doubt; *twice* carries it out twice and gives the first answer;
    *after* carries it out and raises ``Unavailable`` or ``TimedOut``, perhaps sent.

    A rate may be a function of the operation. *ops* names those that are hit; *enabled*, a flag
    that may be set while it runs or a function that gives True, switches all. The same *seed*
    (None: the runtime's chance) and order of calls give the same faults. A function that raises
    injects nothing. ``on_injected(kind, op)`` is told of each harm. The latency is Simmy's.

    Raises:
        StorageError: What was injected; its ``layer`` is ``"chaos"`` unless *fault* made it.
        DeadlineExceeded: The caller's deadline came before the end of *latency*.
    """

    slot = "chaos"

    def __init__(
        self,
        rate: Rate = 0.0,
        *,
        after: Rate = 0.0,
        twice: Rate = 0.0,
        torn: Rate = 0.0,
        hang: Rate = 0.0,
        slow: Rate = 0.0,
        latency: float | Callable[[Random], float] = 30.0,
        outcome: Rate = 0.0,
        answer: Callable[[Operation[Any]], Any] | None = None,
        behaviour: Rate = 0.0,
        action: Callable[[Operation[Any]], object] | None = None,
        fault: Callable[[Operation[Any]], StorageError | None] | None = None,
        on_injected: Callable[[Kind, Operation[Any]], object] | None = None,
        ops: Iterable[str] | None = None,
        enabled: bool | Callable[[Operation[Any]], bool] = True,
        seed: int | None = None,
    ) -> None:
        self.rate = rate
        self.after = after
        self.twice = twice
        self.torn = torn
        self.hang = hang
        self.slow = slow
        self.latency = latency
        self.outcome = outcome
        self.answer = answer
        self.behaviour = behaviour
        self.action = action
        self.fault = fault
        self.on_injected = on_injected
        self.ops = names_of(ops)
        self.enabled = enabled
        self.seed = seed
        check(self)

    def setup(self, site: Site) -> None:
        check_served(self, "ops", site.capabilities)
        seed = site.runtime.rng.getrandbits(64) if self.seed is None else self.seed
        self._dice = Dice({kind: getattr(self, name) for kind, name in RATES.items()}, seed)
        self._harm = Harm(self, self._dice, site.runtime)

    def wants(self, op: type[Operation[Any]]) -> bool:
        return bool(self._kinds(op))

    def bind(self, op: type[Op], inner: Handler[Op, R], site: Site) -> Handler[Op, R]:
        harm, every, dice = self._harm, self._dice, self._dice.of(self._kinds(op))
        del site

        def handler(op: Op) -> Coroutine[Any, Any, R]:
            if self.enabled is not True and not harm.is_enabled(self.enabled, op):
                return inner(op)
            hit = every.roll(dice, op)
            return harm.done(hit, every.calls, op, inner) if hit else inner(op)

        return handler

    def worst(self, op: type[Operation[Any]], below: Worst) -> Worst:
        return Worst(below.attempts * (2 if "twice" in self._kinds(op) else 1), below.seconds)

    async def close(self) -> None:
        self._harm.release()

    def status(self) -> ChaosStatus:
        """Return what it has done since the stack was built."""
        return self._dice.status(self._harm.raised())

    def _kinds(self, op: type[Operation[Any]]) -> list[Kind]:
        if self.ops is not None and op.__name__ not in self.ops:
            return []
        kinds: list[Kind] = [kind for kind, name in RATES.items() if getattr(self, name) != 0]
        return [kind for kind in kinds if kind != "torn" or may_tear(op)]
