"""Keep answers for a while, and never one that a finished write has made wrong."""

from __future__ import annotations

import asyncio
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, cast, final

from lamina.layer import Layer
from lamina.layers.cache.binding import bound, explained, lag_of, stats_of
from lamina.layers.cache.core import Bounds, Core
from lamina.layers.cache.fills import Fills
from lamina.operation import Operation
from lamina.options import check_number, check_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.layers.cache.ceiling import Ceiling
    from lamina.layers.cache.stats import CacheStats
    from lamina.operation import Handler, Op, R
    from lamina.site import Site

_MIB: Final = 1024 * 1024
_SLICE: Final = 1000
"""Answers looked at before the loop has a turn."""


@final
class Cache(Layer):
    """Answer reads from memory for *ttl* seconds, or until a write or their own expiry.

    Once a write through this stack has returned, no read gives what was there before. A write
    that was cancelled or whose outcome is unknown may still arrive: what it touches is not kept
    for *doubt* seconds, which should be the backend's own limit for one statement. Writes by other
    processes are seen after at most *ttl* seconds; a listing may show a key that expired as long.
    A search is not kept beyond the time in which the backend may not show a write yet.

    Readers of one missing answer wait for the first; if that one is cancelled or out of time, the
    next asks. ``fresh`` reads always ask. *jitter* is the part of *ttl* that chance may take off.
    Absent answers are kept *negative_ttl* seconds, at most 30, never if None. With *idle* an
    answer that was not asked for so long is forgotten sooner (sliding expiry).

    For *stale_while_revalidate* seconds after *ttl* an answer is given as it is and asked anew
    behind it, once at a time, unless the circuit below is open or the runtime is full. For
    *stale_if_error* seconds after *ttl* it is given in place of a passing failure. Both are told
    in ``Call.age``, the second in ``Call.degraded`` too, and are off unless named. Neither gives
    what a write has made wrong, or what is past its own expiry.

    At most *max_entries* answers and *max_bytes* bytes are held, none above 1/64 of *max_bytes*;
    what is read once leaves first. Whatever fails in the cache, reads go on without it. The terms
    are those of RFC 5861 and RFC 2308; the numbers are our own.

    Raises:
        DeadlineExceeded: The caller's deadline came while it waited for another's answer.
    """

    slot = "cache"
    repeats = True  # a hit is no attempt

    def __init__(
        self,
        ttl: float = 60.0,
        *,
        max_entries: int = 10_000,
        max_bytes: int = 64 * _MIB,
        jitter: float = 0.2,
        doubt: float = 5.0,
        negative_ttl: float | None = 5.0,
        stale_while_revalidate: float = 0.0,
        stale_if_error: float = 0.0,
        idle: float | None = None,
    ) -> None:
        self.ttl = ttl
        self.max_entries = max_entries
        self.max_bytes = max_bytes
        self.jitter = jitter
        self.doubt = doubt
        self.negative_ttl = negative_ttl
        self.stale_while_revalidate = stale_while_revalidate
        self.stale_if_error = stale_if_error
        self.idle = idle
        check(self)

    def setup(self, site: Site) -> None:
        told = {field.name for field in fields(Bounds)}
        options = {name: value for name, value in self.options().items() if name in told}
        self._core = Core(Bounds(**options, lag=lag_of(site)), site.runtime.rng.random)
        self._fills = Fills(self._core, site.runtime, tuple(site.common.reluctant))
        self._ceiling: Ceiling | None = None

    def wants(self, op: type[Operation[Any]]) -> bool:
        """Want writes, to forget what they change, and reads that can be asked ``fresh``."""
        kind = cast("Any", op)
        return kind.tags is not Operation[Any].tags and (op.writes or hasattr(op, "fresh"))

    def bind(self, op: type[Op], inner: Handler[Op, R], site: Site) -> Handler[Op, R]:
        return cast("Handler[Op, R]", bound(op, inner, site, self._fills))

    def invalidate(
        self,
        pattern: str | None = None,
        *,
        key: str | None = None,
        tag: str | None = None,
        scope: str | None = None,
    ) -> None:
        """Forget, at once and in O(1), what is meant: everything, if nothing is named.

        Either a *tag* (see ``Operation.tags``), or the keys that match a glob *pattern* or are
        *key*, and that belong to the tenant *scope* if one is named. Searches and listings may
        show any key, so all of them are forgotten. Reads under way are not kept, and nobody who
        comes later is given their answers.
        """
        self._core.invalidate(pattern, key=key, tag=tag, scope=scope)

    async def sweep(self) -> int:
        """Let go of answers that no longer hold, giving the loop turns; return how many were due.

        They are never given in any case: it frees their memory at once, and counts.
        """
        core, runtime, dropped = self._core, self._fills.runtime, 0
        for place, entry in enumerate(list(core.shelf), 1):
            dropped += core.drop_if_wrong(entry, runtime.now(), runtime.wall())
            if place % _SLICE == 0:
                await asyncio.sleep(0)
        return dropped

    def stats(self) -> CacheStats:
        """Return what it has done so far and what it holds."""
        return stats_of(self._core)

    def explain(self, op: Operation[Any]) -> Mapping[str, object] | None:
        """Tell whether the answer to *op* is held, how old it is, and how long it will be."""
        return explained(self._fills, op) if self.wants(type(op)) else None

    def join(self, ceiling: Ceiling) -> None:
        """Hold no more, together with the other caches that joined it, than *ceiling* allows."""
        self._ceiling = ceiling
        ceiling.join(self._core.shelf)

    async def close(self) -> None:
        if self._ceiling is not None:
            self._ceiling.leave(self._core.shelf)


def check(cache: Cache) -> None:
    """Refuse options that cannot work.

    Raises:
        StackError: One is out of its range.
    """
    check_number(cache, "ttl", above=0)
    for name in ("max_entries", "max_bytes"):
        check_whole(cache, name, least=1)
    check_number(cache, "jitter", least=0, below=1)
    for name in ("doubt", "stale_while_revalidate", "stale_if_error"):
        check_number(cache, name, least=0)
    check_number(cache, "negative_ttl", above=0, most=30, optional=True)
    check_number(cache, "idle", above=0, optional=True)
