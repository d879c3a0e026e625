"""Send reads to a second stack too, and compare; callers never notice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

from lamina.layer import Layer, Sends
from lamina.layers.shadow.second import Compare, Report, Second
from lamina.operation import Operation
from lamina.options import check_hook, check_number, check_sends, check_whole

if TYPE_CHECKING:
    from lamina.layers.shadow.core import ShadowStatus
    from lamina.operation import Handler, Op, R
    from lamina.site import Site

_UNTAGGED: Final = Operation[Any].tags


@final
class Shadow(Layer):
    """Ask the stack *to* for the part *rate* of all reads as well, in the background; compare.

    Callers get this stack's answer at once, and never notice what *to* does: it is asked after
    them, without their deadline, *within* so many seconds, *at_once* at the most; what finds no
    room is skipped. Closing waits for those under way, within the runtime's grace time. Writes
    are not sent.

    *compare* gets operation, answer and the answer of *to*, and tells whether they are the same;
    by default they must be equal, of pages what they hold. *report* is told the brief of what
    was ``"different"`` or ``"failed"``, or is ``"racy"``: different, while what was read was
    written through this layer. Both are called inline, and what they raise is counted.

    Not asked are health checks, operations whose answer changes as time passes, and what goes on
    from a cursor of this store. The layer neither opens nor closes *to*.
    """

    slot = "shadow"

    def __init__(
        self,
        to: Sends,
        *,
        rate: float = 1.0,
        compare: Compare | None = None,
        report: Report | None = None,
        within: float = 5.0,
        at_once: int = 16,
    ) -> None:
        self.to = to
        self.rate = rate
        self.compare = compare
        self.report = report
        self.within = within
        self.at_once = at_once
        check_sends(self, "to")
        check_number(self, "rate", least=0, most=1)
        check_hook(self, "compare")
        check_hook(self, "report")
        check_number(self, "within", above=0)
        check_whole(self, "at_once", least=1)

    def setup(self, site: Site) -> None:
        self._chance = site.runtime.rng.random
        self._second = Second(
            self.to,
            site.runtime,
            self.compare,
            self.report,
            within=self.within,
            at_once=self.at_once,
        )

    def wants(self, op: type[Operation[Any]]) -> bool:
        tagged = op.tags is not _UNTAGGED  # no cache may keep the others either
        return self.rate > 0 and tagged and (op.writes or op in self.to.capabilities)

    def bind(self, op: type[Op], inner: Handler[Op, R], site: Site) -> Handler[Op, R]:
        return self._write(inner) if op.writes else super().bind(op, inner, site)

    async def around(self, op: Op, inner: Handler[Op, R]) -> R:
        if self._chance() >= self.rate or not op.portable():
            return await inner(op)
        second = self._second
        watch, answered = second.races.watch(op.tags()), False
        try:
            answer = await inner(op)
            answered = True
        finally:
            if not answered:
                second.skip(watch)
        second.send(op, answer, watch)
        return answer

    def status(self) -> ShadowStatus:
        """Return what became of the reads chosen since the stack was built."""
        return self._second.status()

    async def close(self) -> None:
        self._second.closed = True

    def _write(self, inner: Handler[Op, R]) -> Handler[Op, R]:
        races = self._second.races

        async def handler(op: Op) -> R:
            tags = op.tags()
            races.begin(tags)
            try:
                return await inner(op)
            finally:
                races.end(tags)

        return handler
