"""Where a layer stands: what it may know of the stack and the backend beneath it."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, final
from weakref import WeakValueDictionary

from lamina.budget import Budget
from lamina.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.capabilities import Capabilities
    from lamina.operation import Handler, Operation, R
    from lamina.runtime import Runtime

T = TypeVar("T")

_BOUNDED: Final = frozenset(
    ("quota", "cache", "squeeze", "seal", "batch", "retry", "hedge", "throttle", "breaker", "limit")
)
"""Slots whose layers end each wait of theirs at the deadline."""


@final
class Common:
    """What the layers of one stack over one backend tell each other, inner ones first.

    Attributes:
        budget: What retries and hedges are paid from; see ``Common.paid_from``.
        reluctant: Tell whether a call that is not needed should rather not be sent: the circuit
            is not closed, calls are waiting. A layer sees those of the layers below in ``setup``.
        ended: Told of a write that went on when its caller had left, once it has ended; it may
            still arrive.
    """

    def __init__(self) -> None:
        self.budget: Budget | None = None
        self.reluctant: list[Callable[[], bool]] = []
        self.ended: list[Callable[[Operation[Any]], None]] = []

    def paid_from(self, make: Callable[[], Budget] = Budget) -> Budget:
        """Return the one retry budget, made by *make* for the first to ask."""
        if self.budget is None:
            self.budget = make()
        return self.budget


@final
@dataclass(frozen=True, slots=True)
class Site:
    """One layer's place in one stack over one backend."""

    backend: str
    capabilities: Capabilities
    """What is served below this layer."""
    runtime: Runtime
    bind_below: Callable[[type[Operation[Any]]], Handler[Any, Any]]
    common: Common = field(default_factory=Common)
    """What the layers of this stack over this backend tell each other."""
    slots_below: tuple[str, ...] = ()
    """The slots of the layers below, outermost first."""

    def below(self, op: type[Operation[R]]) -> Handler[Operation[R], R] | None:
        """Return the handler of another operation at this depth, None if it is not served."""
        if op not in self.capabilities:
            return None
        return cast("Handler[Operation[R], R]", self.bind_below(op))

    def is_bounded(self) -> bool:
        """Tell whether all that stands below ends by itself at the caller's deadline."""
        outside = takewhile(lambda slot: slot != "timeout", self.slots_below)
        return "timeout" in self.slots_below and _BOUNDED.issuperset(outside)

    def shared(self, kind: str, name: str, options: object, factory: Callable[[], T]) -> T:
        """Return the state of that *kind* and *name*, made by *factory* for the first to ask.

        It lives as long as a stack uses it.

        Raises:
            StackError: The name is in use with other options.
        """
        found = _shared.get((kind, name))
        if found is None:
            found = _shared[kind, name] = _Shared(options, factory())
        if found.options != options:
            msg = (
                f"{kind} {name!r} is shared with other options: "
                f"{found.options!r} there, {options!r} here"
            )
            raise StackError(msg)
        self.runtime.keep(found)
        return cast("T", found.state)


class _Shared:
    def __init__(self, options: object, state: object) -> None:
        self.options = options
        self.state = state


_shared: Final[WeakValueDictionary[tuple[str, str], _Shared]] = WeakValueDictionary()
