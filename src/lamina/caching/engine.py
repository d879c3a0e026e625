"""The engine of the ``Cache`` layer, driven by functions instead of operations."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast, final

from lamina.errors import Brief, Invalid, StorageError, Unavailable, WrongLoop
from lamina.explained import Held
from lamina.layers.cache.bounds import Bounds
from lamina.layers.cache.controls import Controls
from lamina.layers.cache.core import Core
from lamina.layers.cache.fills import Fills
from lamina.layers.cache.reads import Reader
from lamina.once import in_time, own_copy
from lamina.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lamina.operation import Handler

UNTAGGED: Final = "\0untagged"
"""The tag of what must not be kept: it is in doubt for ever."""


class Asked:
    """One question: what is asked, and what answers it. Each function has a class of its own."""

    __slots__ = ("_identity", "args", "kwargs")

    fresh: ClassVar[bool] = False
    writes: ClassVar[bool] = False
    function: ClassVar[Callable[..., Awaitable[Any]]]
    tags_of: ClassVar[Callable[..., tuple[str, ...]]]

    def __init__(self, identity: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._identity = identity
        self.args = args
        self.kwargs = kwargs

    def identity(self) -> Any:
        """Return what tells it from others of its class."""
        return self._identity

    def tags(self) -> tuple[str, ...]:
        """Return what may make its answer wrong."""
        return type(self).tags_of(*self.args, **self.kwargs)

    def brief(self) -> Brief:
        """Return what errors and logs keep: never an argument."""
        return Brief(type(self).__name__, "cached")

    def answer(self) -> Awaitable[Any]:
        """Begin to answer it."""
        return type(self).function(*self.args, **self.kwargs)


class Passing(Unavailable):
    """A passing failure of a function, as the engine knows one; *error* is the function's own."""

    def __init__(self, message: str = "", *, error: Exception | None = None) -> None:
        super().__init__(message)
        self.error = error


@final
class Engine(Controls):
    """All state of one cache, for one event loop."""

    def __init__(self, bounds: Bounds, passing: tuple[type[Exception], ...]) -> None:
        self.runtime = Runtime()
        self._core = Core(bounds, self.runtime.rng.random)
        self._core.marks.doubt((UNTAGGED,), 0.0, math.inf)
        self._fills = Fills(self._core, self.runtime)
        self._passing = passing if bounds.stale_if_error else ()

    def handler(self, kind: type[Asked]) -> Handler[Any, Any]:
        """Return what answers questions of one kind, from the cache if it can."""
        inner = self._ask if self._passing else _ask
        made = Reader(self._fills, self._core.table(kind), inner).handler()
        return _unwrapped(made) if self._passing else made

    def forget(self, kind: type[Asked], identity: Any) -> None:
        """Forget one answer, at once; one under way is not kept, nor given to who comes later."""
        table = self._core.table(kind)
        table.fills.pop(identity, None)
        entry = table.entries.get(identity)
        if entry is not None:
            self._core.shelf.drop(entry)

    async def _ask(self, op: Asked) -> Any:
        try:
            return await _ask(op)
        except StorageError:
            raise
        except self._passing as error:
            raise Passing(type(error).__name__, error=error) from error


@final
class Home:
    """The engine of the event loop that runs now; each loop begins with an empty one."""

    def __init__(self, name: str, make: Callable[[], Engine]) -> None:
        self._name = name
        self._make = make
        self._lock = threading.Lock()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.engine = make()

    def enter(self) -> Engine:
        """Return the engine of the running loop.

        Raises:
            WrongLoop: It is used in another one, which runs too.
        """
        loop = asyncio.get_running_loop()
        with self._lock:
            if self.loop is not loop:
                if self.loop is not None and self.loop.is_running():
                    msg = f"{self._name} is used in another event loop; give each its own"
                    raise WrongLoop(msg)
                if self.loop is not None:
                    self.engine = self._make()
                self.engine.runtime.bind(loop)
                self.loop = loop
            return self.engine


@final
class Seat:
    """One kind of question in a cache: its handler in the loop that it was last asked in."""

    __slots__ = ("again", "answer", "home", "kind", "loop")

    answer: Handler[Any, Any]

    def __init__(self, home: Home, kind: type[Asked]) -> None:
        self.home = home
        self.kind = kind
        self.again: type[Asked] = type(kind.__name__, (kind,), {"__slots__": (), "fresh": True})
        self.loop: asyncio.AbstractEventLoop | None = None  # None refuses the fast path

    def enter(self) -> None:
        """Belong to the running loop."""
        self.answer = self.home.enter().handler(self.kind)
        self.loop = self.home.loop


def explained(seat: Seat, op: Any) -> Held:
    """Tell what is held of one question."""
    if seat.home.loop is None:  # nothing was asked yet
        return Held()
    return Held.of(seat.home.engine.peek(op))


def texts(tags: Any) -> tuple[str, ...]:
    """Return tags as a cache wants them; one text is one tag.

    Raises:
        Invalid: They are no texts.
    """
    if isinstance(tags, str):
        return (tags,)
    if not isinstance(tags, Iterable):
        msg = f"tags must be texts, got {type(tags).__name__}"
        raise Invalid(msg)
    return tuple(map(one_text, cast("Iterable[object]", tags)))


def one_text(tag: object) -> str:
    """Return a tag.

    Raises:
        Invalid: It is no text.
    """
    if not isinstance(tag, str):
        msg = f"a tag must be text, got {type(tag).__name__}"
        raise Invalid(msg)
    return tag


async def _ask(op: Asked) -> Any:
    return await in_time(op.answer(), "cached")


def _unwrapped(handler: Handler[Any, Any]) -> Handler[Any, Any]:
    """Return the handler that raises the function's own error; who waited gets its own copy."""

    async def answer(op: Asked) -> Any:
        try:
            return await handler(op)
        except Passing as passing:
            caught = passing
        error = caught.error or caught
        if isinstance(caught.__cause__, Passing):
            raise own_copy(error) from error
        raise error

    return answer
