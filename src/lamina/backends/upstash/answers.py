"""What the SDK found, as the domain's records and matches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lamina.backends.upstash.failures import FAILURES
from lamina.domains.vectors import Match, Record
from lamina.errors import Invalid
from lamina.values import FrozenDict, SparseVector, Vector, freeze

if TYPE_CHECKING:
    from collections.abc import Iterable

    from upstash_vector.types import FetchResult, QueryResult

    from lamina.filters import Filter

_NO_METADATA: Final = FrozenDict()


def record_of(found: FetchResult) -> Record:
    """Return a record.

    Raises:
        Corrupt: Its vector is none.
    """
    dense: Any = found.vector
    sparse: Any = found.sparse_vector
    try:
        vector = None if dense is None else Vector.of(dense)
        pairs = sparse and SparseVector(tuple(sparse.indices), tuple(sparse.values))
    except Invalid as error:
        raise FAILURES["no json"].error() from error
    return Record(_text(found.id), vector, pairs, _data(found.data), metadata_of(found))


def matches_of(found: Iterable[QueryResult], where: Filter | None) -> list[Match]:
    """Return those that meet the filter, in order."""
    made = [
        Match(_text(one.id), one.score + 0.0, _data(one.data), metadata_of(one)) for one in found
    ]
    return made if where is None else [one for one in made if where.matches(one.metadata)]


def metadata_of(found: Any) -> FrozenDict:
    """Return what was found with a record, frozen; none is empty."""
    given = found.metadata
    if given is None:
        return _NO_METADATA
    frozen: Any = freeze(given)
    if not isinstance(frozen, FrozenDict):
        raise TypeError
    return frozen


def _text(told: object) -> str:
    if not isinstance(told, str):
        raise TypeError
    return told


def _data(told: object) -> str | None:
    return None if told is None else _text(told)
