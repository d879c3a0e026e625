"""What is kept of each operation type, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lamina.layers.cache.second.coders import Coder, Unstorable
from lamina.layers.cache.second.frame import mark_of
from lamina.layers.cache.second.shapes import answer_type, coder_of

if TYPE_CHECKING:
    from lamina.layers.cache.second.names import Names
    from lamina.operation import Operation

LARGEST: Final = 1024 * 1024
"""Bytes of one answer; a larger one is not kept, for it would hold up what is asked with it."""


class Kind(NamedTuple):
    """How the answers of one operation type are kept; *mark* stands for what they look like."""

    coder: Coder
    mark: bytes


class Wanted(NamedTuple):
    """One operation as the tier knows it; *gens* are the keys of its generations."""

    op: Operation[Any]
    kind: Kind
    digest: bytes
    key: str
    gens: tuple[str, ...]


def kind_of(op: type[Operation[Any]]) -> Kind | None:
    """Return how answers of *op* are kept, None if they are not.

    Another program's answers have another mark, unless their operation and its answer are alike
    to the last field.
    """
    try:
        coder = coder_of(answer_type(op))
    except Exception:  # an annotation may be anything
        return None
    fields = ",".join(getattr(op, "__dataclass_fields__", ()))
    return Kind(coder, mark_of(f"{op.__module__}.{op.__qualname__}({fields})->{coder.shape}"))


def wanted(op: Operation[Any], kind: Kind, names: Names) -> Wanted | None:
    """Return what to look for, None if an argument cannot be told."""
    try:
        digest = names.digest(op)
    except Unstorable:
        return None
    gens = (names.scope(op.scope), *names.tags(op.tags()))
    return Wanted(op, kind, digest, names.entry(op, digest), gens)
