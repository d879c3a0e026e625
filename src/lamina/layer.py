"""Layers: what stands between the caller and the backend, bound once per operation type."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

    from lamina.capabilities import Capabilities
    from lamina.operation import Handler, Op, Operation, R
    from lamina.plan import Worst
    from lamina.site import Site

SLOTS: Final = (
    "metrics",
    "trace",
    "log",
    "deadline",
    "fallback",
    "shadow",
    "readonly",
    "quota",
    "scope",
    "cache",
    "squeeze",
    "seal",
    "batch",
    "retry",
    "hedge",
    "throttle",
    "breaker",
    "limit",
    "timeout",
    "attempt-metrics",
    "chaos",
)
"""The places in a stack, outermost first."""


class Sends(Protocol):
    """Another stack, as a layer that uses one sees it; ``store.bound`` is one."""

    @property
    def backend(self) -> str:
        """The name of what answers in the end."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it serves."""
        ...

    async def send(self, op: Operation[R]) -> R:
        """Send one operation and return its answer."""
        ...


class Bytes(Protocol):
    """A store of bytes under keys, as a layer that uses one sees it; ``KeyValue`` is one."""

    def get_many(
        self, keys: Sequence[str], /, *, fresh: bool = False
    ) -> Coroutine[Any, Any, tuple[bytes | None, ...]]:
        """Return several values in the order asked; *fresh* asks the store itself."""
        ...

    def set_many(
        self, items: Mapping[str, bytes], /, *, ttl: float | None = None
    ) -> Coroutine[Any, Any, object]:
        """Store several values for *ttl* seconds, for ever without; raise if one failed."""
        ...

    def compare_and_set(
        self, key: str, expect: bytes | None, value: bytes, /, *, ttl: float | None = None
    ) -> Coroutine[Any, Any, None]:
        """Store *value* only if the key holds *expect* (None: is absent), else ``Conflict``."""
        ...


class Layer:
    """Override ``around``, and what else differs from "every operation, nothing more".

    ``__init__`` keeps options under their parameters' names and checks them; ``setup`` makes the
    state, in the copy that one stack over one backend has of its own.
    """

    slot: ClassVar[str]
    repeats: ClassVar[bool] = False
    """Whether one call may become several, or none, below; then attempts are counted apart."""

    def setup(self, site: Site) -> None:
        """Make the state; called once for each ``over``, before ``bind``."""

    def wants(self, op: type[Operation[Any]]) -> bool:
        """Tell whether operations of this type pass through; asked when the stack is built."""
        del op
        return True

    def around(self, op: Op, inner: Handler[Op, R]) -> Coroutine[Any, Any, R]:
        """Answer *op*, by awaiting ``inner(op)`` once, several times or not at all."""
        raise NotImplementedError

    def bind(self, op: type[Op], inner: Handler[Op, R], site: Site) -> Handler[Op, R]:
        """Return the handler of one operation type around *inner*."""
        del op, site
        around = self.around

        def handler(op: Op) -> Coroutine[Any, Any, R]:
            return around(op, inner)

        return handler

    def serves(self, below: Capabilities) -> Capabilities:
        """Return what is served above, given what is served *below*."""
        return below

    def attempt_half(self) -> Layer | None:
        """Return what belongs in slot attempt-metrics, to see each attempt on its own."""
        return None

    def worst(self, op: type[Operation[Any]], below: Worst) -> Worst:
        """Return the worst case of one call above, given that *below*."""
        del op
        return below

    def explain(self, op: Operation[Any]) -> Mapping[str, object] | None:
        """Return what it knows of *op* now, by name; None for nothing. It sends and counts nothing.

        A cache tells whether the answer is ``cached``, its ``age`` and the seconds ``left`` (None
        if unknown), whether it is ``stale``, and whether a write of it is ``doubtful``.
        """
        del op
        return None

    async def close(self) -> None:
        """Let go of what the layer holds; calls have ended by then."""

    def options(self) -> dict[str, Any]:
        """Return the options by name, as given to the constructor."""
        return {name: getattr(self, name) for name in _parameters(type(self))}

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.options() == other.options()

    __hash__ = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]  # compared by its options, which may be changed

    def __repr__(self) -> str:
        parameters = _parameters(type(self))
        parts: list[str] = []
        for name, value in self.options().items():
            parameter = parameters[name]
            if value == parameter.default:
                continue
            keyword = parameter.kind is parameter.KEYWORD_ONLY
            parts.append(f"{name}={value!r}" if keyword else repr(value))
        return f"{type(self).__name__}({', '.join(parts)})"


def _parameters(kind: type[Layer]) -> dict[str, inspect.Parameter]:
    if kind.__init__ is object.__init__:
        return {}
    parameters = inspect.signature(kind.__init__).parameters
    return {name: parameter for name, parameter in parameters.items() if name != "self"}
