"""Run coroutines on a clock that jumps, in an order that a seed decides."""

from __future__ import annotations

import asyncio
import gc
import math
import random
import selectors
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from heapq import heappop
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar, TypeVarTuple, final

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Coroutine

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Events = list[tuple[selectors.SelectorKey, int]]
EPOCH: Final = 1_700_000_000.0


class DeadlockError(AssertionError):
    """Nothing is ready, nothing is scheduled: the tasks named would wait for ever."""


class LeakedTasks(AssertionError):
    """The coroutine ended and left the tasks named running."""


class Unhandled(AssertionError):
    """The loop was told of errors that nobody caught, such as a task's never retrieved one."""


class TookTooLong(AssertionError):
    """Real time ran out: a step spins, or a thread or a socket does not answer."""


@final
class VirtualLoop(asyncio.SelectorEventLoop):
    """Jump to the next timer whenever nothing is ready; `time()` starts at 0.0 seconds.

    With a *seed*, what is ready together, timers due at the same moment too, runs in an order
    drawn from it, though `call_soon` promises first in, first out. Without, the order is asyncio's.

    Time stands still while an executor's job runs, even one whose caller was cancelled. It goes
    at its real pace while a socket or pipe is registered. Other threads wake the loop with
    `call_soon_threadsafe`, but it does not wait for them: it jumps or raises `DeadlockError`.

    Raises:
        DeadlockError: No step can ever run again.
        TookTooLong: *timeout_real* seconds of real time passed. Not seen inside one long step.
    """

    _clock_resolution: float
    _default_executor: Executor | None
    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, *, seed: int | None = None, timeout_real: float = math.inf) -> None:
        self._now = 0.0
        self._jobs = 0
        self._rng = None if seed is None else random.Random(seed)
        self._timeout_real = timeout_real
        self._real_end = monotonic() + timeout_real
        self._poller = _Poller(self)
        super().__init__(self._poller)
        self._finest = self._clock_resolution

    def time(self) -> float:
        return self._now

    def wall(self) -> float:
        """Give Unix seconds that begin at a fixed moment in 2023."""
        return EPOCH + self._now

    def wait(self, timeout: float | None) -> Events:
        """Do what the loop asks of its selector: poll, and if nothing came let time pass."""
        left = self._real_end - monotonic()
        if left <= 0:
            self._real_end += self._timeout_real - left  # tidying up gets as long again
            msg = f"not done within {self._timeout_real:g} s of real time: {_names(self)}"
            raise TookTooLong(msg)
        events = self._poller.poll(0)
        if events or self._ready or timeout == 0:
            return events
        if self._jobs:
            return self._poller.poll(left)
        until = self._scheduled[0].when() if self._scheduled else math.inf
        if len(self._poller.get_map()) > 1:  # more than the loop's own pipe
            return self._keep_pace(until, left)
        if until == math.inf:
            raise DeadlockError("nothing can wake " + _names(self))
        self._advance(until)
        return []

    def _keep_pace(self, until: float, left: float) -> Events:
        start = monotonic() - self._now
        events = self._poller.poll(min(until - self._now, left))
        self._advance(min(until, monotonic() - start))
        return events

    def _advance(self, when: float) -> None:
        self._now = max(self._now, when)
        self._clock_resolution = max(self._finest, math.ulp(self._now))  # or late timers stick

    def _process_events(self, event_list: Events) -> None:
        super()._process_events(event_list)  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # asyncio's hook for subclasses
        if self._rng is not None:
            self._release_timers()
            self._rng.shuffle(self._ready)

    def _release_timers(self) -> None:
        """Do asyncio's next step early, so that timers are shuffled along."""
        end = self._now + self._clock_resolution
        while self._scheduled and self._scheduled[0].when() < end:
            timer = heappop(self._scheduled)
            timer._scheduled = False  # type: ignore[attr-defined]  # noqa: SLF001  # else it is counted for ever
            self._ready.append(timer)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        job = (executor or self._threads()).submit(func, *args)
        self._jobs += 1
        future = asyncio.wrap_future(job, loop=self)
        job.add_done_callback(self._tell_done)  # after the answer, so time waits for that too
        return future

    def _threads(self) -> Executor:
        if self._default_executor is None:
            self._default_executor = ThreadPoolExecutor(thread_name_prefix="virtual")
        return self._default_executor

    def _tell_done(self, _job: Future[Any]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody counts any more
            self.call_soon_threadsafe(self._job_done)

    def _job_done(self) -> None:
        self._jobs -= 1

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109
        """Wait for the threads in real time; *timeout* would be virtual and is ignored."""
        self._jobs += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._job_done()


class _Poller(selectors.DefaultSelector):
    """Hands every `select` to the loop."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Events:
        return self._loop.wait(timeout)

    def poll(self, timeout: float) -> Events:
        return super().select(None if timeout == math.inf else timeout)


def run(
    main: Coroutine[Any, Any, T],
    *,
    seed: int | None = None,
    debug: bool = False,
    timeout_real: float = 60.0,
) -> T:
    """Run *main* on a fresh `VirtualLoop` as `asyncio.run` does, tidying up included; be strict.

    If *main* itself fails, its error comes out; what the loop was told is noted on it.

    Raises:
        LeakedTasks: Tasks were left; the closing of an abandoned async generator is one.
        Unhandled: The loop's exception handler was called, at the latest by collecting garbage.
    """
    loop = VirtualLoop(seed=seed, timeout_real=timeout_real)
    contexts: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: contexts.append(context))
    try:
        result, left = _complete(loop, main, debug=debug)
    except Exception as error:
        for context in contexts:
            error.add_note(_told(context))
        raise
    _judge(left, contexts)
    return result


def _complete(loop: VirtualLoop, main: Coroutine[Any, Any, T], *, debug: bool) -> tuple[T, str]:
    """Give the answer and the names of the tasks left."""
    gc.freeze()  # a collection then looks only at what this run made
    try:
        with asyncio.Runner(debug=debug, loop_factory=lambda: loop) as runner:
            result = runner.run(main)
            left = _names(loop)
        gc.collect()  # a failed task nobody asked says so when it dies
    finally:
        gc.unfreeze()
    return result, left


def _judge(left: str, contexts: list[dict[str, Any]]) -> None:
    if left:
        raise LeakedTasks("left behind: " + left)
    if contexts:
        raise Unhandled("; ".join(map(_told, contexts))) from contexts[0].get("exception")


def schedules(count: int, start: int = 0) -> range:
    """Give *count* seeds."""
    return range(start, start + count)


def explore(scenario: Callable[[], Coroutine[Any, Any, object]], *, schedules: int = 500) -> None:
    """Run a fresh *scenario* once for each of so many seeds; note the seed on what fails."""
    for seed in range(schedules):
        try:
            run(scenario(), seed=seed)
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise


def _names(loop: asyncio.AbstractEventLoop) -> str:
    return ", ".join(sorted(f"{t.get_name()}{_where(t)}" for t in asyncio.all_tasks(loop)))


def _where(task: asyncio.Task[Any]) -> str:
    """Say at which line the innermost of *task*'s coroutines waits."""
    place = ""
    coroutine: object = task.get_coro()
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None)
        if frame is not None:
            place = f" at {Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
        coroutine = getattr(coroutine, "cr_await", None)
    return place


def _told(context: dict[str, Any]) -> str:
    return f"{context['message']}: {context.get('exception')!r}"
