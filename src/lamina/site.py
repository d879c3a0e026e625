"""Where a layer stands: what it may know of the stack and the backend beneath it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, final
from weakref import WeakValueDictionary

from lamina.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.capabilities import Capabilities
    from lamina.operation import Handler, Operation, R
    from lamina.runtime import Runtime

T = TypeVar("T")


@final
@dataclass(frozen=True, slots=True)
class Site:
    """One layer's place in one stack over one backend."""

    backend: str
    capabilities: Capabilities
    """What is served below this layer."""
    runtime: Runtime
    bind_below: Callable[[type[Operation[Any]]], Handler[Any, Any]]

    def below(self, op: type[Operation[R]]) -> Handler[Operation[R], R] | None:
        """Return the handler of another operation at this depth, None if it is not served."""
        if op not in self.capabilities:
            return None
        return cast("Handler[Operation[R], R]", self.bind_below(op))

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
