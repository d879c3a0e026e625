"""Give each call one budget of time for all that it does."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, final

from lamina.context import Call, current
from lamina.errors import DeadlineExceeded
from lamina.layer import Layer
from lamina.layers.deadline.timed import Timed
from lamina.options import check_number

if TYPE_CHECKING:
    from lamina.operation import Handler, Op, Operation, R
    from lamina.plan import Worst
    from lamina.site import Site


class DeadlineStatus(NamedTuple):
    """What became of the calls: *refused* on arrival, *exceeded* below, answered *late* even so."""

    refused: int
    exceeded: int
    late: int


@final
class Deadline(Layer):
    """Let one call take *seconds* in all: attempts, the waits between them, queues.

    Where the caller's own ``lamina.call(deadline=...)`` ends sooner, that holds. Layers below see
    the moment in ``Call.deadline``: ``Timeout`` cuts an attempt short by it, and ``Cache``,
    ``Retry``, ``Hedge``, ``Throttle`` and ``Limit`` wait no longer. Where anything else may wait,
    or there is no ``Timeout``, calls that suspend share one timer of the loop; what has not given
    up by itself then is cancelled and waited for. So what takes long to clean up ends late; what
    answers in spite of it has its answer delivered, counted in ``status().late`` and told in
    ``Call.late``. What is being cancelled already, as an attempt cut short, has a second more.

    A cancellation by the caller wins over the deadline.

    Raises:
        DeadlineExceeded: The time was over; with ``sent="no"`` if it was so on arrival.
    """

    slot = "deadline"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        check_number(self, "seconds", above=0)

    def setup(self, site: Site) -> None:
        del site
        self._timed = Timed()
        self._refused = self._exceeded = 0

    def bind(self, op: type[Op], inner: Handler[Op, R], site: Site) -> Handler[Op, R]:
        del op
        runtime, seconds = site.runtime, self.seconds
        get, put = current.get, current.set  # looked up once: they are on every call's way
        if not site.is_bounded():
            inner = self._timed.around(inner)

        async def handler(op: Op) -> R:
            now = runtime.now()
            before = get()
            latest = now + seconds
            if before is None or before.deadline is None or before.deadline > latest:
                put(Call(latest, before))
            elif before.deadline <= now:
                raise self._refusal()
            try:
                return await inner(op)
            except DeadlineExceeded:
                self._exceeded += 1
                raise
            finally:
                put(before)

        return handler

    def worst(self, op: type[Operation[Any]], below: Worst) -> Worst:
        del op
        return replace(below, seconds=min(self.seconds, below.seconds or math.inf))

    def status(self) -> DeadlineStatus:
        """Return what it has done since the stack was built."""
        return DeadlineStatus(self._refused, self._exceeded, self._timed.late)

    async def close(self) -> None:
        self._timed.timers.close()

    def _refusal(self) -> DeadlineExceeded:
        self._refused += 1
        msg = "the deadline had passed before it was asked"
        return DeadlineExceeded(msg, layer="deadline", sent="no")
