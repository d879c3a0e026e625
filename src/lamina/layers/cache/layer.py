"""Keep answers for a while, and never one that a finished write has made wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast, final

from lamina.layer import Layer
from lamina.layers.cache.core import Bounds, CacheStats, Core
from lamina.layers.cache.many import ManyReader
from lamina.layers.cache.reads import Reader
from lamina.layers.cache.stamps import batch_of, stamped_of
from lamina.layers.cache.writes import writer
from lamina.operation import Batch, Operation
from lamina.options import check_number, check_whole

if TYPE_CHECKING:
    from lamina.operation import Handler, Op, R
    from lamina.site import Site

_MIB: Final = 1024 * 1024


@final
class Cache(Layer):
    """Answer reads from memory for *ttl* seconds, or until a write or their own expiry.

    Once a write through this stack has returned, no read gives what was there before. A write
    that was cancelled or whose outcome is unknown may still arrive: what it touches is not kept
    for *doubt* seconds, which should be the backend's own limit for one statement. Writes by other
    processes are seen after at most *ttl* seconds; a listing may show a key that expired as long.

    Readers of one missing answer wait for the first; if that one is cancelled or out of time, the
    next asks. ``fresh`` reads always ask. *jitter* is the part of *ttl* that chance may take off.
    Absent answers are kept *negative_ttl* seconds, never if None. At most *max_entries* answers
    and *max_bytes* bytes are held, and none above 1/64 of *max_bytes*. Defaults are our own.

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
        jitter: float = 0.1,
        doubt: float = 5.0,
        negative_ttl: float | None = 5.0,
    ) -> None:
        self.ttl = ttl
        self.max_entries = max_entries
        self.max_bytes = max_bytes
        self.jitter = jitter
        self.doubt = doubt
        self.negative_ttl = negative_ttl
        check_number(self, "ttl", above=0)
        for name in ("max_entries", "max_bytes"):
            check_whole(self, name, least=1)
        check_number(self, "jitter", least=0, below=1)
        check_number(self, "doubt", least=0)
        check_number(self, "negative_ttl", above=0, optional=True)

    def setup(self, site: Site) -> None:
        self._core = Core(Bounds(**self.options()), site.runtime.rng.random)

    def wants(self, op: type[Operation[Any]]) -> bool:
        """Want writes, to forget what they change, and reads that can be asked ``fresh``."""
        kind = cast("Any", op)
        return kind.tags is not Operation[Any].tags and (op.writes or hasattr(op, "fresh"))

    def bind(self, op: type[Op], inner: Handler[Op, R], site: Site) -> Handler[Op, R]:
        core, kind, runtime = self._core, cast("Any", op), site.runtime
        made: Handler[Any, Any]
        if kind.writes:
            made = writer(core, inner, runtime, batch=issubclass(kind, Batch))
        elif issubclass(kind, Batch):
            single: type[Operation[Any]] = kind.single
            stamp = stamped_of(single, site)
            below = batch_of(stamp, site)
            keep = stamp is None
            made = ManyReader(core, core.table(single), inner, below, runtime, keep=keep).answer
        else:
            stamp = stamped_of(kind, site)
            told = None if stamp is None else site.below(stamp)
            made = Reader(core, core.table(kind), inner, told, runtime).handler()
        return cast("Handler[Op, R]", made)

    def invalidate(self, pattern: str | None = None) -> int:
        """Forget the answers of keys that match a glob, everything without; return how many.

        Searches and listings may show any key, so all of them are forgotten. Reads under way are
        not kept, and nobody who comes later is given their answers.
        """
        return self._core.invalidate(pattern)

    def stats(self) -> CacheStats:
        """Return what it has done so far and what it holds."""
        return self._core.stats()
