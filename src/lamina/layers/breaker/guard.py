"""One call through the circuit, watched from its admission to its verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, final

from lamina.context import Call, current
from lamina.hooks import Seconds
from lamina.layers.breaker.core import Circuit
from lamina.layers.breaker.states import Settings, State, Verdict
from lamina.layers.breaker.verdict import Judge

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from lamina.errors import CircuitOpen
    from lamina.layers.breaker.adapter import Listeners
    from lamina.layers.breaker.core import Permit
    from lamina.layers.breaker.layer import Breaker
    from lamina.layers.breaker.states import CircuitStatus
    from lamina.layers.breaker.verdict import Judged
    from lamina.operation import Handler, Operation
    from lamina.runtime import Runtime
    from lamina.site import Site

_PASSING: Final = (State.CLOSED, State.DISABLED)


class Watched(NamedTuple):
    """What stacks that name the same circuit use together."""

    circuit: Circuit
    listeners: Listeners
    pause: Seconds | None


@final
class Guard:
    """A circuit with what stands around it: time, listeners, the error that refuses."""

    def __init__(self, state: Watched, judge: Judge, runtime: Runtime) -> None:
        from lamina.layers.breaker.adapter import refusal

        self.runtime = runtime
        self.judge = judge
        self.circuit, self.listeners, self._pause = state
        self._listened = self.listeners.are_there
        self._slow = self.circuit.settings.slow or 0.0
        self._refusal: Callable[[str, float | None], CircuitOpen] = refusal

    @classmethod
    def at(cls, site: Site, settings: Settings, layer: Breaker) -> Self:
        """Make the guard of *layer*; its circuit may be one that has a name."""
        judge = Judge(layer.classify, count_throttled=layer.count_throttled)
        name = layer.shared
        if name is None:
            state = _watched(layer, settings, site.backend, site.runtime)
        else:
            asked = layer.break_for if callable(layer.break_for) else None
            state = site.shared(
                "breaker",
                name,
                (
                    *(settings, asked, layer.listeners, layer.on_change),
                    *(layer.classify, layer.count_throttled),
                ),
                lambda: _watched(layer, settings, name, site.runtime),
            )
        circuit = state.circuit
        site.common.reluctant.append(lambda: circuit.state not in _PASSING)
        return cls(state, judge, site.runtime)

    async def watch(
        self,
        op: Operation[Any],
        inner: Handler[Any, Any],
        judge: Callable[[Any], Judged],
        permit: Permit | None = None,
    ) -> Any:
        """Send *op*, with a *permit* or one of its own; *judge* says what an answer tells.

        Raises:
            CircuitOpen: Nothing was sent.
        """
        permit = permit or self.circuit.free or self.admit()
        clock = _Stopwatch(self.runtime) if self._slow else None
        verdict: Verdict = Verdict.NONE  # what a cancelled call tells
        failure: Exception | None = None
        try:
            if self._listened:
                self.listeners.note("before_call", inner, op)
                self.listeners.tell()
            answer = await inner(op)
            verdict, failure = judge(answer)
            return answer
        except Exception as error:
            verdict, failure = self.judge.of_error(error), error
            raise
        finally:
            now = self.runtime.now()
            is_slow = clock is not None and clock.stop(now) >= self._slow
            if verdict is not Verdict.SUCCESS or is_slow or self._listened:
                self._settle(permit, verdict, failure, now, slow=is_slow)
            elif permit is self.circuit.free:
                self.circuit.succeed(permit, now)
            else:
                self.circuit.settle(permit, verdict, now)
            failure = None  # it holds this frame, which would hold it

    def watched(
        self, inner: Handler[Any, Any], judge: Callable[[Any], Judged]
    ) -> Handler[Any, Any]:
        """Return the handler that watches each call."""

        def handler(op: Operation[Any]) -> Coroutine[Any, Any, Any]:
            return self.watch(op, inner, judge)

        return handler

    def status(self) -> CircuitStatus:
        """Describe the circuit, and count what functions of the user's raised."""
        raised = self.judge.raised + self.listeners.raised
        raised += 0 if self._pause is None else self._pause.raised
        return replace(self.circuit.status(self.runtime.now()), raised=raised)

    def go(self, state: State) -> None:
        """Enter *state* by hand."""
        self.circuit.go(state, self.runtime.now())
        self.listeners.tell()

    def admit(self) -> Permit:
        """Return a permit for one call, to be sent at once.

        Raises:
            CircuitOpen: Nothing was sent.
        """
        now = self.runtime.now()
        permit = self.circuit.admit(now)
        if permit is not None:
            return permit
        wait = self.circuit.retry_after(now)
        if self.circuit.state is State.OPEN:
            message = f"the circuit is open for another {wait:.3g} s after {self.circuit.cause}"
        elif self.circuit.state is State.HALF_OPEN:
            message = "the circuit is half-open, and its probes are out"
        else:
            message = "the circuit was opened by hand"
        raise self._refusal(message, wait)

    def _settle(
        self, permit: Permit, verdict: Verdict, failure: Exception | None, now: float, *, slow: bool
    ) -> None:
        """Tell circuit and listeners, in the order that aiobreaker has."""
        listened = self._listened
        if listened and verdict is Verdict.FAILURE:
            self.listeners.note("failure", failure)
        failed = verdict is Verdict.FAILURE
        cause = type(failure).__name__ if failed else "slow answers"
        self.circuit.settle(permit, verdict, now, slow=slow, cause=cause)
        if listened:
            if verdict is Verdict.SUCCESS:
                self.listeners.note("success")
            self.listeners.tell()


def _watched(layer: Breaker, settings: Settings, name: str, runtime: Runtime) -> Watched:
    from lamina.layers.breaker.adapter import Listeners

    told = Listeners(layer.listeners, layer.on_change)
    asked = layer.break_for
    pause = Seconds(asked, "Breaker", "break_for") if callable(asked) else None
    circuit = Circuit(settings, runtime.rng.random, told.changed, pause)
    told.show(circuit, name, lambda: runtime.now())  # noqa: PLW0108  # a loop's, once there is one
    return Watched(circuit, told, pause)


@final
class _Stopwatch:
    """Measures one call without the time it waited for a place inside a layer below."""

    def __init__(self, runtime: Runtime) -> None:
        self._before = current.get()
        self._call = (self._before or Call()).child()  # its own: others may share the caller's
        current.set(self._call)
        self._began = runtime.now()

    def stop(self, now: float) -> float:
        """Return the seconds."""
        queued = self._call.queued
        current.set(self._before)
        return now - self._began - queued
