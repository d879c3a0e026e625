"""A cache in this process, for whatever async functions make."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, final

from lamina.caching.engine import Asked, Engine, Home, Seat, explained, one_text, texts
from lamina.caching.functions import Cached
from lamina.caching.keys import tagged
from lamina.errors import StackError
from lamina.explained import Held
from lamina.hooks import begun
from lamina.layers.cache.bounds import Bounds
from lamina.options import check_number, check_whole, shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence

    from lamina.layers.cache.stats import CacheStats

T = TypeVar("T")

_MIB: Final = 1024 * 1024
_NONE: Final[dict[str, Any]] = {}


@final
class LocalCache:
    """Keep in this process what async functions make, for *ttl* seconds.

    It is the engine of the ``Cache`` layer: of all who want one missing answer at once one makes
    it, the others wait; if that one is cancelled or out of time, the next makes it. Failures are
    never kept; each who waited gets its own copy. ``None`` is kept *negative_ttl* seconds, at most
    30, never if that is None. The other options are those of ``Cache``. *passing* are the failures
    in place of which *stale_if_error* gives an old answer, besides those of stores; name those of
    your client.

    All who ask get the very object that was made: it should be immutable. Each event loop begins
    with an empty cache; two that run at once cannot share one. ``lamina.call(deadline=...)``
    bounds what is made too.

    Raises:
        StackError: An option is out of its range.
    """

    def __init__(
        self,
        ttl: float = 60.0,
        *,
        max_entries: int = 10_000,
        max_bytes: int = 64 * _MIB,
        jitter: float = 0.2,
        negative_ttl: float | None = 5.0,
        stale_while_revalidate: float = 0.0,
        stale_if_error: float = 0.0,
        idle: float | None = None,
        passing: tuple[type[Exception], ...] = (ConnectionError, TimeoutError),
    ) -> None:
        self.ttl = ttl
        self.max_entries = max_entries
        self.max_bytes = max_bytes
        self.jitter = jitter
        self.negative_ttl = negative_ttl
        self.stale_while_revalidate = stale_while_revalidate
        self.stale_if_error = stale_if_error
        self.idle = idle
        self.passing = passing
        self._check()
        self.home = Home(type(self).__name__, self._engine)
        self._values = Seat(self.home, GetOrSet)

    async def get_or_set(
        self,
        key: Hashable,
        factory: Callable[[], Awaitable[T]],
        *,
        tags: Sequence[str] = (),
        fresh: bool = False,
    ) -> T:
        """Return what is kept under *key*, else what *factory* makes, kept from then on.

        *tags* are names by which it can be forgotten, those of whoever makes it; *fresh* makes it
        anew in any case. Keys of different types differ: ``1`` is not ``True``.

        Raises:
            Invalid: *key* cannot be hashed, or equals nothing but itself; *tags* are no texts;
                *factory* is not async.
            WrongLoop: It is used in another event loop, which runs too.
            DeadlineExceeded: The caller's deadline came first.
        """
        identity = key if type(key) is str else tagged(key)
        seat = self._values
        if seat.loop is not asyncio.get_running_loop():
            seat.enter()
        kind = seat.again if fresh else seat.kind
        return cast("T", await seat.answer(kind(identity, (factory, tags), _NONE)))

    def cached(
        self,
        *,
        key: Callable[..., Hashable] | None = None,
        tags: Callable[..., Iterable[str]] | None = None,
    ) -> Cached:
        """Return a decorator as ``lamina.cached`` is, whose answers are kept here.

        Several functions share the room and the tags.
        """
        return Cached(self.home, key=key, tags=tags)

    def invalidate(self, key: Hashable) -> None:
        """Forget at once what is kept under *key*; one being made is not kept."""
        self.home.engine.forget(GetOrSet, tagged(key))

    def invalidate_tag(self, tag: str) -> None:
        """Forget at once, in O(1), all that has this tag, functions' answers too."""
        self.home.engine.invalidate(tag=one_text(tag))

    def invalidate_all(self) -> None:
        """Forget everything at once, in O(1), functions' answers too."""
        self.home.engine.invalidate()

    async def sweep(self) -> int:
        """Free what no longer holds, giving the loop turns; return how many answers were due."""
        return await self.home.enter().sweep()

    def stats(self) -> CacheStats:
        """Return what it has done in this event loop, and what it holds."""
        return self.home.engine.stats()

    def explain(self, key: Hashable) -> Held:
        """Tell whether something is kept under *key*, how old it is, how long it will be."""
        return explained(self._values, GetOrSet(tagged(key), (None, ()), _NONE))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.ttl:g})"

    def _engine(self) -> Engine:
        bounds = Bounds(
            ttl=self.ttl,
            max_entries=self.max_entries,
            max_bytes=self.max_bytes,
            jitter=self.jitter,
            doubt=0.0,
            negative_ttl=self.negative_ttl,
            stale_while_revalidate=self.stale_while_revalidate,
            stale_if_error=self.stale_if_error,
            idle=self.idle,
        )
        return Engine(bounds, self.passing)

    def _check(self) -> None:
        check_number(self, "ttl", above=0)
        for name in ("max_entries", "max_bytes"):
            check_whole(self, name, least=1)
        check_number(self, "jitter", least=0, below=1)
        for name in ("stale_while_revalidate", "stale_if_error"):
            check_number(self, name, least=0)
        check_number(self, "negative_ttl", above=0, most=30, optional=True)
        check_number(self, "idle", above=0, optional=True)
        if not _are_errors(self.passing):
            msg = f"LocalCache: passing must be a tuple of exceptions, got {shown(self.passing)}"
            raise StackError(msg)


def cached(
    ttl: float = 60.0,
    *,
    key: Callable[..., Hashable] | None = None,
    tags: Callable[..., Iterable[str]] | None = None,
    max_entries: int = 10_000,
    max_bytes: int = 64 * _MIB,
    jitter: float = 0.2,
    negative_ttl: float | None = 5.0,
    stale_while_revalidate: float = 0.0,
    stale_if_error: float = 0.0,
    idle: float | None = None,
    passing: tuple[type[Exception], ...] = (ConnectionError, TimeoutError),
) -> Cached:
    """Keep what an async function answers, for *ttl* seconds; its ``cache`` governs that.

    Each function has a ``LocalCache`` of its own, whose options these are. Calls whose arguments
    are equal, and of the same types, get one answer: the very object that the function returned,
    which should be immutable. *key* gives, from the same arguments, what tells them apart
    instead; it is needed where an argument cannot be hashed or equals only itself, as the ``self``
    of most methods. *tags* gives, likewise, names by which answers can be forgotten. If one of the
    two raises, the call is passed on and its answer is not kept.

    Raises:
        StackError: An option is out of its range, or the function is not async.
        Invalid: From a call: an argument cannot be part of a key.
        WrongLoop: From a call: the function is used in another event loop, which runs too.
    """
    if callable(ttl):
        msg = f"cached: write @cached() or @cached(ttl=...), not @cached, above {shown(ttl)}"
        raise StackError(msg)
    cache = LocalCache(
        ttl,
        max_entries=max_entries,
        max_bytes=max_bytes,
        jitter=jitter,
        negative_ttl=negative_ttl,
        stale_while_revalidate=stale_while_revalidate,
        stale_if_error=stale_if_error,
        idle=idle,
        passing=passing,
    )
    return cache.cached(key=key, tags=tags)


def _are_errors(given: object) -> bool:
    if not isinstance(given, tuple):
        return False
    kinds = cast("tuple[object, ...]", given)
    return all(isinstance(kind, type) and issubclass(kind, Exception) for kind in kinds)


@final
class GetOrSet(Asked):
    """What is kept under a key; its arguments are the factory and the tags."""

    __slots__ = ()

    @staticmethod
    def function(factory: Callable[[], Awaitable[Any]], tags: Sequence[str]) -> Awaitable[Any]:
        del tags
        return begun(factory)

    @staticmethod
    def tags_of(factory: Any, tags: Sequence[str]) -> tuple[str, ...]:
        del factory
        return texts(tags)
