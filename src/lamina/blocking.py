"""Threads for clients that block: bounded in number, each call under a deadline."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar, final

from lamina.context import remaining
from lamina.errors import Closed, DeadlineExceeded, StackError, TimedOut, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")
_OVER: Final = "the caller's deadline has passed"


@final
class Blocking:
    """Run the calls of a client that blocks, in at most *threads* threads of their own.

    A call may take *timeout* seconds, waiting for a thread included, or what is left before the
    caller's deadline. A thread cannot be stopped: one whose caller left goes on, and its place is
    free again when it ends. None of them keeps the process alive.

    Raises:
        StackError: A number is not above 0.
    """

    def __init__(self, name: str, *, threads: int = 8, timeout: float = 30.0) -> None:
        if threads < 1 or not 0 < timeout <= threading.TIMEOUT_MAX:
            msg = f"threads and timeout must be more than 0, got {threads!r} and {timeout!r}"
            raise StackError(msg)
        self.name = name
        self.threads = threads
        self.timeout = timeout
        self._free = asyncio.Semaphore(threads)
        self._executor = _Daemons(name)
        self._closed = False

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what *work* returns, or raise what it raises.

        Raises:
            Closed: It was closed.
            Unavailable: No thread became free in time, or can be started; nothing was sent.
            TimedOut: The call took too long; what it does meanwhile is not known.
            DeadlineExceeded: The caller's deadline came first; ``sent`` says where.
        """
        loop = asyncio.get_running_loop()
        left = remaining(loop.time())
        ends = loop.time() + min(self.timeout, max(left, 0.0))
        is_cut = left < self.timeout
        await self._enter(ends, is_cut=is_cut)
        try:
            job = loop.run_in_executor(self._executor, lambda: work(*args, **kwargs))
        except RuntimeError as error:  # the system gives none
            self._free.release()
            msg = f"no thread can be started for {self.name}"
            raise Unavailable(msg, sent="no") from error
        job.add_done_callback(self._leave)
        done, _ = await asyncio.wait({job}, timeout=ends - loop.time())
        if not done and is_cut:
            raise DeadlineExceeded(_OVER)
        if not done:
            msg = f"no answer of a blocking call within {self.timeout:g} s"
            raise TimedOut(msg)
        return job.result()

    async def close(self) -> None:
        """Refuse new calls and wait for those that run, at most *timeout* seconds."""
        self._closed = True
        held = 0
        try:
            async with asyncio.timeout(self.timeout):
                while held < self.threads:
                    await self._free.acquire()
                    held += 1
        except TimeoutError:  # its thread is a daemon
            pass
        finally:
            for _ in range(held):
                self._free.release()

    async def _enter(self, ends: float, *, is_cut: bool) -> None:
        self._check()
        try:
            async with asyncio.timeout_at(ends):
                await self._free.acquire()
        except TimeoutError as error:
            if is_cut:
                raise DeadlineExceeded(_OVER, sent="no") from error
            msg = f"all {self.threads} threads of {self.name} are busy"
            raise Unavailable(msg, sent="no") from error
        try:
            self._check()
        except Closed:
            self._free.release()
            raise

    def _check(self) -> None:
        if self._closed:
            msg = f"{self.name} is closed"
            raise Closed(msg)

    def _leave(self, job: asyncio.Future[T]) -> None:
        self._free.release()
        if not job.cancelled():
            job.exception()  # its caller may have left


class _Daemons(Executor):
    """A daemon thread for each job: an executor's own would keep the process until it answers."""

    def __init__(self, name: str) -> None:
        self._name = name

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except StopIteration as error:  # no future of asyncio takes one
                told = RuntimeError("a blocking call raised StopIteration")
                told.__cause__ = error
                future.set_exception(told)
            except BaseException as error:  # told by the future
                future.set_exception(error)

        threading.Thread(target=work, name=self._name, daemon=True).start()
        return future
