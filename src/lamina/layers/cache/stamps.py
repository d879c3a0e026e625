"""Which operations below also tell when an answer expires."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, cast, get_type_hints

from lamina.operation import BatchOperation, Operation

if TYPE_CHECKING:
    from lamina.operation import Handler
    from lamina.site import Site

Kind: TypeAlias = "type[Operation[Any]]"
BatchKind: TypeAlias = "type[BatchOperation[Any]]"


def stamped_of(op: Kind, site: Site) -> Kind | None:
    """Return the type of ``op.stamped()``, as its annotation says, if it is served below."""
    if cast("Any", op).stamped is Operation[Any].stamped:
        return None
    told: Kind = get_type_hints(op.stamped)["return"]
    return told if told in site.capabilities else None


def batch_of(single: Kind | None, site: Site) -> tuple[BatchKind, Handler[Any, Any]] | None:
    """Return the batch read of *single* that is served below, and its handler."""
    for op in site.capabilities:
        batch: Any = op
        if issubclass(op, BatchOperation) and batch.single is single and not batch.writes:
            return batch, cast("Handler[Any, Any]", site.below(batch))
    return None
