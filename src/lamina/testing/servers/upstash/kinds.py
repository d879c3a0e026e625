"""The kinds of index, by the first segment of a path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lamina.index.kinds import Kind


@dataclass(frozen=True, slots=True)
class IndexKind:
    """What an index holds, and whether it turns text into vectors by itself."""

    name: str
    vectors: Kind
    embeds: bool = False


KINDS: Final = {
    kind.name: kind
    for kind in (
        IndexKind("dense", "dense"),
        IndexKind("sparse", "sparse"),
        IndexKind("hybrid", "hybrid"),
        IndexKind("embedding", "dense", embeds=True),
        IndexKind("hybrid-embedding", "hybrid", embeds=True),
        IndexKind("sparse-embedding", "sparse", embeds=True),
    )
}
