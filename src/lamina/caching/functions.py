"""Keep what an async function answers."""

from __future__ import annotations

import asyncio
import functools
import inspect
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Final,
    Generic,
    ParamSpec,
    Protocol,
    Self,
    TypeVar,
    cast,
    final,
    overload,
)

from lamina.caching.engine import UNTAGGED, Asked, Home, Seat, explained, one_text, texts
from lamina.caching.keys import key_of, tagged
from lamina.errors import StackError
from lamina.explained import Held
from lamina.hooks import Hook
from lamina.once import in_time
from lamina.options import check_hook, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable, Iterable

    from lamina.layers.cache.stats import CacheStats

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
S = TypeVar("S")

_UNKNOWN: Final = object()
"""The key of a call whose key cannot be told; its answer is not kept."""


class CachedFunction(Protocol[P, R_co]):
    """An async function whose answers are kept; *cache* governs them."""

    @property
    def cache(self) -> CallCache[P, R_co]:
        """What is kept of it."""
        ...

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R_co]: ...

    @overload
    def __get__(self, instance: None, owner: type[Any], /) -> Self: ...
    @overload
    def __get__(
        self: CachedFunction[Concatenate[S, Q], R], instance: S, owner: type[Any], /
    ) -> Callable[Q, Coroutine[Any, Any, R]]: ...


@final
class CallCache(Generic[P, R_co]):
    """What is kept of one function's answers; each call is told by its arguments."""

    def __init__(
        self,
        seat: Seat,
        key: Callable[P, Hashable],
        function: Callable[P, Coroutine[Any, Any, R_co]],
    ) -> None:
        self._seat = seat
        self._key = key
        self._function = function

    async def fresh(self, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function in any case, and keep its answer."""
        seat, identity = self._seat, self._key(*args, **kwargs)
        if identity is _UNKNOWN:
            return await in_time(self._function(*args, **kwargs), "cached")
        if seat.loop is not asyncio.get_running_loop():
            seat.enter()
        return cast("R_co", await seat.answer(seat.again(identity, args, kwargs)))

    def invalidate(self, /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Forget at once the answer to one call; one under way is not kept."""
        self._seat.home.engine.forget(self._seat.kind, self._key(*args, **kwargs))

    def invalidate_tag(self, tag: str) -> None:
        """Forget at once, in O(1), all answers that have this tag."""
        self._seat.home.engine.invalidate(tag=one_text(tag))

    def invalidate_all(self) -> None:
        """Forget at once, in O(1), all answers of this function."""
        self._seat.home.engine.invalidate(tag=_whole(self._seat.kind))

    def stats(self) -> CacheStats:
        """Return what the cache has done in this event loop, and what it holds."""
        return self._seat.home.engine.stats()

    def explain(self, /, *args: P.args, **kwargs: P.kwargs) -> Held:
        """Tell whether the answer to a call is kept, how old it is, how long it will be."""
        return explained(self._seat, self._seat.kind(self._key(*args, **kwargs), args, kwargs))


@final
class Cached:
    """A decorator: keeps the answers of async functions in one cache."""

    def __init__(
        self,
        home: Home,
        *,
        key: Callable[..., Hashable] | None,
        tags: Callable[..., Iterable[str]] | None,
    ) -> None:
        self.home = home
        self.key = key
        self.tags = tags
        check_hook(self, "key")
        check_hook(self, "tags")

    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> CachedFunction[P, R]:
        _check_async(function)
        name = getattr(function, "__qualname__", type(function).__name__)
        kind: Any = type(name, (Asked,), {"__slots__": (), "function": staticmethod(function)})
        kind.tags_of = staticmethod(self._tags_of(kind))
        seat = Seat(self.home, kind)
        key: Callable[P, Hashable] = self._key_of(function, name)
        call: Any = _called(seat, key, function)
        call.cache = CallCache(seat, key, function)
        return cast("CachedFunction[P, R]", call)

    def _key_of(self, function: Callable[..., Any], name: str) -> Callable[..., Hashable]:
        if self.key is None:
            return key_of(function)
        hook: Hook[..., Hashable] = Hook(self.key, "cached", "key")
        what = f"the key of {name}()"

        def key(*args: Any, **kwargs: Any) -> Hashable:
            told = hook(_UNKNOWN, *args, **kwargs)
            return told if told is _UNKNOWN else tagged(told, what)

        return key

    def _tags_of(self, kind: type[Asked]) -> Callable[..., tuple[str, ...]]:
        whole, asked = (_whole(kind),), self.tags
        if asked is None:
            return lambda *_, **__: whole

        def tags(*args: Any, **kwargs: Any) -> tuple[str, ...]:
            return (*texts(asked(*args, **kwargs)), *whole)

        hook: Hook[..., tuple[str, ...]] = Hook(tags, "cached", "tags")
        return functools.partial(hook, (UNTAGGED,))


def _called(
    seat: Seat, key: Callable[P, Hashable], function: Callable[P, Coroutine[Any, Any, R]]
) -> Callable[P, Coroutine[Any, Any, R]]:
    running_loop, kind = asyncio.get_running_loop, seat.kind

    @functools.wraps(function)
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        identity = key(*args, **kwargs)
        if seat.loop is not running_loop():
            seat.enter()
        if identity is _UNKNOWN:
            return await in_time(function(*args, **kwargs), "cached")
        return cast("R", await seat.answer(kind(identity, args, kwargs)))

    return call


def _whole(kind: type[Asked]) -> str:
    return f"\0all {id(kind)}"


def _check_async(function: object) -> None:
    kind = type(function).__name__
    if kind in {"staticmethod", "classmethod"}:
        msg = f"cached: write it below @{kind}, not above"
        raise StackError(msg)
    call = getattr(type(function), "__call__", None)  # noqa: B004  # of an object
    if not any(map(inspect.iscoroutinefunction, (function, call))):
        msg = f"cached: only async functions can be, got {shown(function)}"
        raise StackError(msg)
