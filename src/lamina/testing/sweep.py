"""Cancel a scenario at every place where it can be cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, final

from lamina.testing.clock import run

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

Scenario = Callable[[], Coroutine[Any, Any, object]]


@final
@dataclass(frozen=True)
class Sweep:
    """What was tried.

    *points* are the suspensions of the undisturbed scenario, *cancelled* the runs that ended with
    their cancellation, *finished* those that gave an answer in spite of it.
    """

    points: int
    cancelled: int
    finished: int


def sweep(
    scenario: Scenario,
    *,
    after: Callable[[], object] | None = None,
    seed: int | None = None,
    allow_finish: bool = False,
    most: int | None = None,
) -> Sweep:
    """Run *scenario* once undisturbed, then cancel a fresh one at each of its suspensions.

    Point 0 is before the first step. The others are cancelled twice over: while they wait, and
    woken, when what they wait for has come but the task has not yet run. Awaits that only a
    cancelled run reaches are not points. *most* takes only so many of them, spread evenly, where
    runs are dear. *after* is called each time a run's loop is closed.
    It runs its own loops: call it from a plain function. What the undisturbed run raises comes
    out as it is.

    Raises:
        AssertionError: At the point named, the cancellation was swallowed or replaced (by a new
            `CancelledError` too), `Task.cancelling()` was changed, a task was left, an error was
            not retrieved, nothing could go on, or *after* failed.
    """
    trial = _Trial(scenario, after, seed, allow_finish)
    points = trial.attempt(None).suspensions
    ends = [trial.cut(_Cut(0, "waiting"))]
    for point in _spread(points, most):
        ends.append(trial.cut(_Cut(point, "waiting")))
        ends.append(trial.cut(_Cut(point, "woken")))
    finished = sum(end.finished for end in ends)
    return Sweep(points, sum(end.cancelled for end in ends) - finished, finished)


def _spread(points: int, most: int | None) -> Sequence[int]:
    if most is None or points <= most:
        return range(1, points + 1)
    return [1 + place * points // most for place in range(most)]


@final
@dataclass(frozen=True)
class _Cut:
    """Where to cancel, and whether before or after what is awaited there has come."""

    point: int
    moment: Literal["waiting", "woken"]


@final
@dataclass(frozen=True)
class _End:
    """What is kept of a run: no exception, whose frames would keep failed tasks alive."""

    suspensions: int
    cancelled: bool
    finished: bool


@final
@dataclass(frozen=True)
class _Trial:
    scenario: Scenario
    after: Callable[[], object] | None
    seed: int | None
    allow_finish: bool

    def cut(self, cut: _Cut) -> _End:
        try:
            return self.attempt(cut)
        except Exception as error:
            msg = f"cancelled at suspension {cut.point} ({cut.moment}): {str(error) or repr(error)}"
            raise AssertionError(msg) from error

    def attempt(self, cut: _Cut | None) -> _End:
        end = run(self._watch(cut), seed=self.seed)
        if self.after is not None:
            self.after()
        return end

    async def _watch(self, cut: _Cut | None) -> _End:
        probe = _Probe(self.scenario(), cut)
        task = asyncio.get_running_loop().create_task(probe, name="scenario")
        probe.start(task)
        await asyncio.wait({task})
        error = probe.verdict(task)
        if error is not None:
            raise error
        finished = probe.cancelled and probe.raised is None
        if finished and not self.allow_finish:
            msg = "it finished as if nothing had happened"
            raise AssertionError(msg)
        return _End(probe.suspensions, probe.cancelled, finished)


@final
class _Probe(Coroutine[Any, Any, object]):
    """Stands between a task and its coroutine: counts suspensions, sees what is thrown."""

    def __init__(self, inner: Coroutine[Any, Any, object], cut: _Cut | None) -> None:
        self.cr_await = inner  # the name under which a coroutine shows what it awaits
        self.suspensions = 0
        self.cancelled = False
        self.raised: BaseException | None = None
        self._thrown: list[BaseException] = []
        self._cut = cut
        self._task: asyncio.Task[object] | None = None

    def start(self, task: asyncio.Task[object]) -> None:
        self._task = task
        if self._cut is not None and self._cut.point == 0:
            self._cancel()

    def verdict(self, task: asyncio.Task[object]) -> BaseException | None:
        """Give what is wrong with the way *task* ended."""
        if not task.cancelled():
            task.exception()  # retrieved
        if self.raised is not None and not self.cancelled:
            return self.raised
        if self.raised is not None and not any(self.raised is error for error in self._thrown):
            return AssertionError(f"{self.raised!r} came out, not the cancellation thrown in")
        if task.cancelling() != self.cancelled and not (self.cancelled and self.raised is None):
            return AssertionError(
                f"Task.cancelling() is {task.cancelling()}, should be {self.cancelled:d}"
            )
        return None

    def send(self, value: Any, /) -> Any:
        return self._suspended(self._seen(self.cr_await.send, value))

    def throw(self, error: Any, /, *rest: Any) -> Any:
        if self.cancelled and isinstance(error, asyncio.CancelledError):
            self._thrown.append(error)
        return self._suspended(self._seen(self.cr_await.throw, error, *rest))

    def close(self) -> None:
        self.cr_await.close()

    def __await__(self) -> Generator[Any, Any, object]:
        return self.cr_await.__await__()

    def _seen(self, step: Callable[..., Any], *args: Any) -> Any:
        try:
            return step(*args)
        except StopIteration:
            raise
        except BaseException as error:
            self.raised = error
            raise

    def _suspended(self, awaited: Any) -> Any:
        self.suspensions += 1
        if self._cut is not None and self._cut.point == self.suspensions:
            if self._cut.moment == "waiting":
                self._cancel()
            elif asyncio.isfuture(awaited):  # called before the task's own callback
                awaited.add_done_callback(self._cancel)
        return awaited

    def _cancel(self, _awaited: object = None) -> None:
        if self._task is not None:
            self.cancelled = self._task.cancel()
