"""The control API: ``POST /_control`` with JSON changes settings, ``GET`` tells them.

No token is needed. All fields are optional; what is left out stays as it is::

    {"lag": 0.3, "stale_deletes": true, "filter_budget": 100, "missing_matches_not": true,
     "rank_from_1": true, "sample_deviation": true,
     "limits": {"max_upsert": 100} or null for none,
     "indexes": {"dense~a": {"dimension": 3, "metric": "EUCLIDEAN"}, "dense~b": null},
     "faults": [{"times": 2, "endpoint": "query", "index": "dense~a", "delay": 0.5,
                 "after": true, "hang": true, "reset": true,
                 "status": 429, "body": "{}", "headers": {"Retry-After": "2"}}],
     "counts": {}}

*indexes* makes empty indexes with a dimension (null: the first vector's) and a metric of their
own, in place of old ones; null forgets an index. *faults* replaces the faults still to come, see
`Fault`. ``"counts": {}`` begins to count anew. The answer is what ``GET`` gives: settings, faults
still to come, and how many requests each endpoint got, refused ones too.
"""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from lamina.testing.servers.upstash.faults import Fault
from lamina.testing.servers.upstash.limits import Limits
from lamina.testing.servers.upstash.options import METRICS
from lamina.testing.servers.upstash.refusals import Refused
from lamina.testing.servers.upstash.shapes import is_list, is_object

if TYPE_CHECKING:
    from lamina.testing.servers.upstash.indexes import Indexes
    from lamina.testing.servers.upstash.options import Options
    from lamina.testing.servers.upstash.state import State

T = TypeVar("T")

_SWITCHES: Final[dict[str, type[object]]] = {
    "lag": float,
    "stale_deletes": bool,
    "filter_budget": int,
    "missing_matches_not": bool,
    "rank_from_1": bool,
    "sample_deviation": bool,
}
_KNOWN: Final = {*_SWITCHES, "limits", "indexes", "faults", "counts"}
_NULLABLE: Final[dict[str, type[object]]] = {"status": int, "endpoint": str, "index": str}


def change(state: State, wanted: object) -> None:
    """Change what *wanted* names, all or nothing.

    Raises:
        Refused: A field is unknown or of another shape.
    """
    given = _object(wanted)
    if unknown := given.keys() - _KNOWN:
        raise Refused(400, f"no such setting: {min(unknown)}")
    options = _options(state.options, given)
    faults = [_made(Fault(), _object(each)) for each in _list(given.get("faults", []))]
    indexes = _object(given.get("indexes", {}))
    for name, made in indexes.items():
        _check_index(state.indexes, name, made)
    state.options = options
    if "faults" in given:
        state.faults.coming = faults
    if "counts" in given:
        state.counts.clear()
    for name, made in indexes.items():
        state.indexes.forget(name)
        if made is not None:
            state.indexes.make(name, **made)


def told(state: State) -> dict[str, Any]:
    """Return settings, faults still to come and counts."""
    options = state.options
    return {name: getattr(options, name) for name in _SWITCHES} | {
        "limits": asdict(options.limits),
        "indexes": state.indexes.names(),
        "faults": [asdict(fault) for fault in state.faults.coming],
        "counts": dict(state.counts),
    }


def _options(options: Options, given: dict[str, Any]) -> Options:
    limits = options.limits
    if "limits" in given:
        wanted = given["limits"]
        limits = Limits.none() if wanted is None else _made(replace(limits), _object(wanted))
    switches = {name: value for name, value in given.items() if name in _SWITCHES}
    for name, value in switches.items():
        if name != "filter_budget" or value is not None:
            _check(_SWITCHES[name], name, value)
    return replace(options, limits=limits, **switches)


def _made(made: T, given: dict[str, Any]) -> T:
    """Return *made*, a dataclass, with the fields that are given."""
    usual: dict[str, object] = {
        each.name: getattr(made, each.name) for each in fields(cast("Any", made))
    }
    for name, value in given.items():
        if name not in usual:
            raise Refused(400, f"no such setting: {name}")
        _check(_NULLABLE.get(name, type(usual[name])), name, value)
        setattr(made, name, value)
    return made


def _check(kind: type[object], name: str, value: object) -> None:
    kinds = (int, float) if kind is float else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and kind is not bool):
        raise Refused(400, f"{name} has the wrong type")


def _check_index(indexes: Indexes, name: str, made: object) -> None:
    indexes.check_name(name)
    if made is None:
        return
    given = _object(made)
    if given.keys() - {"dimension", "metric"}:
        raise Refused(400, f"{name} takes dimension and metric")
    if given.get("dimension") is not None:
        _check(int, "dimension", given["dimension"])
        if given["dimension"] < 1:
            raise Refused(400, "dimension is at least 1")
    if given.get("metric", "COSINE") not in METRICS:
        raise Refused(400, f"metric is one of {', '.join(METRICS)}")


def _object(value: object) -> dict[str, Any]:
    if not is_object(value):
        raise Refused(400, "expected an object")
    return value


def _list(value: object) -> list[Any]:
    if not is_list(value):
        raise Refused(400, "faults is a list")
    return value
