"""What the server is started with."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.index.dense import Metric

KindName: TypeAlias = Literal["dense", "sparse", "hybrid", "embedding", "hybrid-embedding"]
METRICS: Final[dict[str, Metric]] = {
    "COSINE": "cosine",
    "EUCLIDEAN": "euclidean",
    "DOT_PRODUCT": "dot",
}
NO_LIMIT: Final = 1 << 60


@dataclass(slots=True)
class Limits:
    """How much of each the server takes; counts, or bytes of JSON where it says so."""

    max_upsert: int = 1000
    """Vectors in one upsert."""
    max_read: int = 1000
    """topK of a query, ids of a fetch, and how many an answer to a resumable query may add."""
    max_prefix: int = 1000
    """Vectors that a fetch by prefix gives."""
    max_range: int = 1000
    """Vectors in one page."""
    max_dimension: int = 3072
    max_metadata: int = 48 * 1024
    """Bytes of one vector's metadata."""
    max_data: int = 1024 * 1024
    """Bytes of one vector's data."""
    max_sparse: int = 1000
    """Non-zero numbers of a sparse vector."""
    max_resumable: int = 100
    """Resumable queries that are open in one index."""

    @classmethod
    def none(cls) -> Limits:
        """Return limits that are never met."""
        return cls(**{each.name: NO_LIMIT for each in fields(cls)})


@dataclass(slots=True)
class Options:
    """Everything that the command line sets; see `parse`."""

    port: int
    token: str
    host: str = "127.0.0.1"
    read_only_token: str | None = None
    lag: float = 0.0
    stale_deletes: bool = False
    filter_budget: int | None = None
    dimension: int | None = None
    metric: str = "COSINE"
    limits: Limits = field(default_factory=Limits)


def parse(argv: Sequence[str]) -> Options:
    """Return the options of a command line; exits with 2 and a usage if there is none such."""
    parser = _parser()
    given = vars(parser.parse_args(argv))
    limits = Limits() if given.pop("limits") else Limits.none()
    for each in fields(Limits):
        value = given.pop(each.name)
        if value is not None:
            setattr(limits, each.name, value)
    return Options(**given, limits=limits)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("upstash", description="Serve a local Upstash Vector.")
    add = parser.add_argument
    add("--port", type=int, required=True, help="TCP port; 0 takes a free one")
    add("--token", required=True, help="bearer token of every index")
    add("--host", default="127.0.0.1")
    add("--read-only-token", help="a token that may not write")
    add("--lag", type=float, default=0.0, help="seconds until a write is seen by queries")
    add("--stale-deletes", action="store_true", help="deletes and resets lag too")
    add("--filter-budget", type=int, help="vectors a filtered query looks at before it cuts")
    add("--dimension", type=int, help="of dense vectors; without it, the first vector's")
    add("--metric", choices=list(METRICS), default="COSINE")
    add("--limits", action=argparse.BooleanOptionalAction, default=True)
    for each in fields(Limits):
        add("--" + each.name.replace("_", "-"), type=int, help=f"default {each.default}")
    return parser
