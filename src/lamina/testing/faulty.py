"""A backend that fails now and then, before or after doing what it was asked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar, final

from lamina.backend import Backend
from lamina.errors import StackError, Unavailable

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from lamina.bound import Bound
    from lamina.capabilities import Capabilities
    from lamina.errors import StorageError
    from lamina.operation import Handler, Operation

F = TypeVar("F")
R = TypeVar("R")


def _unavailable() -> StorageError:
    return Unavailable("injected fault")


@final
class Faulty(Backend[F], Generic[F]):
    """Another backend, with faults drawn from *rng*; the same seed gives the same faults.

    *error_rate* (0 to 1) of the operations fail with what *error* makes, by default
    ``Unavailable``; of those, *after_commit* (0 to 1) fail after they were carried out, with
    ``sent="maybe"``, the rest before, with ``sent="no"``. Each takes *latency* seconds more, or
    what *latency* draws from *rng*.

    Attributes:
        before: How many failed without being carried out.
        after: How many failed although they were carried out.

    Raises:
        StackError: A rate is not within 0 and 1.
    """

    def __init__(
        self,
        backend: Backend[F],
        rng: random.Random,
        *,
        error_rate: float = 0.0,
        after_commit: float = 0.0,
        latency: float | Callable[[random.Random], float] = 0.0,
        error: Callable[[], StorageError] = _unavailable,
    ) -> None:
        for name, rate in (("error_rate", error_rate), ("after_commit", after_commit)):
            if not 0 <= rate <= 1:
                msg = f"{name} must be within 0 and 1, got {rate!r}"
                raise StackError(msg)
        self.name = f"faulty {backend.name}"
        self.before = 0
        self.after = 0
        self._backend = backend
        self._rng = rng
        self._error_rate = error_rate
        self._after_commit = after_commit
        self._latency = latency
        self._error = error
        vars(self).update(batches=backend.batches, needs_open=backend.needs_open)

    def facade(self, bound: Bound) -> F:
        return self._backend.facade(bound)

    def capabilities(self) -> Capabilities:
        return self._backend.capabilities()

    def handler(self, op: type[Operation[R]]) -> Handler[Operation[R], R]:
        self._backend.runtime = self.runtime
        inner = self._backend.handler(op)

        async def answer(op: Operation[R]) -> R:
            return await self._play(op, inner)

        return answer

    async def open(self) -> None:
        self._backend.runtime = self.runtime
        await self._backend.open()

    async def close(self) -> None:
        await self._backend.close()

    async def _play(self, op: Operation[Any], inner: Handler[Any, R]) -> R:
        fails = self._rng.random() < self._error_rate
        late = fails and self._rng.random() < self._after_commit
        seconds = self._latency(self._rng) if callable(self._latency) else self._latency
        if seconds:
            await asyncio.sleep(seconds)
        if fails and not late:
            self.before += 1
            error = self._error()
            error.sent = "no"
            raise error
        answer = await inner(op)
        if late:
            self.after += 1
            raise self._error()
        return answer
