"""Which handler an operation type gets, and what a cache tells of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from lamina.layers.cache.many import ManyReader
from lamina.layers.cache.reads import Reader
from lamina.layers.cache.second import Second
from lamina.layers.cache.stamps import batch_of, stamped_of
from lamina.layers.cache.stats import CacheStats, OperationStats
from lamina.layers.cache.writes import writer
from lamina.operation import BatchOperation, Operation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.capabilities import Serves
    from lamina.layers.cache.core import Core
    from lamina.layers.cache.fills import Fills
    from lamina.layers.cache.layer import Cache
    from lamina.operation import Handler
    from lamina.site import Site


def bound(
    op: Any, inner: Handler[Any, Any], site: Site, fills: Fills, second: Second | None
) -> Handler[Any, Any]:
    """Return the handler of one operation type that is wanted."""
    core, batch = fills.core, issubclass(op, BatchOperation)
    if op.writes:
        return writer(core, inner, site.runtime, second, batch=batch)
    single = op.single if batch else op
    table, stamp = core.table(single), stamped_of(single, site)
    table.lags |= _lag(site.capabilities[op]) > 0
    if batch:
        below = None if stamp is None else batch_of(stamp, site)
        return ManyReader(fills, table, inner, below, second, keep=stamp is None).answer
    stamped = None if stamp is None else site.below(stamp)
    return Reader(fills, table, inner, stamped, second).handler()


def lag_of(site: Site) -> float:
    """Return for how many seconds after a write searches below may miss it."""
    return max(map(_lag, site.capabilities.values()), default=0.0)


def _lag(how: Serves) -> float:
    return how.limits.get("search_lag", 0.0)


def second_of(cache: Cache, site: Site, lag: float) -> Second | None:
    """Return the second tier that *cache* was told of, None without one."""
    if cache.l2 is None or cache.l2_namespace is None:
        return None
    domains = (op.domain for op in site.capabilities if op.tags is not Operation[Any].tags)
    return Second(
        cache.l2,
        ttl=cache.ttl if cache.l2_ttl is None else cache.l2_ttl,
        doubt=cache.doubt,
        lag=lag,
        negative_ttl=cache.negative_ttl,
        timeout=cache.l2_timeout,
        pause=cache.l2_pause,
        namespace=cache.l2_namespace,
        runtime=site.runtime,
        domain=next(domains, ""),
    )


def stats_of(core: Core, second: Second | None = None) -> CacheStats:
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
        second=None if second is None else second.stats(),
    )


def explained(fills: Fills, op: Operation[Any]) -> Mapping[str, object]:
    """Tell of the answer to *op* whether it is held; of a batch, of how many of its singles."""
    if isinstance(op, BatchOperation):
        told = [explained(fills, one) for one in cast("Any", op).singles()]
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
