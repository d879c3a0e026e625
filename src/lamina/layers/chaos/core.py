"""Which call is hit by which strategy; no clock, no IO."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, final

from lamina.hooks import Hook
from lamina.operation import Operation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Kind: TypeAlias = Literal["behaviour", "slow", "fault", "outcome", "hang", "torn", "twice", "after"]
Rate: TypeAlias = float | Callable[[Operation[Any]], float]

RATES: Final[dict[Kind, str]] = {
    "behaviour": "behaviour",
    "slow": "slow",
    "fault": "rate",
    "outcome": "outcome",
    "hang": "hang",
    "torn": "torn",
    "twice": "twice",
    "after": "after",
}
"""The option that is the rate of each strategy, in the order in which they act on a call."""

LONGEST: Final = 3600.0
"""Most seconds that a call is made slower; what never ends is a hang."""


class ChaosStatus(NamedTuple):
    """How many calls a ``Chaos`` has judged, and how often each strategy did its harm.

    *fault* counts the errors before sending, *raised* what functions of the user's raised.
    """

    calls: int
    behaviour: int
    slow: int
    fault: int
    outcome: int
    hang: int
    torn: int
    twice: int
    after: int
    raised: int


@final
class Die:
    """One strategy's chance. It has a sequence of its own, so that no other strategy shifts it."""

    __slots__ = ("draw", "kind", "rate")

    def __init__(self, kind: Kind, rate: Rate, seed: int) -> None:
        self.kind: Kind = kind
        self.draw = Random(f"{seed} {kind}").random
        self.rate = Hook(rate, "Chaos", RATES[kind]) if callable(rate) else rate

    def rate_of(self, op: Operation[Any]) -> float:
        """Return the chance that this call is hit."""
        rate = self.rate
        return number(rate(0.0, op)) if isinstance(rate, Hook) else rate


@final
class Dice:
    """The strategies that have a chance, and what they have done."""

    def __init__(self, rates: Mapping[Kind, Rate], seed: int) -> None:
        self._seed = seed
        self._dice = [Die(kind, rate, seed) for kind, rate in rates.items() if rate != 0]
        self.calls = 0
        self.harm: dict[Kind, int] = dict.fromkeys(RATES, 0)

    def of(self, kinds: Sequence[Kind]) -> tuple[Die, ...]:
        """Return those of *kinds*, in the order in which they act."""
        return tuple(die for die in self._dice if die.kind in kinds)

    def roll(self, dice: tuple[Die, ...], op: Operation[Any]) -> list[Kind]:
        """Return what hits this call: the same for the same seed, options and order of calls."""
        self.calls += 1
        return [die.kind for die in dice if die.draw() < die.rate_of(op)]

    def rng(self, kind: Kind, call: int) -> Random:
        """Return the chance that decides the rest about the call of that number."""
        return Random(f"{self._seed} {kind} {call}")

    def status(self, raised: int) -> ChaosStatus:
        """Return what was done; *raised* is that of the layer's own hooks."""
        raised += sum(die.rate.raised for die in self._dice if isinstance(die.rate, Hook))
        return ChaosStatus(self.calls, **self.harm, raised=raised)


def number(given: object) -> float:
    """Return a rate or a time that a user's function gave, 0 if it is none."""
    if isinstance(given, bool) or not isinstance(given, int | float) or not given > 0:
        return 0.0  # not a number, too
    return float(min(given, LONGEST))
