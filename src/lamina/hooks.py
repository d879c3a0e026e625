"""Functions of the user's that a layer calls: what they raise changes no call's outcome."""

from __future__ import annotations

import logging
import sys
from asyncio import CancelledError
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, TypeVar, final

from lamina.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

P = ParamSpec("P")
T = TypeVar("T")

_log: Final = logging.getLogger("lamina.hooks")


def check_factory(given: object) -> None:
    """Refuse what cannot be called to make a value.

    Raises:
        Invalid: It is a coroutine, or a value.
    """
    if not callable(given):
        msg = f"factory must be an async function, got {type(given).__name__}"
        raise Invalid(msg)


def begun(factory: Callable[[], Awaitable[T]]) -> Awaitable[T]:
    """Begin to make a value.

    Raises:
        Invalid: The factory cannot be called, or is not async.
    """
    check_factory(factory)
    given: Any = factory()
    if not hasattr(given, "__await__"):
        msg = f"factory must be an async function; it gave {type(given).__name__}"
        raise Invalid(msg)
    awaitable: Awaitable[T] = given
    return awaitable


@final
class Hook(Generic[P, T]):
    """Calls *function*, which is the option *name* of *layer*.

    Attributes:
        raised: How often it raised; the first time is logged, without the error's message.
    """

    __slots__ = ("_function", "_told", "raised")

    def __init__(self, function: Callable[P, T], layer: str, name: str) -> None:
        self._function = function
        self._told = f"{layer}.{name}"
        self.raised = 0

    def __call__(self, otherwise: T, /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what the function gives, or *otherwise* if it raises."""
        try:
            return self._function(*args, **kwargs)
        except (Exception, CancelledError) as error:  # its own: nothing was awaited
            self.raised += 1
            if self.raised == 1:
                _log.warning("%s raised %s; it is logged once", self._told, type(error).__name__)
            return otherwise


@final
class Seconds:
    """Asks a function of the user's how many seconds, of the number of a turn."""

    def __init__(self, function: Callable[[int], float], layer: str, name: str) -> None:
        self._hook: Hook[[int], float | None] = Hook(function, layer, name)

    @property
    def raised(self) -> int:
        """How often the function raised."""
        return self._hook.raised

    def __call__(self, number: int) -> float | None:
        """Return what it says; None if it raised, or that cannot be waited for."""
        told: object = self._hook(None, number)
        if isinstance(told, int | float) and not isinstance(told, bool):
            return float(told) if 0 <= told <= sys.float_info.max else None
        return None
