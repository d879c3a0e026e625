"""The second stack: asked in the background, compared, counted, told; never waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast, final

from lamina.errors import Brief
from lamina.hooks import Hook
from lamina.layers.shadow.core import Races, ShadowStatus
from lamina.operation import Operation
from lamina.values import Failed, Page

if TYPE_CHECKING:
    from lamina.layer import Sends
    from lamina.layers.shadow.core import Watch
    from lamina.runtime import Runtime

Kind: TypeAlias = Literal["different", "racy", "failed"]
Compare: TypeAlias = Callable[[Operation[Any], Any, Any], bool]
Report: TypeAlias = Callable[[Brief, Kind], None]

_SILENT: Final = object()

_asking: Final[ContextVar[tuple[object, ...]]] = ContextVar("lamina.shadow", default=())
"""Those whose second stack is being asked, so that a loop of them comes to an end."""


@final
class Second:
    """The stack *to*, asked *at_once* operations at the most, each for *within* seconds."""

    def __init__(
        self,
        to: Sends,
        runtime: Runtime,
        compare: Compare | None,
        report: Report | None,
        *,
        within: float,
        at_once: int,
    ) -> None:
        self._to = to
        self._runtime = runtime
        self._compare: Hook[[Operation[Any], Any, Any], Any] = Hook(
            compare or _equal, "Shadow", "compare"
        )
        self._report = None if report is None else Hook(report, "Shadow", "report")
        self._within = within
        self._at_once = at_once
        self.races = Races()
        self.closed = False
        self._skipped = 0
        self._running = 0
        self._sent = self._unjudged = 0
        self._ended: dict[str, int] = dict.fromkeys(("same", "different", "racy", "failed"), 0)

    def send(self, op: Operation[Any], answer: Any, watch: Watch) -> None:
        """Ask for *op* in the background and compare with *answer*; *watch* ends with it."""
        full = self.closed or self._running >= self._at_once or self in _asking.get()
        if full or _has_failed(answer) or not self._runtime.has_room():
            self.skip(watch)
            return
        self._running += 1
        self._sent += 1
        asking = (*_asking.get(), self)
        task = self._runtime.spawn(self._ask(op, answer, watch, asking), "shadow")
        task.add_done_callback(lambda _: self._end(watch))

    def skip(self, watch: Watch) -> None:
        """Count a read that is not sent."""
        self._skipped += 1
        self.races.forget(watch)

    def status(self) -> ShadowStatus:
        """Return what became of the reads."""
        raised = self._compare.raised + (0 if self._report is None else self._report.raised)
        return ShadowStatus(
            self._sent, **self._ended, unjudged=self._unjudged, skipped=self._skipped, raised=raised
        )

    def _end(self, watch: Watch) -> None:
        self._running -= 1
        self.races.forget(watch)

    async def _ask(
        self, op: Operation[Any], answer: Any, watch: Watch, asking: tuple[object, ...]
    ) -> None:
        _asking.set(asking)  # in a context of the task's own
        try:
            async with asyncio.timeout(self._within):
                theirs = await self._to.send(op)
        except Exception:  # it is the second stack's own, whatever it is
            self._tell(op, "failed")
            return
        if _has_failed(theirs):
            self._tell(op, "failed")
            return
        verdict = self._compare(_SILENT, op, answer, theirs)
        if verdict is True:
            self._ended["same"] += 1
        elif verdict is False:
            self._tell(op, "racy" if watch.racy else "different")
        else:
            self._unjudged += 1

    def _tell(self, op: Operation[Any], kind: Kind) -> None:
        self._ended[kind] += 1
        if self._report is not None:
            self._report(None, op.brief(), kind)


def _has_failed(answer: object) -> bool:
    """Tell whether an answer is that of a batch, and some item of it failed."""
    if not isinstance(answer, tuple):
        return False
    return any(isinstance(one, Failed) for one in cast("tuple[object, ...]", answer))


def _equal(op: Operation[Any], here: Any, there: Any) -> bool:
    """Compare two answers; of two pages what they hold: cursors are each store's own."""
    del op
    return bool(_held(here) == _held(there))


def _held(answer: Any) -> Any:
    return cast("Any", answer).items if isinstance(answer, Page) else answer
