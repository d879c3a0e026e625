"""What the server is started with."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Final

from lamina.testing.servers.upstash.limits import NO_LIMIT, Limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.index.dense import Metric

METRICS: Final[dict[str, Metric]] = {
    "COSINE": "cosine",
    "EUCLIDEAN": "euclidean",
    "DOT_PRODUCT": "dot",
}


@dataclass(slots=True)
class Options:
    """Everything that the command line sets; see `parse`."""

    port: int
    token: str
    host: str = "127.0.0.1"
    read_only_token: str | None = None
    lag: float = 0.0
    """Seconds until queries and counts see a write."""
    stale_deletes: bool = False
    """Whether queries see what was deleted for as long."""
    filter_budget: int | None = None
    """How many of the nearest a filter is tried on; None is all."""
    missing_matches_not: bool = False
    """Whether NOT GLOB, NOT IN and NOT CONTAINS hold for a field that is not there."""
    rank_from_1: bool = False
    """Whether RRF counts ranks from 1; the service counts from 0."""
    sample_deviation: bool = False
    """Whether DBSF takes the sample's deviation."""
    dimension: int | None = None
    hybrid_dimension: int | None = None
    embedding_dimension: int | None = None
    dense_model: str | None = None
    metric: str = "COSINE"
    limits: Limits = field(default_factory=Limits)


def parse(argv: Sequence[str]) -> Options:
    """Return the options of a command line; exits with 2 and a usage if there is none such."""
    given = vars(_parser().parse_args(argv))
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
    add("--lag", type=float, default=0.0, help="seconds until queries see a write")
    add("--stale-deletes", action="store_true", help="deletes lag too")
    add("--filter-budget", type=int, help="how many of the nearest a filter is tried on")
    add("--missing-matches-not", action="store_true", help="NOT IN holds for missing fields")
    add("--rank-from-1", action="store_true", help="RRF counts ranks from 1")
    add("--sample-deviation", action="store_true", help="DBSF takes the sample's deviation")
    add("--dimension", type=int, help="of dense and hybrid; without it, the first vector's")
    add("--hybrid-dimension", type=int, help="of hybrid, if another")
    add("--embedding-dimension", type=int, help="of kinds that embed text")
    add("--dense-model", help="name that info gives to the dense embedding model")
    add("--metric", choices=list(METRICS), default="COSINE")
    add("--limits", action=argparse.BooleanOptionalAction, default=True)
    for each in fields(Limits):
        usual = "no limit" if each.default == NO_LIMIT else each.default
        add("--" + each.name.replace("_", "-"), type=int, help=f"default: {usual}")
    return parser
