"""Which handler an operation type gets, and what a cache tells of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.layers.cache.many import ManyReader
from lamina.layers.cache.reads import Reader
from lamina.layers.cache.stamps import batch_of, stamped_of
from lamina.layers.cache.stats import CacheStats, OperationStats
from lamina.layers.cache.writes import writer
from lamina.operation import Batch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.capabilities import Serves
    from lamina.layers.cache.core import Core
    from lamina.layers.cache.fills import Fills
    from lamina.operation import Handler, Operation
    from lamina.site import Site


def bound(op: Any, inner: Handler[Any, Any], site: Site, fills: Fills) -> Handler[Any, Any]:
    """Return the handler of one operation type that is wanted."""
    core = fills.core
    if op.writes:
        return writer(core, inner, site.runtime, batch=issubclass(op, Batch))
    single = op.single if issubclass(op, Batch) else op
    table, stamp = core.table(single), stamped_of(single, site)
    table.lags |= _lag(site.capabilities[op]) > 0
    if issubclass(op, Batch):
        below = None if stamp is None else batch_of(stamp, site)
        return ManyReader(fills, table, inner, below, keep=stamp is None).answer
    told = None if stamp is None else site.below(stamp)
    return Reader(fills, table, inner, told).handler()


def lag_of(site: Site) -> float:
    """Return for how many seconds after a write searches below may miss it."""
    return max(map(_lag, site.capabilities.values()), default=0.0)


def _lag(how: Serves) -> float:
    return how.limits.get("search_lag", 0.0)


def stats_of(core: Core) -> CacheStats:
    """Return what a cache has done so far and what it holds."""
    operations = {op.__name__: table.counts.told() for op, table in core.tables.items()}
    columns = zip(*operations.values(), strict=True) if operations else ([0],) * 6
    total = OperationStats(*map(sum, columns))
    return CacheStats(
        **total._asdict(),
        evicted=core.shelf.evicted,
        failed=core.failed,
        size=len(core.shelf),
        bytes=int(core.shelf.currsize),
        operations=dict(sorted(operations.items())),
    )


def explained(fills: Fills, op: Operation[Any]) -> Mapping[str, object]:
    """Tell of the answer to *op* whether it is held; of a batch, of how many of its singles."""
    if isinstance(op, Batch):
        told = [explained(fills, one) for one in op.singles()]
        held = sum(bool(each["cached"]) for each in told)
        return {"cached": held == len(told) > 0, "held": held, "of": len(told)}
    core, runtime = fills.core, fills.runtime
    now, wall = runtime.now(), runtime.wall()
    doubtful = core.marks.is_doubtful(op.tags(), now)
    if op.writes:
        return {"cached": False, "doubtful": doubtful}
    table = core.tables.get(type(op))
    entry = None if table is None else table.entries.get(op.identity())
    if entry is None or now >= entry.ends or not core.is_true(entry, wall):
        return {
            "cached": False,
            "age": None,
            "left": None,
            "stale": False,
            "doubtful": doubtful,
        }
    left = (
        entry.expires - now if entry.until is None else min(entry.expires - now, entry.until - wall)
    )
    return {
        "cached": left > 0 or core.is_stale(entry, now),
        "age": now - entry.stored,
        "left": max(left, 0.0),
        "stale": left <= 0,
        "doubtful": doubtful,
    }
