"""Stop sending to a backend that fails, and probe until it answers again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast, final

from lamina.layer import Layer
from lamina.layers.breaker.guard import Guard
from lamina.layers.breaker.options import BREAK, BUCKETS, WINDOW, check_listeners, settings_of
from lamina.layers.breaker.states import CircuitStatus, State, Verdict
from lamina.operation import BatchOperation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.operation import Handler, Op, R
    from lamina.site import Site


@final
class Breaker(Layer):
    """Refuse calls at once while the backend is failing.

    Closed, it opens when of at least *min_calls* calls in the last *window* seconds (counted in
    *buckets*) the part *failure_rate* failed, or *slow_rate* took *slow* seconds or more. With
    *last*, the last so many calls are judged instead, however old, and *min_calls* is at most that.
    Open, it refuses for *break_for* seconds, give or take the part *jitter*, and twice as long each
    further time up to *break_cap*; a function is told which break it is, from 1, and decides alone.
    Then *probes* calls pass, *probes_at_once* together, and the same rates decide. One that hangs
    for *lease* seconds (default: *break_for*, or 5 s) gives way.

    A failure is ``Unavailable`` or ``TimedOut``, in a batch one such item; any other answer is a
    success. Refusals by layers, the caller's deadline, cancellation and throttling (unless
    *count_throttled*) count neither way; *classify* may judge an error otherwise. Waiting for a
    place in ``Limit`` or ``Throttle`` is not slow. *on_change* is told each transition,
    *listeners* what aiobreaker tells. Stacks that name the same *shared* circuit use it together.
    Defaults follow Polly, the rate resilience4j.

    Raises:
        CircuitOpen: Also an ``aiobreaker.CircuitBreakerError``. Nothing was sent; *retry_after*
            says when a probe may pass. The call that opens the circuit raises its own error.
    """

    slot = "breaker"

    def __init__(
        self,
        failure_rate: float = 0.5,
        *,
        window: float = WINDOW,
        buckets: int = BUCKETS,
        last: int | None = None,
        min_calls: int = 20,
        slow: float | None = None,
        slow_rate: float = 0.8,
        break_for: float | Callable[[int], float] = BREAK,
        break_cap: float = 60.0,
        jitter: float = 0.2,
        probes: int = 3,
        probes_at_once: int = 1,
        lease: float | None = None,
        classify: Callable[[Exception], Verdict | None] | None = None,
        count_throttled: bool = False,
        listeners: Iterable[Any] = (),
        on_change: Callable[[State, State], object] | None = None,
        shared: str | None = None,
    ) -> None:
        self.failure_rate, self.min_calls = failure_rate, min_calls
        self.window, self.buckets, self.last = window, buckets, last
        self.slow, self.slow_rate = slow, slow_rate
        self.break_for, self.break_cap = break_for, break_cap
        self.jitter, self.lease = jitter, lease
        self.probes, self.probes_at_once = probes, probes_at_once
        self.classify, self.count_throttled = classify, count_throttled
        self.listeners, self.on_change = check_listeners(listeners), on_change
        self.shared = shared
        settings_of(self)

    def setup(self, site: Site) -> None:
        self._guard = Guard.at(site, settings_of(self), self)
        self._circuit, self._judge = self._guard.circuit, self._guard.judge
        self._runtime = site.runtime

    async def around(self, op: Op, inner: Handler[Op, R]) -> R:
        permit = self._circuit.free
        if permit is None:
            probe = self._guard.admit()
            return cast("R", await self._guard.watch(op, inner, self._judge.of_answer, probe))
        try:
            answer = await inner(op)
        except Exception as error:
            now, cause = self._runtime.now(), type(error).__name__
            self._circuit.settle(permit, self._judge.of_error(error), now, cause=cause)
            raise
        self._circuit.succeed(permit, self._runtime.now())
        return answer

    def bind(self, op: type[Op], inner: Handler[Op, R], site: Site) -> Handler[Op, R]:
        batch = issubclass(op, BatchOperation)
        if not (batch or self.listeners or self.on_change or self.slow):
            return super().bind(op, inner, site)
        judge = self._judge
        return self._guard.watched(inner, judge.of_outcomes if batch else judge.of_answer)

    def status(self) -> CircuitStatus:
        """Describe the circuit as it is now."""
        return self._guard.status()

    def force_open(self) -> None:
        """Refuse all calls until ``reset``."""
        self._guard.go(State.FORCED_OPEN)

    def disable(self) -> None:
        """Let all calls pass, uncounted, until ``reset``."""
        self._guard.go(State.DISABLED)

    def reset(self) -> None:
        """Close the circuit and forget what it counted."""
        self._guard.go(State.CLOSED)
