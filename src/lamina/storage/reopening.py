"""A backend that could not be opened, and is tried again when it is needed."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, TypeVar, final

from lamina.backend import Backend
from lamina.errors import Closed, StorageError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from lamina.bound import Bound
    from lamina.capabilities import Capabilities
    from lamina.operation import Handler, Operation, R

F = TypeVar("F")
_log: Final = logging.getLogger("lamina.storage")


@final
class _Cell:
    """The handler of one operation type, exchanged when the backend is."""

    __slots__ = ("inner", "op")

    def __init__(self, op: type[Operation[Any]], inner: Handler[Any, Any]) -> None:
        self.op = op
        self.inner = inner


@final
class Reopening(Backend[F]):
    """Stand for the backend that *make* gives, also while it cannot be opened.

    After a failed ``open`` each operation raises ``Unavailable``, which the layers above see; at
    most every *pause* seconds one of them starts another attempt, with a backend made anew. An
    attempt may take *patience* seconds; operations that come meanwhile wait for it. Once open it
    costs one plain call an operation.

    Attributes:
        error: Why it is not open; None while it is, and before the first attempt.
    """

    def __init__(
        self, make: Callable[[], Backend[F]], *, pause: float = 5.0, patience: float = 10.0
    ) -> None:
        self._make = make
        self._inner = make()
        self._pause = pause
        self._patience = patience
        self._cells: list[_Cell] = []
        self._attempt: asyncio.Task[None] | None = None
        self._next = 0.0
        self._open = False
        self._tried = False
        self.error: StorageError | None = None
        self.name = self._inner.name
        setattr(self, "batches", self._inner.batches)  # noqa: B010  # not those of this class

    def facade(self, bound: Bound) -> F:
        return self._inner.facade(bound)

    def capabilities(self) -> Capabilities:
        return self._inner.capabilities()

    def handler(self, op: type[Operation[R]]) -> Handler[Operation[R], R]:
        cell = _Cell(op, self._inner.handler(op) if self._open else self._late)
        self._cells.append(cell)

        def answer(asked: Operation[R]) -> Coroutine[Any, Any, R]:
            return cell.inner(asked)

        return answer

    async def open(self) -> None:
        """Connect within *patience* seconds.

        Raises:
            StorageError: It cannot be opened; ``Unavailable`` if that takes too long.
        """
        try:
            await self._renew()
            self._inner.runtime = self.runtime
            async with asyncio.timeout(self._patience):
                await self._inner.open()
        except StorageError as error:
            self.error = error
            raise
        except TimeoutError as error:
            self.error = Unavailable(f"not connected within {self._patience:g} s", sent="no")
            raise self.error from error
        except Exception as error:
            self.error = Unavailable(f"not opened: {type(error).__name__}", sent="no")
            raise
        except asyncio.CancelledError:
            self.error = Unavailable("opening was given up", sent="no")
            raise
        finally:
            self._next = self.runtime.now() + self._pause
        self._open, self.error = True, None
        for cell in self._cells:
            cell.inner = self._inner.handler(cell.op)

    async def close(self) -> None:
        await self._inner.close()

    async def _renew(self) -> None:
        """Put a new backend in the place of one that was not opened."""
        if self._tried:
            before, self._inner = self._inner, self._make()
            await before.close()
        self._tried = True

    async def _late(self, op: Operation[Any]) -> Any:
        if self.error is None:
            msg = f"{self.name} is not opened: use 'async with' on it, or lamina.open()"
            raise Closed(msg)
        if self._attempt is None and self.runtime.now() >= self._next:
            self._attempt = self.runtime.spawn(self._again(), f"reopen {self.name}")
        if self._attempt is not None:
            await asyncio.wait((self._attempt,))  # which a cancelled operation leaves running
        if self._open:
            return await self._inner.handler(type(op))(op)
        left = max(self._next - self.runtime.now(), 0.0)
        msg = f"not open: {self.error}; tried again in {left:.3g} s"
        transient = self.error.transient
        raise Unavailable(msg, sent="no", transient=transient, retry_after=left) from self.error

    async def _again(self) -> None:
        try:
            await self.open()
            _log.info("%s is open again", self.name)
        except Exception as error:  # told by `self.error` to whoever asks
            _log.debug("%s is still not open: %s", self.name, type(error).__name__)
        finally:
            self._attempt = None
