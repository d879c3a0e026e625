"""Repeat what failed for a passing reason, if that is safe."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast, final

from lamina.errors import StorageError
from lamina.layer import Layer
from lamina.layers.retry.again import Again, Endings, Engine
from lamina.layers.retry.batches import send_batch
from lamina.layers.retry.core import Policy, RetryStatus
from lamina.layers.retry.options import BASE, check
from lamina.layers.retry.user import Hooks, budget_at
from lamina.operation import BatchOperation
from lamina.plan import Worst

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from lamina.operation import Handler, Op, Operation, R
    from lamina.site import Site


@final
class Retry(Layer):
    """Make up to *attempts* attempts in all, while failures are transient and repeating is safe.

    An operation is sent again only if it surely never arrived or is ``repeatable()``; after an
    attempt whose outcome is unknown, ``settle()`` turns the later answer into what the first
    would have told. A batch repeats only the items worth it. Before retry number *i* (from 0) it
    waits a random part of ``min(base * 2**i, cap)`` seconds, or of *throttled_base* where the
    backend asks for fewer calls, and at least what ``retry_after`` asks, up to 5 s more. *base* may
    be a function of *i* that tells the longest, *jitter* also "equal", "decorrelated" or "none". It
    never waits into the caller's deadline, of which *needs* seconds must be left for the attempt.
    An open circuit is not waited for, unless *patient*: then exactly as long as it stays open, and
    waits begin anew.

    *when* may say no to an error that would be repeated. *on_retry* is told the number of the
    attempt that failed, from 1, the seconds until the next, and the error.

    Retries are paid from a *budget* of tokens (None: unlimited): 14 for one, 5 after throttling,
    given back when it succeeds or is never sent; a first attempt that succeeds adds 1. Stacks that
    name the same *shared* budget spend it together. The last error itself comes out, with a note.
    The numbers are those of the AWS SDKs of 2026.
    """

    slot = "retry"
    repeats = True

    def __init__(
        self,
        attempts: int = 3,
        *,
        base: float | Callable[[int], float] = BASE,
        cap: float = 20.0,
        throttled_base: float = 1.0,
        budget: int | None = 500,
        patient: bool = False,
        jitter: str = "full",
        needs: float = 0.0,
        when: Callable[[StorageError], bool] | None = None,
        on_retry: Callable[[int, float, StorageError], object] | None = None,
        shared: str | None = None,
    ) -> None:
        self.attempts = attempts
        self.base, self.cap, self.throttled_base = base, cap, throttled_base
        self.budget = budget
        self.patient = patient
        self.jitter, self.needs = jitter, needs
        self.when, self.on_retry = when, on_retry
        self.shared = shared
        check(self)

    def setup(self, site: Site) -> None:
        asked, base = (self.base, min(BASE, self.cap)) if callable(self.base) else (None, self.base)
        hooks = Hooks(self.when, self.on_retry, asked)
        waits = base, self.cap, self.throttled_base
        self._policy = Policy(self.attempts, *waits, self.patient, self.jitter, hooks.base)
        budget = budget_at(site, self.budget, self.shared)
        self._engine = Engine(self._policy, budget, site, self.needs, hooks)

    def wants(self, op: type[Operation[Any]]) -> bool:
        del op
        return self.attempts > 1

    def bind(self, op: type[Op], inner: Handler[Op, R], site: Site) -> Handler[Op, R]:
        engine, budget, runtime = self._engine, self._engine.budget, site.runtime

        async def handler(op: Op) -> R:
            mark = Endings.number
            began = runtime.now()
            try:
                answer = await inner(op)
            except StorageError as error:
                if not engine.repeats(op, error, mark):
                    raise
                again = Again(engine, op, inner, error, mark=mark, began=began)
            else:
                if budget.tokens < budget.capacity:
                    budget.give(1)
                return answer
            return cast("R", await again.answer())

        def batch(op: Op) -> Coroutine[Any, Any, R]:
            return send_batch(engine, cast("BatchOperation[Any]", op), inner)

        return batch if issubclass(op, BatchOperation) else handler

    def worst(self, op: type[Operation[Any]], below: Worst) -> Worst:
        del op
        attempts = self.attempts * below.attempts
        if below.seconds is None or self.patient:
            return Worst(attempts)
        return Worst(attempts, self.attempts * below.seconds + self._policy.waits())

    def status(self) -> RetryStatus:
        """Return what it has done since the stack was built."""
        return self._engine.status()
