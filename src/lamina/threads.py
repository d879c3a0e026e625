"""One thread for work that would block the loop, with its jobs one after the other."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar, final

from lamina.errors import Closed

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


@final
class OneThread:
    """Runs synchronous work in order, in a thread that starts with the first job.

    A cancelled caller leaves at once; what it asked for is carried out all the same, unless it
    has not begun.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._closed = False
        self._executor: ThreadPoolExecutor | None = None

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what *work* returns."""
        if self._closed:
            msg = f"{self.name} is closed"
            raise Closed(msg)
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, self.name)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: work(*args, **kwargs))

    async def close(self) -> None:
        """Wait for the jobs that were asked for; refuse others."""
        self._closed = True
        executor, self._executor = self._executor, None
        if executor is not None:
            try:
                await asyncio.get_running_loop().run_in_executor(executor, _nothing)
            finally:
                executor.shutdown(wait=False)


def _nothing() -> None:
    pass
