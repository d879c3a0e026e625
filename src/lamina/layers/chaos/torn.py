"""Operations of which only a part is carried out."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, cast

from lamina.operation import BatchOperation, Operation

if TYPE_CHECKING:
    from random import Random


def may_tear(op: type[Operation[Any]]) -> bool:
    """Tell whether a part of such an operation may be carried out, the rest not.

    That is a batch of writes, and a write of content that is repaired by writing it again. What
    has a condition, adds to what is there, or is settled, has to be whole or nothing.
    """
    if not op.writes:
        return False
    if issubclass(op, BatchOperation):
        return True
    settled = cast("Any", op).settle is not cast("Any", Operation).settle
    return op.idempotent and not settled and bool(op.content_fields)


def part_of(op: Operation[Any], rng: Random) -> Operation[Any] | None:
    """Return the part of *op* that arrives, None if it has no parts.

    Of a batch some of the first items, at least one; of a write the beginning of its content,
    which may be nothing.
    """
    if isinstance(op, BatchOperation):
        batch = cast("Any", op)
        singles: tuple[Operation[Any], ...] = batch.singles()
        if len(singles) < 2:  # one item arrives or does not
            return None
        part: Operation[Any] = batch.gather(singles[: rng.randrange(1, len(singles))])
        return part
    for name in sorted(type(op).content_fields):
        content = getattr(op, name)
        if isinstance(content, bytes | str) and content:
            cut = content[: rng.randrange(len(content))]
            return cast("Operation[Any]", dataclasses.replace(cast("Any", op), **{name: cut}))
    return None
