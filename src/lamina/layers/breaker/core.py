"""The circuit: a pure state machine whose clock and chance are given."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, final

from lamina.layers.breaker.states import CircuitStatus, Settings, State, Verdict
from lamina.layers.breaker.window import LastCalls, Window

if TYPE_CHECKING:
    from collections.abc import Callable


@final
class Permit:
    """The right to make one call, valid in one *era* of the circuit."""

    __slots__ = ("ends", "era", "live")

    def __init__(self, era: int, ends: float = math.inf) -> None:
        self.era = era
        self.ends = ends
        self.live = True


@final
class Circuit:
    """Each transition begins an era; results of calls admitted in another era change nothing.

    *chance* gives numbers from 0 to 1 for the jitter of a break; *changed* is told each
    transition, after it happened; *asked*, if given, is asked how long a break lasts: with how
    often it has opened since it was last closed, from 1. None leaves it to the settings.

    Attributes:
        free: While closed, the permit of every call; else None.
    """

    def __init__(
        self,
        settings: Settings,
        chance: Callable[[], float],
        changed: Callable[[State, State], None],
        asked: Callable[[int], float | None] | None = None,
    ) -> None:
        self.settings = settings
        self.state = State.CLOSED
        self.free: Permit | None = Permit(0)
        self.era = 0
        self.opened = 0
        self.rejected = 0
        self.cause = ""
        self.window: Window | LastCalls = (
            Window(settings.window, settings.buckets)
            if settings.last is None
            else LastCalls(settings.last)
        )
        self._chance = chance
        self._changed = changed
        self._asked = asked
        self._breaks = 0  # since it was last closed
        self._break = settings.break_for  # how long the next one lasts, before jitter
        self._reopens = -math.inf
        self._out: list[Permit] = []  # probes on their way
        self._told = self._failed = self._slow = 0  # verdicts of probes

    def admit(self, now: float) -> Permit | None:
        """Return a permit for one call, which must be settled; None refuses it."""
        if self.free is not None:
            return self.free
        if self.state is State.DISABLED:
            return Permit(-1)
        if self.state is State.OPEN and now >= self._reopens:
            self._enter(State.HALF_OPEN)
        if self.state is State.HALF_OPEN:
            self._out = [probe for probe in self._out if now < probe.ends]
            if self._has_room():
                probe = Permit(self.era, now + self.settings.lease)
                self._out.append(probe)
                return probe
        self.rejected += 1
        return None

    def succeed(self, permit: Permit, now: float) -> None:
        """Settle a call that succeeded, was not slow, and began while the circuit was closed."""
        if permit is not self.free:
            return
        window = self.window
        window.add(now)
        if window.failures or window.slow:
            self._judge(now)

    def settle(
        self, permit: Permit, verdict: Verdict, now: float, *, slow: bool = False, cause: str = ""
    ) -> None:
        """Give a permit back with what the call told; *cause* names its failure.

        Each permit of a probe counts once; no verdict returns it and changes nothing else.
        """
        if permit.era != self.era or not permit.live:
            return
        if permit is not self.free:
            permit.live = False
            if permit in self._out:
                self._out.remove(permit)
        if verdict is Verdict.NONE:
            return
        failed = verdict is Verdict.FAILURE
        if failed or slow:
            self.cause = cause
        if permit is self.free:
            self.window.add(now, failed=failed, slow=slow)
            self._judge(now)
        else:
            self._probed(now, failed=failed, slow=slow)

    def retry_after(self, now: float) -> float | None:
        """Return the seconds until a probe may pass, None if only an operator can tell."""
        if self.state is State.OPEN:
            return max(self._reopens - now, 0.0)
        if self.state is State.HALF_OPEN and not self._has_room():
            ends = min(probe.ends for probe in self._out)
            return max(ends - now, 0.0)
        return None if self.state is State.FORCED_OPEN else 0.0

    def status(self, now: float) -> CircuitStatus:
        """Describe the circuit."""
        window = self.window
        window.forget(now)
        counted = window.calls, window.failures, window.slow
        if self.state is State.HALF_OPEN:
            counted = self._told, self._failed, self._slow
        calls, failures, slow = counted
        return CircuitStatus(
            state=self.state,
            calls=calls,
            failures=failures,
            slow=slow,
            opened=self.opened,
            rejected=self.rejected,
            retry_after=self.retry_after(now),
            cause=self.cause,
        )

    def go(self, state: State, now: float) -> None:
        """Enter *state* by hand; ``CLOSED`` starts anew as if nothing had happened."""
        if state is State.OPEN:
            self.cause = "opened by hand"
            self._open(now)
        else:
            self._enter(state)

    def _judge(self, now: float) -> None:
        """Open once enough calls in the window failed or were slow."""
        failures, slow, calls = self.window.failures, self.window.slow, self.window.calls
        if calls >= self.settings.min_calls and self._is_bad(failures / calls, slow / calls):
            self._open(now)

    def _probed(self, now: float, *, failed: bool, slow: bool) -> None:
        """Open as soon as the rest cannot save it; close only after all probes told."""
        self._told += 1
        self._failed += failed
        self._slow += slow
        probes = self.settings.probes
        if self._is_bad(self._failed / probes, self._slow / probes):
            self._open(now)
        elif self._told >= probes:
            self._enter(State.CLOSED)

    def _has_room(self) -> bool:
        left = self.settings.probes - self._told
        return len(self._out) < min(self.settings.probes_at_once, left)

    def _is_bad(self, failed: float, slow: float) -> bool:
        settings = self.settings
        return failed >= settings.failure_rate or slow >= settings.slow_rate

    def _open(self, now: float) -> None:
        self._breaks += 1
        era = self.era
        told = None if self._asked is None else self._asked(self._breaks)
        if era != self.era:  # whoever was asked has acted on the circuit
            return
        spread = self.settings.jitter * (2 * self._chance() - 1)
        self._reopens = now + (self._break * (1 + spread) if told is None else told)
        self._break = min(self._break * 2, self.settings.break_cap)
        self.opened += 1
        self._enter(State.OPEN)

    def _enter(self, state: State) -> None:
        before, self.state = self.state, state
        self.era += 1
        self.free = Permit(self.era) if state is State.CLOSED else None
        self._out = []
        self._told = self._failed = self._slow = 0
        if state is State.CLOSED:
            self.window.clear()
            self._breaks = 0
            self._break = self.settings.break_for
        self._changed(before, state)
