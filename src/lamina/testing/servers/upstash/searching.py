"""Read a query, and find the nearest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from lamina.errors import Invalid
from lamina.testing.servers.upstash.embedding import Embedded
from lamina.testing.servers.upstash.filtering import condition
from lamina.testing.servers.upstash.refusals import (
    DENSE_NEEDED,
    SPARSE_NEEDED,
    Refused,
    wrong_input,
)
from lamina.testing.servers.upstash.writes import model

if TYPE_CHECKING:
    from lamina.index import Hit
    from lamina.index.fuse import Fusion
    from lamina.testing.servers.upstash.filtering import Condition
    from lamina.testing.servers.upstash.index import Asked, Index
    from lamina.testing.servers.upstash.namespace import Namespace
    from lamina.testing.servers.upstash.options import Options
    from lamina.testing.servers.upstash.reading import Fields
    from lamina.testing.servers.upstash.record import Include

_FUSIONS: Final = ("RRF", "DBSF")


class Question(NamedTuple):
    """One query, read and checked."""

    near: Embedded
    top_k: int
    include: Include
    where: Condition | None
    weighting: Literal["idf"] | None
    fusion: Fusion


def question(asked: Asked, fields: Fields, *, embeds: bool) -> Question:
    """Return what a query asks for; *embeds*: by a text in place of vectors."""
    near = _embedded(asked.index, fields) if embeds else _vectors(asked.index, fields)
    top_k = fields.count("topK", 10)
    if top_k < 1:
        raise wrong_input()
    asked.limits.check_count("topK", top_k, "max_read")
    where = filtered(asked, fields)
    weighting = fields.word("weightingStrategy", ("IDF",))
    fusion = fields.word("fusionAlgorithm", _FUSIONS) or "RRF"
    return Question(
        near,
        top_k,
        fields.include(),
        where,
        "idf" if weighting else None,
        _fusion(fusion, asked.options),
    )


def filtered(asked: Asked, fields: Fields) -> Condition | None:
    """Return the filter of a query or a delete; an empty one is none."""
    text = fields.text("filter")
    if not text:
        return None
    asked.limits.check_count("characters of a filter", len(text), "max_filter")
    switch = asked.options.missing_matches_not
    return condition(text, missing_matches_not=switch, most_in=asked.limits.max_in)


def nearest(asked: Asked, space: Namespace, wanted: Question, top_k: int) -> list[Hit]:
    """Return what queries see as nearest, best first."""
    seen, where, budget = space.seen, wanted.where, asked.options.filter_budget
    seen.follow(asked.now)
    shown, among, most = seen.shown, None, top_k
    if where is not None and budget is None:
        among = [
            each.id for each in shown.values() if each.metadata is not None and where(each.metadata)
        ]
    elif where is not None:
        most = max(budget or 0, top_k)
    hits = _search(space, wanted, most, among)
    if where is not None and among is None:
        hits = [hit for hit in hits if (had := shown[hit.id].metadata) is not None and where(had)]
    return hits[:top_k]


def _fusion(name: str, options: Options) -> Fusion:
    if name == "RRF":
        return "rrf-from-1" if options.rank_from_1 else "rrf"
    return "dbsf-of-sample" if options.sample_deviation else "dbsf"


def _search(space: Namespace, wanted: Question, top_k: int, among: list[str] | None) -> list[Hit]:
    vector, sparse = wanted.near
    try:
        return space.seen.index.search(
            vector,
            sparse,
            top_k,
            among=among,
            weighting=wanted.weighting,
            fusion=wanted.fusion,
        )
    except Invalid as error:
        raise wrong_input() from error  # a length beyond what the metric can take


def _vectors(index: Index, fields: Fields) -> Embedded:
    vector, sparse, kind = fields.vector(), fields.sparse(), index.kind.vectors
    if kind == "dense" and (vector is None or sparse is not None):
        raise Refused(422, DENSE_NEEDED)
    if kind == "sparse" and (sparse is None or vector is not None):
        raise Refused(422, SPARSE_NEEDED)
    if vector is None and sparse is None:
        raise Refused(422, DENSE_NEEDED)
    if vector is not None:
        index.check(vector.dimension)
    return Embedded(vector, sparse)


def _embedded(index: Index, fields: Fields) -> Embedded:
    texts, kind = model(index), index.kind.vectors
    data = fields.needed("data")
    mode = fields.word("queryMode", ("HYBRID", "DENSE", "SPARSE")) or "HYBRID"
    if kind != "hybrid":  # there is only one way
        mode = "DENSE" if kind == "dense" else "SPARSE"
    size = index.text_dimension
    return texts.asked(data, size, dense=mode != "SPARSE", sparse=mode != "DENSE")
