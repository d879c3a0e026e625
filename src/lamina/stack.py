"""Stacks: ordered layers, outermost first, as data that is put over any backend."""

from __future__ import annotations

import copy
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, cast, final

from lamina.batches import emulate
from lamina.bound import Bound
from lamina.capabilities import Capabilities, Serves
from lamina.errors import Unsupported
from lamina.explained import Explained, explain
from lamina.layer import SLOTS
from lamina.plan import Lost, Plan, PlannedLayer, PlannedOperation, Worst
from lamina.rules import check, check_served, warn
from lamina.runtime import Runtime
from lamina.site import Common, Site

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lamina.backend import Backend
    from lamina.layer import Layer
    from lamina.operation import BatchOperation, Handler, Operation

F = TypeVar("F")
_ATTEMPTS: Final = SLOTS.index("attempt-metrics")


@final
class Stack:
    """An ordered list of layers, outermost first; only data until it is put over a backend.

    ``allow`` maps the code of an order rule that may be broken to the reason why.

    Raises:
        StackError: The order is wrong; the message names the rule, both layers and the fix.
    """

    def __init__(self, *layers: Layer, allow: Mapping[str, str] | None = None) -> None:
        self.allow = dict(allow or {})
        check(layers, self.allow)
        self.layers = layers

    @classmethod
    def ordered(cls, *layers: Layer, allow: Mapping[str, str] | None = None) -> Self:
        """Make a stack of *layers* named in any order, each put in its slot's place."""
        check((), allow or {})
        for layer in layers:
            check((layer,), {})
        return cls(*sorted(layers, key=lambda layer: SLOTS.index(layer.slot)), allow=allow)

    def over(self, backend: Backend[F], *, runtime: Runtime | None = None) -> F:
        """Return the facade of *backend*'s domain, each call passing through these layers.

        Each layer is copied and gets state of its own, so that one stack over two backends
        shares nothing. *runtime* gives time and chance; by default its own.

        Raises:
            StackError: A layer cannot stand over this backend.
        """
        assembly = _Assembly(self.layers, self.allow, backend, runtime or Runtime())
        return backend.facade(assembly.bound())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Stack):
            return NotImplemented
        return self.layers == other.layers and self.allow == other.allow

    __hash__ = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]  # compared by its layers, which compare by options

    def __repr__(self) -> str:
        return f"Stack({', '.join(map(repr, self.layers))})"


@final
class _Assembly:
    """The layers of one stack over one backend, each with its site; binds handlers on demand."""

    def __init__(
        self,
        layers: Sequence[Layer],
        allow: Mapping[str, str],
        backend: Backend[Any],
        runtime: Runtime,
    ) -> None:
        self.backend = backend
        self.runtime = runtime
        self.allow = allow
        backend.runtime = runtime
        self.layers = _with_halves([copy.copy(layer) for layer in layers])
        self.served = [_with_batches(backend)] * (len(self.layers) + 1)
        check_served(layers, allow, self.served[-1])
        self.sites: dict[int, Site] = {}
        self._handlers: dict[tuple[int, type[Operation[Any]]], Handler[Any, Any]] = {}
        common, slots = Common(), tuple(layer.slot for layer in self.layers)
        for depth in reversed(range(len(self.layers))):
            below, binder = self.served[depth + 1], self._binder(depth + 1)
            self.sites[depth] = Site(
                backend.name, below, runtime, binder, common, slots[depth + 1 :]
            )
            self.layers[depth].setup(self.sites[depth])
            self.served[depth] = self.layers[depth].serves(below)

    def bound(self) -> Bound:
        return Bound(
            backend=self.backend.name,
            capabilities=self.served[0],
            plan=self.plan,
            explain=self.explain,
            runtime=self.runtime,
            handler=lambda op: self.handler(0, op),
            opens=self,
            needs_open=self.backend.needs_open,
            layers=self.layers,
        )

    def handler(self, depth: int, op: type[Operation[Any]]) -> Handler[Any, Any]:
        """Return what answers *op* from layer *depth* inwards."""
        found = self._handlers.get((depth, op))
        if found is None:
            found = self._handlers[depth, op] = self._bind(depth, op)
        return found

    async def open(self) -> None:
        await self.backend.open()

    async def close(self) -> None:
        async with AsyncExitStack() as parts:  # closes all, whichever of them raises
            parts.push_async_callback(self.backend.close)
            for layer in reversed(self.layers):
                parts.push_async_callback(layer.close)

    def plan(self) -> Plan:
        operations = [self._planned(op) for op in self.served[0]]
        operations.sort(key=lambda planned: planned.operation)
        return Plan(
            backend=self.backend.name,
            layers=tuple(
                PlannedLayer(layer.slot, repr(layer), getattr(layer, "shared", None))
                for layer in self.layers
            ),
            operations=tuple(operations),
            lost=tuple(self._lost()),
            amplification=max((planned.worst.attempts for planned in operations), default=1),
            warnings=warn(self.layers, self.allow, operations),
        )

    def explain(self, op: Operation[Any], *, used: bool) -> Explained:
        kind = type(op)
        if kind not in self.served[0]:
            return explain(op, (), refused=self._why_not(kind))
        active = [layer for layer in self.layers if layer.wants(kind)]
        return explain(op, active, self._planned(kind), used=used)

    def _binder(self, depth: int) -> Callable[[type[Operation[Any]]], Handler[Any, Any]]:
        def bind(op: type[Operation[Any]]) -> Handler[Any, Any]:
            return self.handler(depth, op)

        return bind

    def _bind(self, depth: int, op: type[Operation[Any]]) -> Handler[Any, Any]:
        if op not in self.served[depth]:
            return self._refusal(op)
        if depth == len(self.layers):
            if "emulated" in self.served[depth][op].features:
                single = self.handler(depth, cast("type[BatchOperation[Any]]", op).single)
                return emulate(single, self.runtime)
            return self.backend.handler(op)
        layer = self.layers[depth]
        inner = self.handler(depth + 1, op)
        return layer.bind(op, inner, self.sites[depth]) if layer.wants(op) else inner

    def _why_not(self, op: type[Operation[Any]]) -> str:
        taken = next((lost.layer for lost in self._lost() if lost.operation == op.__name__), None)
        if taken:
            return f"{op.__name__} is taken away by {taken}"
        can = ", ".join(sorted(served.__name__ for served in self.served[0])) or "nothing"
        return f"{op.__name__} is not served; it serves {can}"

    def _refusal(self, op: type[Operation[Any]]) -> Handler[Any, Any]:
        message = self._why_not(op)

        async def refuse(op: Operation[Any]) -> Any:
            del op
            raise Unsupported(message)

        return refuse

    def _lost(self) -> list[Lost]:
        return [
            Lost(op.__name__, repr(self.layers[depth]))
            for depth in range(len(self.layers) - 1, -1, -1)
            for op in self.served[depth + 1]
            if op not in self.served[depth]
        ]

    def _planned(self, op: type[Operation[Any]]) -> PlannedOperation:
        active = [layer for layer in self.layers if layer.wants(op)]
        worst = Worst()
        for layer in reversed(active):
            worst = layer.worst(op, worst)
        return PlannedOperation(
            operation=op.__name__,
            writes=op.writes,
            slots=tuple(layer.slot for layer in active),
            worst=worst,
            features=tuple(sorted(self.served[0][op].features)),
        )


def _with_halves(layers: list[Layer]) -> list[Layer]:
    """Put the attempt halves in their slot, where some layer makes attempts differ from calls."""
    if not any(layer.repeats for layer in layers):
        return layers
    halves = [half for layer in layers if (half := layer.attempt_half()) is not None]
    place = next(
        (at for at, layer in enumerate(layers) if SLOTS.index(layer.slot) > _ATTEMPTS), len(layers)
    )
    return [*layers[:place], *halves, *layers[place:]]


def _with_batches(backend: Backend[Any]) -> Capabilities:
    """Add the batches that singles answer, where the backend has none of its own."""
    served = backend.capabilities()
    more: dict[type[Operation[Any]], Serves] = dict(served)
    for batch in backend.batches:
        if batch not in served and batch.single in served:
            more[batch] = Serves(frozenset({"emulated"}), served[batch.single].limits)
    return Capabilities(more)
