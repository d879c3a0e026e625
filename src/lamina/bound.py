"""A stack over a backend, beneath the facade: it sends any operation."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, final

from lamina.errors import StorageError
from lamina.explained import check_operation
from lamina.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from lamina.capabilities import Capabilities
    from lamina.explained import Explained
    from lamina.operation import Handler, Operation, R
    from lamina.plan import Plan
    from lamina.runtime import Runtime


L = TypeVar("L")


class Sends(Protocol):
    """Sends any operation and returns its answer."""

    async def __call__(self, op: Operation[R], /) -> R: ...


class Opens(Protocol):
    """What is opened and closed with the stack: its backend and its layers."""

    async def open(self) -> None:
        """Connect."""
        ...

    async def close(self) -> None:
        """Let go of everything, outside in."""
        ...


@final
class Bound:
    """Sends operations through the layers to the backend; the facade is a view on it."""

    def __init__(
        self,
        *,
        backend: str,
        capabilities: Capabilities,
        plan: Callable[[], Plan],
        explain: Callable[..., Explained],
        runtime: Runtime,
        handler: Callable[[type[Operation[Any]]], Handler[Any, Any]],
        opens: Opens,
        needs_open: bool,
        layers: Sequence[object] = (),
    ) -> None:
        self.backend = backend
        self.capabilities = capabilities
        self.runtime = runtime
        self._plan = plan
        self._explain = explain
        self._make = handler
        self._opens = opens
        self._layers = layers
        self._gate = Gate(backend, runtime, needs_open=needs_open)
        self._held = Gate(backend, runtime, needs_open=False)  # shut only when none may wait more
        self._closed: asyncio.Event | None = None
        self._handlers: dict[type[Operation[Any]], Handler[Any, Any]] = {}

    def handler(self, op: type[Operation[R]]) -> Handler[Operation[R], R]:
        """Return what answers *op*, bound through all layers; ask once, call often.

        An operation that is not served gets a handler that raises ``Unsupported``.
        """
        found = self._handlers.get(op)
        if found is None:
            found = self._handlers[op] = _entered(self._gate, self._make(op))
        return cast("Handler[Operation[R], R]", found)

    def layer(self, kind: type[L]) -> L | None:
        """Return this stack's own layer of that class, None if it has none."""
        return next((layer for layer in self._layers if isinstance(layer, kind)), None)

    async def send(self, op: Operation[R]) -> R:
        """Send one operation and return its answer."""
        return await self.handler(type(op))(op)

    async def send_last(self, op: Operation[R]) -> R:
        """Send *op* even while the store is closing: for tasks of the runtime that undo something.

        Closing refuses new calls, but waits for those tasks before it closes the backend.
        """
        return cast("R", await self._make(type(op))(op))

    @contextmanager
    def holding(self) -> Generator[Sends, None, None]:
        """Count all that is sent by what this gives as one call in flight.

        Closing waits for its end, at most the grace time, and lets its operations pass so long.

        Raises:
            Closed: The store is closed, or not opened.
        """
        gate = self._gate
        if gate.loop is not asyncio.get_running_loop():
            gate.admit()
        gate.running += 1
        try:
            yield self._send_held
        finally:
            gate.leave()

    def plan(self) -> Plan:
        """Describe layers, worst cases and capabilities."""
        return self._plan()

    def explain(self, op: Operation[Any]) -> Explained:
        """Tell what would become of *op* if it were sent now; nothing is sent or counted.

        Raises:
            Invalid: *op* is no operation.
        """
        check_operation(op)
        return self._explain(op, used=self._gate.seen is not None)

    async def open(self) -> None:
        """Connect the backend; calls may pass from now on.

        Raises:
            Closed: It was closed before.
            WrongLoop: It belongs to another loop.
            StorageError: The backend cannot be opened.
        """
        self._gate.check_not_closed()
        self._gate.claim()
        if self._gate.needs_open:
            self._gate.loop = None
        self._gate.running += 1  # closing waits for it
        try:
            await self._opens.open()
        finally:
            self._gate.leave()
        self._gate.check_not_closed()
        self._gate.needs_open = False
        self._gate.claim()

    async def close(self) -> None:
        """Refuse new calls, wait for those in flight, drain tasks, close outside in.

        Closing again waits for that; cancelled, the first closes without waiting for others.
        """
        if self._closed is not None:
            await self._closed.wait()
            return
        self._closed = asyncio.Event()
        try:
            await self._close()
        finally:
            self._closed.set()

    def __repr__(self) -> str:
        layers = ", ".join(map(repr, self._layers))
        return f"<{layers} over {self.backend}>" if layers else f"<{self.backend}>"

    async def _send_held(self, op: Operation[R], /) -> R:
        return cast("R", await _entered(self._held, self._make(type(op)))(op))

    async def _close(self) -> None:
        try:
            try:
                await self._gate.shut(self.runtime.grace)
            finally:
                self._held.refuse()
            await self.runtime.drain()
        finally:
            try:
                await self.runtime.stop()
            finally:
                await self._opens.close()


def _entered(gate: Gate, inner: Handler[Any, Any]) -> Handler[Any, Any]:
    running_loop = asyncio.get_running_loop

    async def answer(op: Operation[Any]) -> Any:
        if gate.loop is not running_loop():
            gate.admit()
        gate.running += 1
        try:
            return await inner(op)
        except StorageError as error:
            if error.brief is None:
                error.brief = op.brief()
            if not error.backend:
                error.backend = gate.name
            raise
        finally:
            gate.running -= 1
            if gate.idle is not None and not gate.running:
                gate.idle.set()

    return answer
