"""Endpoints about the index as a whole: info, stats and list-namespaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lamina.testing.servers.upstash.embedding import SPARSE_MODEL, dense_model
from lamina.testing.servers.upstash.record import dumped

if TYPE_CHECKING:
    from lamina.testing.servers.upstash.index import Asked

OPEN_DIMENSION: Final = 2
"""What `info` says while no vector has decided."""


def info(asked: Asked) -> str:
    """Return counts, sizes and what the index is made of."""
    counts, spaces = _counted(asked)
    return dumped(counts | _made_of(asked) | {"namespaces": spaces})


def stats(asked: Asked) -> str:
    """Return the counts alone, as clients asked for them before there was `info`."""
    counts, _ = _counted(asked)
    return dumped(counts)


def list_namespaces(asked: Asked) -> str:
    """Return the names of all namespaces, the default one first."""
    return dumped(list(asked.index.namespaces))


def _counted(asked: Asked) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    index = asked.index
    spaces: dict[str, dict[str, int]] = {}
    for name, space in index.namespaces.items():
        space.seen.follow(asked.now)
        counts = {"vectorCount": len(space.seen.shown), "pendingVectorCount": space.seen.pending}
        spaces[name] = counts
    total = {
        count: sum(each[count] for each in spaces.values())
        for count in ("vectorCount", "pendingVectorCount")
    }
    total["indexSize"] = sum(space.records.size for space in index.namespaces.values())
    return total, spaces


def _made_of(asked: Asked) -> dict[str, Any]:
    index, kind = asked.index, asked.index.kind.vectors
    dense: dict[str, Any] = {"dimension": 0, "similarityFunction": ""}
    if kind != "sparse":
        usual = index.text_dimension if index.kind.embeds else OPEN_DIMENSION
        dense["dimension"] = index.dimension or usual
        dense["similarityFunction"] = index.metric
    made = dense | {"indexType": kind.upper()}
    embeds = index.kind.embeds
    if kind != "sparse":
        name = (asked.options.dense_model or dense_model()) if embeds else ""
        made["denseIndex"] = dense | {"embeddingModel": name}
    if kind != "dense":
        made["sparseIndex"] = {"embeddingModel": SPARSE_MODEL if embeds else ""}
    return made
