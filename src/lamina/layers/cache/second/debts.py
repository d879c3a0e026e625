"""Tell the second tier what writes and invalidations make wrong, before, after, or when it can."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, final

from lamina.layers.cache.second.gens import HELD, fresh, fresh_root
from lamina.layers.cache.second.ledger import Debt, Ledger

if TYPE_CHECKING:
    from lamina.layers.cache.second.far import Far
    from lamina.layers.cache.second.ledger import Pause
    from lamina.runtime import Runtime

SURE: Final = 0.9
"""The part of a hold that is relied on: two clocks may run at different speeds."""

_DAY: Final = 86_400.0


@final
class Debtor:
    """Holds tags in the tier, each time for *hold* seconds; what fails is owed.

    A held tag has no generation: nothing is taken or kept under it. A hold replaces the one
    before it and is never taken back, so that a write that may still arrive keeps its hold
    whatever other writes, of any process, do meanwhile.
    """

    def __init__(self, far: Far, pause: Pause, runtime: Runtime, root: str, hold: float) -> None:
        self.ledger = Ledger()
        self._far = far
        self._pause = pause
        self._runtime = runtime
        self._root = root
        self._hold = hold
        self._task: asyncio.Task[None] | None = None

    async def hold(self, tags: tuple[str, ...]) -> None:
        """Hold *tags*, or owe it. Cancelled, nothing is owed: nothing was written yet."""
        began = self._runtime.now()
        if self._pause.try_now(began) and await self._far.put(
            dict.fromkeys(tags, HELD), self._hold
        ):
            self.ledger.hold(tags, began + SURE * self._hold, began)
        else:
            self.ledger.owe(tags)

    async def hold_on(self, tags: tuple[str, ...], lag: float, *, sure: bool) -> None:
        """Hold *tags* anew unless they still are for *lag* seconds, and the write is surely over.

        Cancelled, it is owed.
        """
        now = self._runtime.now()
        if sure and self.ledger.holds(tags, now + lag):
            return
        debt = Debt(tags, (), everything=False)
        if self._pause.try_now(now):
            self.ledger.begin(debt)
            await self._pay(debt)
        else:
            self.ledger.owe(tags)

    def pay_soon(self) -> None:
        """Pay what is owed in a task, unless one does or the tier is left alone."""
        runtime = self._runtime
        if not self.ledger.is_due() or runtime.stopped or not _has_loop():
            return
        if self._pause.is_on(runtime.now()) or not (self._task is None or self._task.done()):
            return
        self._task = runtime.spawn(self.pay(), "cache debts", needed=True)

    async def pay(self) -> None:
        """Pay all that is owed."""
        if self.ledger.is_due() and self._pause.try_now(self._runtime.now()):
            await self._pay(self.ledger.take())

    async def _pay(self, debt: Debt) -> None:
        began, paid = self._runtime.now(), False
        try:
            paid = await self._tell(debt)
        finally:
            self.ledger.settle(debt, paid=paid, until=began + SURE * self._hold)
            if not paid:
                self.pay_soon()

    async def _tell(self, debt: Debt) -> bool:
        put = self._far.put
        if debt.everything and not await put({self._root: fresh_root(self._runtime.wall())}, None):
            return False
        if debt.scopes and not await put({key: fresh() for key in debt.scopes}, _DAY):
            return False
        return not debt.tags or await put(dict.fromkeys(debt.tags, HELD), self._hold)


def _has_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:  # told from outside of it: paid at the next use
        return False
    return True
