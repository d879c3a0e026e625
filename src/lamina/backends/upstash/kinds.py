"""What an index holds, and what it therefore cannot be given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from upstash_vector.types import SparseVector as Sparse

from lamina.errors import Invalid, Unsupported

if TYPE_CHECKING:
    from upstash_vector.types import InfoResult

    from lamina.domains.vectors import Nearest, NearestPage, Upsert
    from lamina.values import SparseVector

_METRICS: Final = {"COSINE": "cosine", "EUCLIDEAN": "euclidean", "DOT_PRODUCT": "dot"}
_NO_MODEL: Final = "this index has no model to embed text: give a vector"


class Facts(NamedTuple):
    """What ``info`` tells of an index."""

    kind: Literal["dense", "sparse", "hybrid"]
    dimension: int | None
    metric: str
    embedder: str | None


def facts_of(info: InfoResult) -> Facts:
    """Return what an index is."""
    dense, sparse = info.dense_index, info.sparse_index
    models = [part.embedding_model for part in (dense, sparse) if part is not None]
    embedder = next(filter(None, models), None)
    if dense is None and sparse is not None:
        return Facts("sparse", None, "dot", embedder)
    metric = _METRICS[info.similarity_function]
    return Facts("hybrid" if sparse is not None else "dense", info.dimension, metric, embedder)


def check_record(facts: Facts, op: Upsert) -> None:
    """Refuse a record that the index cannot hold.

    Raises:
        Invalid: It has neither vector nor text.
        Unsupported: The index holds other vectors, or embeds no text.
    """
    if op.vector is None and op.sparse is None:
        _check_text(facts, op.text, what="a record")
    elif facts.kind == "hybrid" and (op.vector is None or op.sparse is None):
        msg = "each record of this index has a dense and a sparse vector: give both"
        raise Unsupported(msg)
    else:
        _check_vectors(facts, op)


def asked(facts: Facts, op: Nearest | NearestPage) -> dict[str, Any]:
    """Return what the SDK is to look for.

    Raises:
        Invalid: Neither vector nor text is given.
        Unsupported: The index holds other vectors, or embeds no text.
    """
    if op.vector is None and op.sparse is None:
        _check_text(facts, op.text, what="a query")
        return {"data": op.text}
    _check_vectors(facts, op)
    dense = {} if op.vector is None else {"vector": [*op.vector.numbers()]}
    return dense if op.sparse is None else dense | {"sparse_vector": sparse_of(op.sparse)}


def sparse_of(vector: SparseVector) -> Sparse:
    """Return a sparse vector of the SDK's."""
    return Sparse([*vector.indices], [*vector.values])


def _check_text(facts: Facts, text: str | None, *, what: str) -> None:
    if text is None:
        msg = f"{what} needs a vector or a text"
        raise Invalid(msg)
    if facts.embedder is None:
        raise Unsupported(_NO_MODEL)


def _check_vectors(facts: Facts, op: Upsert | Nearest | NearestPage) -> None:
    unwanted = {"dense": op.sparse, "sparse": op.vector, "hybrid": None}[facts.kind]
    if unwanted is not None:
        msg = f"this index holds {facts.kind} vectors only"
        raise Unsupported(msg)
