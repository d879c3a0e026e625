"""Which batch stands for an operation, and what its items have in common."""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from lamina.operation import BatchOperation, Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from lamina.capabilities import Capabilities

Single: TypeAlias = "type[Operation[Any]]"
Many: TypeAlias = "type[BatchOperation[Any]]"


class Kind(NamedTuple):
    """A type of operation, the batch that stands for several, and what is asked of each one."""

    single: Single
    many: Many
    options: Callable[[Any], Hashable]
    """What the items of one batch must have in common."""
    target: Callable[[Any], Hashable]
    """What no two items of a batch may write."""
    content: tuple[str, ...]
    """The fields whose sizes count."""

    def size(self, op: Any) -> int:
        """Return how large the content is, in bytes; about, where it is text."""
        return sum(_size(getattr(op, name)) for name in self.content)


def kinds(served: Capabilities) -> dict[Single, Kind]:
    """Return what can be gathered, by the type of one: reads, and writes safe to repeat.

    Writes only where the backend has a batch of its own: else nothing is gained.
    """
    found: dict[Single, Kind] = {}
    for op in served:
        if not issubclass(op, BatchOperation):
            continue
        many: Many = op  # pyright: ignore[reportUnknownVariableType]  # of items of any type
        single = many.single
        owned = not served.offers(many, "emulated")
        if single in served and (not single.writes or (single.idempotent and owned)):
            found[single] = _kind(many)
    return found


def _kind(many: Many) -> Kind:
    single = many.single
    names = {field.name for field in fields(many)}
    common = [field.name for field in fields(single) if field.name in names]
    target = attrgetter("scope", *filter(None, [single.target_field]))
    content = tuple(single.content_fields)
    return Kind(single, many, attrgetter(*common), target, content)


def _size(value: Any) -> int:
    data = getattr(value, "data", value)
    return len(data) if isinstance(data, bytes | str) else 0
