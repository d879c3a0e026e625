"""Send what is asked at the same time as one batch."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast, final

from lamina.batches import AT_ONCE
from lamina.layer import Layer
from lamina.layers.batch.asking import Asker
from lamina.layers.batch.core import BatchStatus, Bounds
from lamina.layers.batch.handlers import reader, writer
from lamina.layers.batch.kinds import kinds
from lamina.layers.batch.sender import Sender
from lamina.options import check_number, check_whole

if TYPE_CHECKING:
    from lamina.layers.batch.kinds import Kind, Single
    from lamina.operation import Handler, Op, Operation, R
    from lamina.plan import Worst
    from lamina.site import Site

_MIB: Final = 1024 * 1024


@final
class Batch(Layer):
    """Send concurrent reads as one, and writes where the backend has a batch of its own.

    A call passes at once, as it is, while nothing of its group is pending or under way. Others are
    gathered until the end of this turn of the loop, or for *wait* seconds, but sent once there are
    *max_items* of them, or content of *max_bytes*, and while each has half of its time left.
    What is sent together has one scope and the same options. Writes of one key keep their order,
    and are never under way together. A write that must not be repeated is not gathered.

    A batch runs in a task of its own until the latest deadline of its callers; each leaves at its
    own, or when cancelled, and leaves the others alone; when the last has left, it is cancelled.
    Where a batch fails for good, its items are asked one by one, if that is safe.

    Raises:
        DeadlineExceeded: The caller's own budget ended; nothing was sent if ``sent`` is "no".
        Corrupt: There were fewer answers than items.
    """

    slot = "batch"
    repeats = True  # several calls are one attempt
    _kinds: dict[Single, Kind] | None = None  # it stands in no stack

    def __init__(
        self, *, wait: float = 0.0, max_items: int = 500, max_bytes: int = 8 * _MIB
    ) -> None:
        self.wait = wait
        self.max_items = max_items
        self.max_bytes = max_bytes
        check_number(self, "wait", least=0)
        check_whole(self, "max_items", least=2)
        check_whole(self, "max_bytes", least=1)

    def setup(self, site: Site) -> None:
        self._kinds = kinds(site.capabilities)
        self._senders: dict[Single, Sender] = {}

    def wants(self, op: type[Operation[Any]]) -> bool:
        return op.idempotent if self._kinds is None else op in self._kinds

    def bind(self, op: type[Op], inner: Handler[Op, R], site: Site) -> Handler[Op, R]:
        kind = (self._kinds or {})[op]
        many = cast("Handler[Any, Any]", site.below(kind.many))
        items = min(self.max_items, kind.many.limit)
        bounds = Bounds(items, self.max_bytes, self.wait)
        asker = Asker(kind, inner, many, site.runtime)
        sender = self._senders[op] = Sender(kind, bounds, asker, site.runtime, site.common.ended)
        made = writer if op.writes else reader
        return cast("Handler[Op, R]", made(sender, kind, inner))

    def worst(self, op: type[Operation[Any]], below: Worst) -> Worst:
        if not self.wants(op):
            return below
        if below.seconds is None or op.writes:  # it may wait for others of the same key
            return replace(below, attempts=2 * below.attempts, seconds=None)
        turns = 1 + math.ceil(self.max_items / AT_ONCE)
        seconds = self.wait + turns * below.seconds
        return replace(below, attempts=2 * below.attempts, seconds=seconds)

    async def close(self) -> None:
        for sender in self._senders.values():
            sender.close()

    def status(self) -> BatchStatus:
        """Tell what it has done since the stack was built."""
        told = [sender.status() for sender in self._senders.values()]
        columns = list(zip(*told, strict=True)) or [(0,)] * len(BatchStatus._fields)
        made = BatchStatus(*map(sum, columns))
        return made._replace(largest=max((one.largest for one in told), default=0))
