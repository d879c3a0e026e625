"""The handler of one operation type, whose calls are hedged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from lamina.errors import StorageError
from lamina.layers.hedge.race import Race
from lamina.layers.hedge.verdict import passing
from lamina.operation import Batch
from lamina.timers import resumed

if TYPE_CHECKING:
    from lamina.layers.hedge.sender import Kind, Sender
    from lamina.operation import Handler, Op, R


def hedged(sender: Sender, kind: Kind, op: type[Op], inner: Handler[Op, R]) -> Handler[Op, R]:
    """Return a handler around *inner*; while its calls do not suspend, they make no task."""
    load, learned = sender.load, kind.learned
    batch, writes = issubclass(op, Batch), op.writes

    async def handler(op: Op) -> R:
        load.calls += 1
        if writes and not op.repeatable():
            return await inner(op)
        if kind.suspends is not False:
            return cast("R", await Race(sender, kind, op, inner).run())
        error: StorageError | None = None
        answer: Any = None
        primary = inner(op)
        try:
            waits_for = primary.send(None)
        except StopIteration as answered:
            if not (batch and passing(op, answered.value)):
                learned.instant += 1
                return cast("R", answered.value)
            answer = answered.value
        except StorageError as failed:
            error = failed
        else:
            kind.suspends = True
            return cast("R", await resumed(primary, waits_for))
        return cast("R", await Race(sender, kind, op, inner).run_after(error, answer))

    return handler
