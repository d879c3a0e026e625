"""Endpoints that write vectors: upsert, upsert-data, update."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from lamina.errors import Invalid
from lamina.index.spaces import check_length
from lamina.testing.servers.upstash.options import METRICS
from lamina.testing.servers.upstash.reading import Fields, objects
from lamina.testing.servers.upstash.record import Record
from lamina.testing.servers.upstash.refusals import (
    DENSE_NEEDED,
    NO_MODEL,
    SPARSE_NEEDED,
    Refused,
    wrong_dimension,
    wrong_input,
)
from lamina.testing.servers.upstash.shapes import is_object

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.testing.servers.upstash.embedding import Texts
    from lamina.testing.servers.upstash.index import Asked, Index
    from lamina.values import SparseVector, Vector

SUCCESS: Final = '"Success"'


def upsert(asked: Asked) -> str:
    """Write vectors in place of whole old ones, all or none."""
    items = _items(asked)
    _put(asked, [_given(asked.index, fields) for fields in items])
    return SUCCESS


def upsert_data(asked: Asked) -> str:
    """Embed texts and write what they give, all or none."""
    texts = model(asked.index)
    items = _items(asked)
    ids = [fields.id() for fields in items]
    metadatas = [fields.metadata() for fields in items]
    data = [fields.needed("data") for fields in items]
    embedded = texts.stored(data, asked.index.text_dimension)
    rows = zip(ids, embedded, metadatas, data, strict=True)
    _put(asked, [Record(key, *vectors, metadata, text) for key, vectors, metadata, text in rows])
    return SUCCESS


def update(asked: Asked) -> str:
    """Change parts of one record; an unknown one is told by 0."""
    fields, index = Fields(asked.body), asked.index
    key, vector, sparse = fields.id(), fields.vector(), fields.sparse()
    metadata, data = fields.metadata(), fields.text("data")
    mode = fields.word("metadataUpdateMode", ("OVERWRITE", "PATCH"))
    if vector is None and sparse is None and metadata is None and data is None:
        raise wrong_input()
    if vector is not None or sparse is not None:
        check_vectors(index, vector, sparse)
    space = asked.found
    old = None if space is None else space.records.by_id.get(key)
    if old is None:
        return '{"updated":0}'
    if data is not None and vector is None and sparse is None and index.texts is not None:
        ((vector, sparse),) = index.texts.stored([data], index.text_dimension)
    if metadata is not None and mode == "PATCH":
        metadata = cast("dict[str, Any]", merged(old.metadata or {}, metadata))
    new = Record(
        key,
        old.vector if vector is None else vector,
        old.sparse if sparse is None else sparse,
        old.metadata if metadata is None else metadata,
        old.data if data is None else data,
    )
    _put(asked, [new])
    return '{"updated":1}'


def model(index: Index) -> Texts:
    """Return what embeds texts for an index.

    Raises:
        Refused: It embeds none.
    """
    if index.texts is None:
        raise Refused(422, NO_MODEL)
    return index.texts


def check_vectors(index: Index, vector: Vector | None, sparse: SparseVector | None) -> None:
    """Refuse to store what the index does not hold; hybrid holds both."""
    kind = index.kind.vectors
    if kind != "sparse" and (vector is None or (kind == "dense" and sparse is not None)):
        raise Refused(422, DENSE_NEEDED)
    if kind != "dense" and (sparse is None or (kind == "sparse" and vector is not None)):
        raise Refused(422, SPARSE_NEEDED)
    if vector is not None:
        index.check(vector.dimension)
        try:
            check_length(vector, METRICS[index.metric])
        except Invalid as error:
            raise wrong_input() from error


def merged(old: object, patch: object) -> object:
    """Return *old* with a JSON Merge Patch (RFC 7396) applied."""
    if not is_object(patch):
        return patch
    new = {**old} if is_object(old) else {}
    for name, value in patch.items():
        if value is None:
            new.pop(name, None)
        else:
            new[name] = merged(new.get(name), value)
    return new


def _items(asked: Asked) -> list[Fields]:
    items = objects(asked.body)
    asked.limits.check_count("vectors in one upsert", len(items), "max_upsert")
    return items


def _given(index: Index, fields: Fields) -> Record:
    key, vector, sparse = fields.id(), fields.vector(), fields.sparse()
    check_vectors(index, vector, sparse)
    return Record(key, vector, sparse, fields.metadata(), fields.text("data"))


def _put(asked: Asked, records: Sequence[Record]) -> None:
    dimension = asked.index.dimension
    asked.limits.check_count("characters of a namespace", len(asked.namespace), "max_namespace")
    for record in records:
        asked.limits.check_record(record)
        if record.vector is not None:
            dimension = dimension or record.vector.dimension
            if record.vector.dimension != dimension:  # two in one upsert into an open index
                raise wrong_dimension(record.vector.dimension, dimension)
    if dimension is not None:
        asked.index.settle(dimension)
    asked.index.namespace(asked.namespace).put(records, asked.due)
