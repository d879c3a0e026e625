"""Endpoints about the index as a whole: info and namespaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.testing.servers.upstash.record import dumped

if TYPE_CHECKING:
    from lamina.testing.servers.upstash.index import Asked, Index

OPEN_DIMENSION = 2
"""What `info` says while no vector has decided."""


def info(asked: Asked) -> str:
    """Return counts, sizes and what the index is made of."""
    index = asked.index
    spaces: dict[str, dict[str, int]] = {}
    for name, space in index.namespaces.items():
        space.seen.follow(asked.now)
        counts = {"vectorCount": len(space.seen.shown), "pendingVectorCount": space.seen.pending}
        spaces[name] = counts
    answer: dict[str, Any] = {
        count: sum(each[count] for each in spaces.values())
        for count in ("vectorCount", "pendingVectorCount")
    }
    answer["indexSize"] = sum(space.records.size for space in index.namespaces.values())
    return dumped(answer | _made_of(index) | {"namespaces": spaces})


def _made_of(index: Index) -> dict[str, Any]:
    kind = index.kind.vectors
    dimension = 0 if kind == "sparse" else index.dimension or OPEN_DIMENSION
    metric = "" if kind == "sparse" else index.metric
    made: dict[str, Any] = {"dimension": dimension, "similarityFunction": metric}
    made["indexType"] = kind.upper()
    if kind != "sparse":
        made["denseIndex"] = {**made, "embeddingModel": ""}
        del made["denseIndex"]["indexType"]
    if kind != "dense":
        made["sparseIndex"] = {"embeddingModel": ""}
    return made


def list_namespaces(asked: Asked) -> str:
    """Return the names of all namespaces."""
    return dumped(list(asked.index.namespaces))
