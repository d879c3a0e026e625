"""Keep answers for a while, and never one that a finished write has made wrong."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, cast, final

from lamina.layer import Bytes, Layer
from lamina.layers.cache.binding import bound, lag_of, second_of
from lamina.layers.cache.bounds import Bounds
from lamina.layers.cache.controls import Controls
from lamina.layers.cache.core import Core
from lamina.layers.cache.fills import Fills
from lamina.layers.cache.options import check
from lamina.operation import Operation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.operation import Handler, Op, R
    from lamina.site import Site

_MIB: Final = 1024 * 1024


@final
class Cache(Controls, Layer):
    """Answer reads from memory for *ttl* seconds, or until a write or their own expiry.

    Once a write through this stack has returned, no read gives what was there before. A write
    that was cancelled or whose outcome is unknown may still arrive: what it touches is not kept
    for *doubt* seconds, which should be the backend's own limit for one statement. Writes by other
    processes are seen *ttl* seconds after an answer came at most, as is an expiry in a listing.
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

    What is not here is looked for in *l2*, any key-value store, and kept there for *l2_ttl*
    seconds (None: *ttl*); see ``Second`` for what it promises to several processes. Above ``Seal``
    it must be sealed too (E14). The cache neither opens nor closes it.

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
        l2: Bytes | None = None,
        l2_ttl: float | None = None,
        l2_timeout: float = 0.1,
        l2_pause: float = 1.0,
        l2_namespace: str | None = None,
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
        self.l2 = l2
        self.l2_ttl = l2_ttl
        self.l2_timeout = l2_timeout
        self.l2_pause = l2_pause
        self.l2_namespace = l2_namespace
        check(self)

    def setup(self, site: Site) -> None:
        told = {field.name for field in fields(Bounds)}
        options = {name: value for name, value in self.options().items() if name in told}
        lag, oldest = lag_of(site), max(self.ttl, self.l2_ttl or 0.0)
        self._core = Core(Bounds(**options, lag=lag, oldest=oldest), site.runtime.rng.random)
        self._fills = Fills(self._core, site.runtime, tuple(site.common.reluctant))
        self._second = second_of(self, site, lag)
        site.common.ended.append(self.doubt_again)

    def wants(self, op: type[Operation[Any]]) -> bool:
        """Want writes, to forget what they change, and reads that can be asked ``fresh``."""
        kind = cast("Any", op)
        return kind.tags is not Operation[Any].tags and (op.writes or hasattr(op, "fresh"))

    def bind(self, op: type[Op], inner: Handler[Op, R], site: Site) -> Handler[Op, R]:
        return cast("Handler[Op, R]", bound(op, inner, site, self._fills, self._second))

    def explain(self, op: Operation[Any]) -> Mapping[str, object] | None:
        """Tell whether the answer to *op* is held, how old it is, and how long it will be."""
        return self.peek(op) if self.wants(type(op)) else None

    async def close(self) -> None:
        self.leave()
        if self._second is not None:
            await self._second.close()
