"""The handler of one operation type, whose calls are hedged."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from lamina.errors import StorageError
from lamina.layers.hedge.race import Race
from lamina.layers.hedge.verdict import passing
from lamina.operation import BatchOperation
from lamina.timers import resumed

if TYPE_CHECKING:
    from lamina.layers.hedge.sender import Kind, Sender
    from lamina.operation import Handler, Op, R


def hedged(sender: Sender, kind: Kind, op: type[Op], inner: Handler[Op, R]) -> Handler[Op, R]:
    """Return a handler around *inner*; while its calls do not suspend, they make no task."""
    load, learned = sender.load, kind.learned
    batch, writes = issubclass(op, BatchOperation), op.writes

    async def handler(op: Op) -> R:
        if writes and not op.repeatable():
            return await inner(op)
        if kind.suspends is not False:
            return cast("R", await Race(sender, kind, op, inner).sent().decided())
        primary = inner(op)
        try:
            waits_for = primary.send(None)
        except StopIteration as answered:
            if not (batch and passing(op, answered.value)):
                learned.instant += 1
                load.calls += 1
                return cast("R", answered.value)
            race = Race(sender, kind, op, inner).after(None, answered.value)
        except StorageError as failed:
            race = Race(sender, kind, op, inner).after(failed, None)
        else:
            kind.suspends = True
            return cast("R", await resumed(primary, waits_for))
        return cast("R", await race.decided())

    return handler
