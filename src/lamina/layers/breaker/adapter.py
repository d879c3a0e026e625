"""What users of aiobreaker know: its error, its listeners, a breaker to look at.

Our circuit is the truth; aiobreaker's own state machine, which reads the wall clock, never runs.
Importing this imports aiobreaker, which takes half a second.
"""

from __future__ import annotations

import logging
import math
import time
from asyncio import CancelledError
from collections import deque
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NoReturn, final

from aiobreaker import CircuitBreaker, CircuitBreakerError, CircuitBreakerState
from aiobreaker.storage.base import CircuitBreakerStorage

from lamina.errors import CircuitOpen
from lamina.hooks import Hook
from lamina.layers.breaker.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.layers.breaker.core import Circuit

_log: Final = logging.getLogger("lamina.layers.breaker")
_STATES: Final = {
    State.CLOSED: CircuitBreakerState.CLOSED,
    State.DISABLED: CircuitBreakerState.CLOSED,
    State.OPEN: CircuitBreakerState.OPEN,
    State.FORCED_OPEN: CircuitBreakerState.OPEN,
    State.HALF_OPEN: CircuitBreakerState.HALF_OPEN,
}

_BY_HAND: Final = (State.FORCED_OPEN, State.DISABLED)


class _Refusal(CircuitBreakerError):  # type: ignore[misc]  # aiobreaker ships no types
    """aiobreaker's error, told by a duration instead of a naive local time."""

    __init__ = Exception.__init__  # pyright: ignore[reportAssignmentType]  # without a local time

    @property
    def message(self) -> str:
        return str(self.args[0])


@final
class OpenCircuit(CircuitOpen, _Refusal):
    """Both our ``CircuitOpen`` and aiobreaker's ``CircuitBreakerError``.

    Attributes:
        at: When it was made, in seconds since 1970.
    """

    at = 0.0

    @property
    def reopen_time(self) -> datetime | None:
        """When a probe may pass, in naive local time as aiobreaker has it; None if unknown."""
        if self.retry_after is None:
            return None
        return datetime.fromtimestamp(self.at + self.retry_after)  # noqa: DTZ006  # as aiobreaker's

    @property
    def time_remaining(self) -> timedelta:
        """How long until a probe may pass; the longest there is, if unknown."""
        if self.retry_after is None:
            return timedelta.max
        return timedelta(seconds=max(self.at + self.retry_after - time.time(), 0.0))


def refusal(message: str, wait: float | None) -> OpenCircuit:
    """Return the error of a call that was refused now, a probe being let pass after *wait*."""
    error = OpenCircuit(message, layer="breaker", retry_after=wait)
    error.at = time.time()
    return error


class _Mirror(CircuitBreakerStorage):  # type: ignore[misc]  # aiobreaker ships no types
    """Shows the circuit as aiobreaker's storage; nothing is stored through it."""

    def __init__(self, circuit: Circuit) -> None:
        super().__init__("lamina")
        self._circuit = circuit

    @property
    def state(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]  # read only
        return _STATES[self._circuit.state]

    @property
    def counter(self) -> int:
        return self._circuit.window.failures

    @property
    def opened_at(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  # no wall clock
        return None

    def increment_counter(self) -> None: ...

    def reset_counter(self) -> None: ...


@final
class Shown(CircuitBreaker):  # type: ignore[misc]  # aiobreaker ships no types
    """The breaker that listeners are given; ``open``, ``close`` and ``half_open`` act on ours."""

    def __init__(
        self, circuit: Circuit, listeners: Listeners, name: str, now: Callable[[], float]
    ) -> None:
        self._circuit = circuit
        self._tell = listeners.tell
        self._now = now
        settings = circuit.settings
        super().__init__(  # pyright: ignore[reportUnknownMemberType]  # aiobreaker ships no types
            fail_max=math.ceil(settings.failure_rate * settings.min_calls),
            timeout_duration=timedelta(seconds=settings.break_for),
            listeners=listeners.listeners,
            state_storage=_Mirror(circuit),
            name=name,
        )

    @property
    def state(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]  # read only
        """The state object of now; asking changes nothing and tells no listener."""
        return self.shown(self._circuit.state)

    @property
    def time_until_open(self) -> timedelta | None:
        """How long until a probe may pass; None if one may pass now, or that is unknown."""
        seconds = self._circuit.retry_after(self._now())
        return timedelta(seconds=seconds) if seconds else None

    @property
    def opens_at(self) -> datetime | None:
        """When a probe may pass, in naive local time as aiobreaker has it."""
        left = self.time_until_open
        return datetime.now() + left if left else None  # noqa: DTZ005  # as aiobreaker's

    def shown(self, state: State) -> Any:
        """Return aiobreaker's state object for one of ours."""
        kind: Any = _STATES[state].value
        return kind(self)

    def open(self) -> None:
        self._go(State.OPEN)

    def half_open(self) -> None:
        self._go(State.HALF_OPEN)

    def close(self) -> None:
        self._go(State.CLOSED)

    def call(self, func: Any, *args: Any, **kwargs: Any) -> NoReturn:
        del func, args, kwargs
        msg = "calls pass through the store, not through the breaker that listeners see"
        raise TypeError(msg)

    call_async = call

    def _go(self, state: State) -> None:
        if self._circuit.state not in _BY_HAND:  # what an operator set wins until reset
            self._circuit.go(state, self._now())
            self._tell()


@final
class Listeners:
    """Tells *on_change* and aiobreaker's listeners what happens, in order.

    One that raises changes nothing.
    """

    def __init__(
        self,
        listeners: Sequence[Any],
        on_change: Callable[[State, State], object] | None = None,
    ) -> None:
        self.are_there = bool(listeners or on_change)
        self._on_change = None if on_change is None else Hook(on_change, "Breaker", "on_change")
        self._raised = 0
        self.listeners = tuple(listeners)
        self._pending: deque[tuple[str, tuple[Any, ...]]] = deque()
        self._telling = False
        self._logged: set[int] = set()

    @property
    def raised(self) -> int:
        """How often one of them raised."""
        return self._raised + (0 if self._on_change is None else self._on_change.raised)

    def show(self, circuit: Circuit, name: str, now: Callable[[], float]) -> None:
        """Take the circuit that they listen to."""
        self.breaker = Shown(circuit, self, name, now)

    def changed(self, before: State, after: State) -> None:
        """Note a transition; aiobreaker's listeners hear of it if it is one in their eyes."""
        if self._on_change is not None and before is not after:
            self._pending.append(("", (before, after)))
        if self.listeners and _STATES[before] is not _STATES[after]:
            shown = self.breaker.shown
            self._pending.append(("state_change", (shown(before), shown(after))))

    def note(self, event: str, *values: Any) -> None:
        """Note a call that begins or ends."""
        self._pending.append((event, values))

    def tell(self) -> None:
        """Tell what was noted; what a listener causes meanwhile is told after that."""
        if self._telling:
            return
        self._telling = True
        try:
            while self._pending:
                event, values = self._pending.popleft()
                if not event and self._on_change is not None:
                    self._on_change(None, *values)
                    continue
                for listener in self.listeners:
                    self._tell_one(listener, event, values)
        finally:
            self._telling = False

    def _tell_one(self, listener: Any, event: str, values: tuple[Any, ...]) -> None:
        try:
            getattr(listener, event)(self.breaker, *values)
        except (
            Exception,
            CancelledError,
        ) as error:  # its own: a listener never changes the outcome of a call
            self._raised += 1
            if id(listener) not in self._logged:
                self._logged.add(id(listener))
                kinds = type(listener).__name__, type(error).__name__
                _log.warning("listener %s raised %s; it is logged once", *kinds)
