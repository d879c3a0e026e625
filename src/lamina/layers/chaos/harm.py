"""What is done to a call that is hit."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn, final

from lamina.context import remaining
from lamina.errors import DeadlineExceeded, TimedOut, Unavailable
from lamina.hooks import Hook
from lamina.layers.chaos.core import number
from lamina.layers.chaos.torn import part_of

if TYPE_CHECKING:
    from random import Random

    from lamina.errors import StorageError
    from lamina.layers.chaos.core import Dice, Kind
    from lamina.layers.chaos.layer import Chaos
    from lamina.operation import Handler, Operation
    from lamina.runtime import Runtime

_NOTHING: Final = object()


@final
class Harm:
    """Does what the dice say, with the functions and the numbers of one ``Chaos``."""

    def __init__(self, layer: Chaos, dice: Dice, runtime: Runtime) -> None:
        self._dice = dice
        self._runtime = runtime
        self._latency = layer.latency
        self._draw = _hook(layer.latency, "latency")
        self._answer = _hook(layer.answer, "answer")
        self._action = _hook(layer.action, "action")
        self._fault = _hook(layer.fault, "fault")
        self._told = _hook(layer.on_injected, "on_injected")
        self._enabled = _hook(layer.enabled, "enabled")
        self._hanging: set[asyncio.Future[NoReturn]] = set()

    def raised(self) -> int:
        """Return how often functions of the user's raised."""
        hooks = (self._draw, self._answer, self._action, self._fault, self._told, self._enabled)
        return sum(hook.raised for hook in hooks if hook is not None)

    def is_enabled(self, flag: object, op: Operation[Any]) -> bool:
        """Tell whether *op* may be hit, where the layer's *flag* is not simply True."""
        return callable(flag) and self._enabled is not None and self._enabled(None, op) is True

    async def done(
        self, hit: list[Kind], call: int, op: Operation[Any], inner: Handler[Any, Any]
    ) -> Any:
        """Do to this call what has hit it, and answer what is left of it."""
        if "behaviour" in hit and self._action is not None:
            self._count("behaviour", op)
            self._action(None, op)
        if "slow" in hit:
            await self._wait(op, self._dice.rng("slow", call))
        if "fault" in hit:
            self._fail(op)
        if "outcome" in hit and self._answer is not None:
            answer = self._answer(_NOTHING, op)
            if answer is not _NOTHING:
                return self._instead(answer, op)
        if "hang" in hit:
            await self._hang(op, inner, self._dice.rng("hang", call))
        if "torn" in hit:
            await self._tear(op, inner, self._dice.rng("torn", call))
        answer = await inner(op)
        if "twice" in hit:
            await self._repeat(op, inner)
        if "after" in hit:
            self._count("after", op)
            raise _doubt(self._dice.rng("after", call))
        return answer

    def release(self) -> None:
        """End the calls that hang, as a client does that closes its connections."""
        for waiting in self._hanging:
            if not waiting.done():
                msg = "injected: closed before an answer came"
                waiting.set_exception(Unavailable(msg, layer="chaos"))

    def _count(self, kind: Kind, op: Operation[Any]) -> None:
        self._dice.harm[kind] += 1
        if self._told is not None:
            self._told(None, kind, op)

    async def _wait(self, op: Operation[Any], rng: Random) -> None:
        drawn = self._latency if self._draw is None else self._draw(0.0, rng)
        seconds = number(drawn)
        if seconds == 0:
            return
        self._count("slow", op)
        left = max(0.0, remaining(self._runtime.now()))
        await asyncio.sleep(min(seconds, left))  # Runtime.sleep would fail at once: too quick
        if seconds >= left:
            msg = f"injected: {seconds:.3g} s slower than there was time"
            raise DeadlineExceeded(msg, layer="chaos", sent="no")

    def _fail(self, op: Operation[Any]) -> None:
        if self._fault is None:
            self._count("fault", op)
            msg = "injected: not sent"
            raise Unavailable(msg, layer="chaos", sent="no")
        error = self._fault(None, op)
        if isinstance(error, Exception):
            self._count("fault", op)
            raise error.with_traceback(None)  # it may be the same each time

    def _instead(self, answer: Any, op: Operation[Any]) -> Any:
        self._count("outcome", op)
        if isinstance(answer, Exception):
            raise answer.with_traceback(None)
        return answer

    async def _hang(self, op: Operation[Any], inner: Handler[Any, Any], rng: Random) -> None:
        self._count("hang", op)
        if rng.random() < 0.5:
            await _unheard(op, inner)
        waiting = asyncio.get_running_loop().create_future()
        self._hanging.add(waiting)
        try:
            await waiting
        finally:
            self._hanging.discard(waiting)

    async def _tear(self, op: Operation[Any], inner: Handler[Any, Any], rng: Random) -> None:
        part = part_of(op, rng)
        if part is None:
            return
        await inner(part)
        self._count("torn", op)
        raise _doubt(rng)

    async def _repeat(self, op: Operation[Any], inner: Handler[Any, Any]) -> None:
        self._count("twice", op)
        await _unheard(op, inner)


async def _unheard(op: Operation[Any], inner: Handler[Any, Any]) -> None:
    """Carry *op* out for nobody: its failure is as unheard as its answer."""
    with suppress(Exception):
        await inner(op)


def _doubt(rng: Random) -> StorageError:
    msg = "injected: perhaps carried out"
    kind = Unavailable if rng.random() < 0.5 else TimedOut
    return kind(msg, layer="chaos", sent="maybe")


def _hook(option: object, name: str) -> Hook[..., Any] | None:
    return Hook(option, "Chaos", name) if callable(option) else None
