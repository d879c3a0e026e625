"""Endpoints that write: upsert, delete, reset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.testing.servers.upstash.reading import Fields, objects
from lamina.testing.servers.upstash.record import Record
from lamina.testing.servers.upstash.refusals import (
    BOTH_NEEDED,
    DENSE_NEEDED,
    SPARSE_NEEDED,
    Refused,
)

if TYPE_CHECKING:
    from lamina.testing.servers.upstash.index import Asked, Index
    from lamina.values import SparseVector, Vector

SUCCESS = '"Success"'


def upsert(asked: Asked) -> str:
    """Write vectors in place of whole old ones, all or none."""
    records = [_record(asked.index, fields) for fields in objects(asked.body)]
    asked.index.namespace(asked.namespace).put(records, asked.due)
    return SUCCESS


def _record(index: Index, fields: Fields) -> Record:
    key = fields.id()
    vector, sparse = fields.vector(), fields.sparse()
    check_written(index, vector, sparse)
    return Record(key, vector, sparse, fields.metadata(), fields.text("data"))


def check_written(index: Index, vector: Vector | None, sparse: SparseVector | None) -> None:
    """Refuse vectors that the index does not hold."""
    kind = index.kind.vectors
    if kind == "hybrid" and (vector is None or sparse is None):
        raise Refused(422, BOTH_NEEDED)
    if kind == "dense" and (vector is None or sparse is not None):
        raise Refused(422, DENSE_NEEDED)
    if kind == "sparse" and (sparse is None or vector is not None):
        raise Refused(422, SPARSE_NEEDED)
    if vector is not None:
        index.expect(vector.dimension)


def delete(asked: Asked) -> str:
    """Delete by ids, prefix or filter."""
    fields = Fields({"ids": asked.body} if isinstance(asked.body, list) else asked.body)
    if sum(name in fields for name in ("ids", "prefix", "filter")) != 1:
        msg = "Only and only one of the ids, prefix, or filter must be provided."
        raise Refused(400, msg)
    space = asked.found
    if space is None:
        return '{"deleted":0}'
    ids = fields.ids()
    if ids is None:
        prefix = fields.text("prefix") or ""
        ids = [record.id for record in space.records.since(0, prefix)]
    return f'{{"deleted":{space.drop(ids, asked.drop_due)}}}'


def reset(asked: Asked) -> str:
    """Empty one namespace or all; they stay."""
    names = list(asked.index.namespaces) if asked.everything else [asked.namespace]
    for name in names:
        space = asked.index.namespaces.get(name)
        if space is not None:
            space.clear(asked.drop_due)
    return SUCCESS
