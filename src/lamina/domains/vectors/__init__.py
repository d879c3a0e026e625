"""Vectors: records found by nearness of meaning, with metadata and namespaces."""

from lamina.domains.vectors.batches import FetchMany, NearestMany, UpsertMany
from lamina.domains.vectors.facade import Given, Vectors, VectorsBackend
from lamina.domains.vectors.operations import (
    Drop,
    DropWhere,
    Fetch,
    IndexInfo,
    Info,
    ListIds,
    Match,
    Namespaces,
    Nearest,
    NearestPage,
    Record,
    Upsert,
)

__all__ = [
    "Drop",
    "DropWhere",
    "Fetch",
    "FetchMany",
    "Given",
    "IndexInfo",
    "Info",
    "ListIds",
    "Match",
    "Namespaces",
    "Nearest",
    "NearestMany",
    "NearestPage",
    "Record",
    "Upsert",
    "UpsertMany",
    "Vectors",
    "VectorsBackend",
]
