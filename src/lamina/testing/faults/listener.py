"""What listens on loopback, inside the running loop or in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
from abc import ABC, abstractmethod
from concurrent.futures import Future
from threading import Thread
from typing import TYPE_CHECKING, Final, Self, TypeVar

from lamina.testing.faults.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

T = TypeVar("T")
_BACKLOG: Final = 256


class Listener(ABC):
    """Listens from its first line to its last: ``async with`` in this loop, ``with`` in a thread.

    The thread serves clients that block, or run in loops of their own. Either way methods and
    attributes may be used from any thread.

    Attributes:
        host: Always ``127.0.0.1``.
        port: A free one, chosen at the start and kept.
        connections: How many were accepted so far.
    """

    host = "127.0.0.1"

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self._held: socket.socket | None = None
        self._listening: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._live: set[Connection] = set()
        self._problems: list[Exception] = []

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"{self.host}:{self.port}"

    @abstractmethod
    async def serve(self, client: Connection, number: int) -> None:
        """Talk to the *client* that came as *number*, 1 being the first, until it ends."""

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._hold()
        self._listen()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop()
        if self._problems and error is None:
            raise self._problems[0]

    def __enter__(self) -> Self:
        loop = asyncio.new_event_loop()
        self._thread = Thread(target=loop.run_forever, name=type(self).__name__, daemon=True)
        self._thread.start()
        return asyncio.run_coroutine_threadsafe(self.__aenter__(), loop).result()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._loop is None or self._thread is None:
            return
        loop = self._loop
        try:
            asyncio.run_coroutine_threadsafe(self.__aexit__(kind, error, trace), loop).result()
        finally:
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join()
            loop.close()

    def reset_connections(self) -> None:
        """Reset every connection there is, now."""
        self._at_once(self._reset_all)

    def _reset_all(self) -> None:
        for connection in self._live:
            connection.reset()

    def _at_once(self, step: Callable[[], T]) -> T:
        """Run *step* in the loop that serves, whichever thread asks."""
        if self._loop is None or self._loop is asyncio._get_running_loop():  # noqa: SLF001  # None where there is none
            return step()
        told: Future[T] = Future()

        def there() -> None:
            try:
                told.set_result(step())
            except BaseException as error:  # it is handed over, whatever it is
                told.set_exception(error)

        self._loop.call_soon_threadsafe(there)
        return told.result()

    def _hold(self) -> None:
        """Keep the port while nothing listens, so that no one else gets it."""
        self._held = _socket()
        self._held.bind((self.host, self.port))
        self.port = self._held.getsockname()[1]

    def _listen(self) -> None:
        if self._loop is None or self._listening is not None:
            return
        self._listening = _socket()
        self._listening.bind((self.host, self.port))
        self._listening.listen(_BACKLOG)
        self._loop.add_reader(self._listening, self._accept, self._loop, self._listening)

    def _stop_listening(self) -> None:
        if self._loop is not None and self._listening is not None:
            self._loop.remove_reader(self._listening)
            self._listening.close()
            self._listening = None

    def _accept(self, loop: asyncio.AbstractEventLoop, listening: socket.socket) -> None:
        try:
            accepted, _ = listening.accept()
        except (BlockingIOError, ConnectionError):  # it left before it was seen
            return
        self.connections += 1
        task = loop.create_task(self._converse(accepted, self.connections))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(self, accepted: socket.socket, number: int) -> None:
        accepted.settimeout(0.0)
        client = await Connection.over(accepted)
        self._live.add(client)
        try:
            await self.serve(client, number)
            await client.close()
        except Exception as problem:  # raised where the listener ends
            self._problems.append(problem)
        finally:
            client.abort()
            self._live.discard(client)

    async def _stop(self) -> None:
        self._stop_listening()
        for connection in self._live:
            connection.abort()
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the transports tell that they are gone
        if self._held is not None:
            self._held.close()
            self._held = None
        self._loop = None


def _socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.settimeout(0.0)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "SO_REUSEPORT"):
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return made
