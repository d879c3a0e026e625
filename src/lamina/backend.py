"""Backends: one system that answers operations, and says which."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Self, TypeVar, cast

from lamina.capabilities import Capabilities, Serves
from lamina.runtime import Runtime

if TYPE_CHECKING:
    from lamina.bound import Bound
    from lamina.operation import BatchOperation, Handler, Operation, R

F_co = TypeVar("F_co", covariant=True)
_Self = TypeVar("_Self")
_O = TypeVar("_O", bound="Operation[Any]")
_MARK: Final = "_lamina_serves"


def serves(
    op: type[Operation[R]], *features: str, **limits: float
) -> Callable[
    [Callable[[_Self, _O], Coroutine[Any, Any, R]]], Callable[[_Self, _O], Coroutine[Any, Any, R]]
]:
    """Mark a backend's method as what answers *op*, with named features and numeric limits."""

    def mark(
        method: Callable[[_Self, _O], Coroutine[Any, Any, R]],
    ) -> Callable[[_Self, _O], Coroutine[Any, Any, R]]:
        setattr(method, _MARK, (op, Serves(frozenset(features), limits)))
        return method

    return mark


class Backend(ABC, Generic[F_co]):
    """Answers the operations of one domain; its type parameter is the domain's facade.

    A method marked with ``serves`` answers one operation. It maps each foreign exception once,
    ``from`` the original, and leaves all retrying to the layers. Its constructor connects to
    nothing.
    """

    name: str
    runtime: Runtime
    """Time and tasks: of the stack that it stands under, one of its own before that."""
    batches: ClassVar[tuple[type[BatchOperation[Any]], ...]] = ()
    needs_open: ClassVar[bool] = False
    """Whether ``open`` must come before the first operation."""

    _methods: ClassVar[dict[type[Operation[Any]], tuple[str, Serves]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        marked = ((name, getattr(cls, name, None)) for name in dir(cls))
        found = ((name, getattr(method, _MARK, None)) for name, method in marked)
        cls._methods = {mark[0]: (name, mark[1]) for name, mark in found if mark is not None}

    def __new__(cls, *_: Any, **__: Any) -> Self:
        made = super().__new__(cls)
        made.runtime = Runtime()
        return made

    @abstractmethod
    def facade(self, bound: Bound) -> F_co:
        """Return the domain's facade over *bound*."""

    @classmethod
    def declared(cls) -> Capabilities:
        """Return what its methods are marked with."""
        return Capabilities({op: how for op, (_, how) in cls._methods.items()})

    def capabilities(self) -> Capabilities:
        """Return what it serves: what is declared, unless its options say otherwise."""
        return self.declared()

    def handler(self, op: type[Operation[R]]) -> Handler[Operation[R], R]:
        """Return what answers *op*, which is among its capabilities."""
        return cast("Handler[Operation[R], R]", getattr(self, self._methods[op][0]))

    async def open(self) -> None:  # nothing to connect is the common case
        """Connect.

        Raises:
            StorageError: It cannot be reached, or the settings are wrong.
        """

    async def close(self) -> None:  # nothing to let go of is the common case
        """Let go of connections, files and threads; called once, also if ``open`` failed."""
