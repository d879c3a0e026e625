"""What this process owes the second tier, what it holds there, and when it leaves it alone."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple, final

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST: Final = 4096
"""Debts one by one; with more, everything is owed."""


class Debt(NamedTuple):
    """What is to be told: tags to hold, tenants to begin anew, or everything."""

    tags: tuple[str, ...]
    scopes: tuple[str, ...]
    everything: bool


@final
class Ledger:
    """Debts and holds by the keys of generations; times are loop time.

    Whoever owes does not use the tier: what is there may be wrong. A debt that is being paid is
    owed until it was paid, and again if that failed.
    """

    def __init__(self) -> None:
        self._tags: dict[str, None] = {}
        self._scopes: dict[str, None] = {}
        self._everything = False
        self._in_payment: list[Debt] = []
        self._held: OrderedDict[str, float] = OrderedDict()

    @property
    def owed(self) -> int:
        """How much is owed, in payment or not."""
        parts = (len(debt.tags) + len(debt.scopes) + debt.everything for debt in self._in_payment)
        return len(self._tags) + len(self._scopes) + self._everything + sum(parts)

    def is_clear(self) -> bool:
        """Tell whether nothing is owed."""
        return not (self._tags or self._everything or self._scopes or self._in_payment)

    def is_due(self) -> bool:
        """Tell whether something is owed that nobody pays yet."""
        return bool(self._tags or self._scopes or self._everything)

    def owe(
        self, tags: Iterable[str] = (), scopes: Iterable[str] = (), *, everything: bool = False
    ) -> None:
        """Note a debt."""
        self._tags.update(dict.fromkeys(tags))
        self._scopes.update(dict.fromkeys(scopes))
        self._everything = self._everything or everything
        if len(self._tags) + len(self._scopes) > MOST:
            self._everything = True
        if self._everything:  # a new root is not used for a while: as good as holding all tags
            self._tags.clear()
            self._scopes.clear()

    def take(self) -> Debt:
        """Return what is owed, to be paid; ``settle`` must follow."""
        debt = Debt(tuple(self._tags), tuple(self._scopes), self._everything)
        self._tags.clear()
        self._scopes.clear()
        self._everything = False
        self.begin(debt)
        return debt

    def begin(self, debt: Debt) -> None:
        """Note a debt that is being paid at once; ``settle`` must follow."""
        self._in_payment.append(debt)

    def settle(self, debt: Debt, *, paid: bool, until: float) -> None:
        """Note that *debt* was paid, its tags held until then; or that it is owed again."""
        self._in_payment.remove(debt)
        if paid:
            self.hold(debt.tags, until)
        else:
            self.owe(debt.tags, debt.scopes, everything=debt.everything)

    def hold(self, tags: Iterable[str], until: float, now: float = 0.0) -> None:
        """Note that *tags* are held until then; forget those that were, until *now*."""
        held = self._held
        for tag in tags:
            held[tag] = max(until, held.get(tag, until))
            held.move_to_end(tag)
        while held and held[next(iter(held))] <= now:
            held.popitem(last=False)

    def holds(self, tags: Iterable[str], until: float) -> bool:
        """Tell whether all of *tags* are held until then."""
        return all(self._held.get(tag, until) > until for tag in tags)

    def held(self, now: float) -> tuple[str, ...]:
        """Return the tags that are held."""
        return tuple(tag for tag, until in self._held.items() if until > now)


@final
class Pause:
    """Leaves a tier that failed alone for *seconds*; then one asks, for at most *patience*."""

    def __init__(self, seconds: float, patience: float) -> None:
        self._seconds = seconds
        self._patience = patience
        self._until: float | None = None

    def is_on(self, now: float) -> bool:
        """Tell whether it is to be left alone."""
        return self._until is not None and now < self._until

    def try_now(self, now: float) -> bool:
        """Tell whether the caller may ask; after a failure only one may, the others wait on."""
        if self._until is None:
            return True
        if now < self._until:
            return False
        self._until = now + self._patience
        return True

    def failed(self, now: float) -> None:
        """Note that it did not answer."""
        self._until = now + self._seconds

    def answered(self) -> None:
        """Note that it did."""
        self._until = None
