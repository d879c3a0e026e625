"""The attempts that follow a first failure, driven by tenacity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.context import Call, current, note_doubtful, remaining
from lamina.errors import CircuitOpen, Conflict, StorageError, Unsupported
from lamina.layers.retry.core import RetryStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenacity import AsyncRetrying, RetryCallState

    from lamina.budget import Budget
    from lamina.layers.retry.core import Policy
    from lamina.layers.retry.user import Hooks
    from lamina.operation import Handler, Operation
    from lamina.site import Site


class Endings:
    """How often a retry layer of this process has given up.

    An error is marked with the number of its own giving up. A layer that reads the number before
    its attempt knows a mark made meanwhile, by a layer below, from one on an error used anew.
    """

    number = 0


class Engine:
    """What all failing calls of one layer share."""

    def __init__(
        self, policy: Policy, budget: Budget, site: Site, needs: float, hooks: Hooks
    ) -> None:
        from tenacity import AsyncRetrying

        self.retrying: Callable[..., AsyncRetrying] = AsyncRetrying
        self.policy = policy
        self.budget = budget
        self.needs = needs
        self.hooks = hooks
        self.runtime = site.runtime
        self.below = site.below
        self.retried = 0
        self.gave_up = 0

    def status(self) -> RetryStatus:
        """Return what was done since the stack was built."""
        made, budget = (self.retried, self.gave_up), self.budget
        return RetryStatus(*made, budget.denied, budget.tokens, self.hooks.raised)

    def repeats(self, op: Operation[Any], error: StorageError, mark: int) -> bool:
        """Tell whether *op* may be sent again, and no retry below has given up since *mark*."""
        return (
            error.retry_exhausted <= mark
            and self.policy.repeats(op, error)
            and self.hooks.allow(error)
        )

    async def send(self, op: Operation[Any]) -> Any:
        """Send *op* to the handler below, as ``settle`` may ask."""
        handler = self.below(type(op))
        if handler is None:
            msg = f"{type(op).__name__} is not served, the outcome cannot be told"
            raise Unsupported(msg, sent="maybe")
        return await handler(op)


class Again:
    """One failing call. Each has a tenacity engine of its own, whose first attempt is the failure.

    What is surely not an ``Exception`` of ours, a cancellation above all, is never judged: it
    goes out as it came.
    """

    def __init__(
        self,
        engine: Engine,
        op: Operation[Any],
        inner: Handler[Any, Any],
        failed: StorageError | None,
        *,
        mark: int,
        began: float,
    ) -> None:
        self.engine = engine
        self.op = op
        self.inner = inner
        self.failed = failed
        self.mark = mark
        self.began = began
        self.doubtful = False
        self.cost = 0
        self.unsent = 0  # paid for an attempt that has not begun
        self.step = 0  # of the waits; an exact wait begins them anew
        self.chance = 0.0

    async def answer(self) -> Any:
        """Return the answer of the first attempt that has one.

        Raises:
            StorageError: What the last attempt raised, itself.
        """
        before = current.get()
        self.call = (before or Call()).child()
        current.set(self.call)
        retrying = self.engine.retrying(
            sleep=self.engine.runtime.sleep,
            retry=self._is_worth_it,
            wait=self._wait,
            stop=self._must_stop,
            retry_error_callback=self.final,
        )
        try:
            return await retrying(self._attempt)
        finally:
            current.set(before)
            if self.doubtful and self.op.writes:
                note_doubtful(self.op.brief())
            if self.unsent:  # cancelled in the wait
                self.engine.budget.give(self.unsent)

    async def _attempt(self) -> Any:
        failed, self.failed = self.failed, None
        if failed is not None:
            raise failed
        self.unsent = 0
        self.call.attempt += 1
        self.engine.retried += 1
        self.mark = Endings.number
        answer = await self.send()
        self.engine.budget.give(self.cost)
        return answer

    async def send(self) -> Any:
        """Make the next attempt; after a doubtful one, find out what it had done."""
        try:
            answer = await self.inner(self.op)
        except Conflict as conflict:
            if not self.doubtful:
                raise
            return await self.op.settle(conflict, self.engine.send)
        if self.doubtful:
            return await self.op.settle(answer, self.engine.send)
        return answer

    def final(self, state: RetryCallState) -> Any:
        """Raise the last error, or give what there is, when no attempt follows."""
        error = _error(state)
        if error is not None:
            raise error

    def worth(self, error: StorageError) -> bool:
        """Take note of a failed attempt; tell whether another may help."""
        if error.sent == "maybe":
            self.doubtful = True
        elif self.doubtful:
            error.sent = "maybe"  # an earlier attempt may have arrived
        if self.call.attempt == 1:  # the failure that led here: it was asked already
            return True
        if self.engine.repeats(self.op, error, self.mark):
            return True
        error.add_note(f"at attempt {self.call.attempt} of {self.engine.policy.attempts}")
        return False

    def give_up(self, error: StorageError, reason: str) -> None:
        """Say on *error* that no attempt follows, and why."""
        number = self.call.attempt
        seconds = self.engine.runtime.now() - self.began
        made = "1 attempt" if number == 1 else f"{number} attempts"
        error.add_note(f"gave up after {made} in {seconds:.3g} s{reason}")
        Endings.number += 1
        error.retry_exhausted = Endings.number

    def _is_worth_it(self, state: RetryCallState) -> bool:
        error = _error(state)
        return isinstance(error, StorageError) and self.worth(error)

    def _wait(self, state: RetryCallState) -> float:
        error = _error(state)
        if not isinstance(error, StorageError) or self._was_last():
            return 0.0
        before, self.chance = self.chance, self.engine.runtime.rng.random()
        delay = self.engine.policy.delay(error, self.step, self.chance, before)
        self.step = 0 if isinstance(error, CircuitOpen) else self.step + 1
        return delay

    def _must_stop(self, state: RetryCallState) -> bool:
        error = _error(state)
        if not isinstance(error, StorageError):  # tenacity repeats its own TryAgain unasked
            return True
        reason = self._reason(error, state.upcoming_sleep)
        if reason is None:
            self.engine.hooks.tell(self.call.attempt, state.upcoming_sleep, error)
            return False
        self.engine.gave_up += 1
        self.give_up(error, reason)
        return True

    def _was_last(self) -> bool:
        return self.call.attempt >= self.engine.policy.attempts

    def _reason(self, error: StorageError, delay: float) -> str | None:
        """Return why no attempt may follow; else pay for it."""
        if self._was_last():
            return ""
        left = remaining(self.engine.runtime.now())
        wait = max(delay, error.retry_after or 0.0)
        if wait + self.engine.needs >= left:
            return f": a wait of {wait:.3g} s does not fit into the {max(left, 0):.3g} s left"
        cost = self.engine.policy.cost(error)
        if not self.engine.budget.take(cost):
            return ": the retry budget is spent"
        self.cost = self.unsent = cost
        return None


def _error(state: RetryCallState) -> BaseException | None:
    return None if state.outcome is None else state.outcome.exception()
