"""Carry requests out, short ones at once and long ones off the event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar, final

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.testing.servers.upstash.index import Index

T = TypeVar("T")

_SHORT_BODY: Final = 16_384
_SHORT_WEIGHT: Final = 200_000


@final
class Work:
    """Runs jobs on an index under its lock, so that one that nobody waits for harms nothing."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(4, "upstash")

    async def run(self, index: Index, size: int, job: Callable[[], T]) -> T:
        """Return what *job* does; *size* is that of the body, in bytes."""
        short = size < _SHORT_BODY and not index.kind.embeds
        if short and index.lock.acquire(blocking=False):
            try:
                if index.weight < _SHORT_WEIGHT:
                    return job()
            finally:
                index.lock.release()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _locked, index, job)

    def close(self) -> None:
        """Wait for what runs, and end the threads."""
        self._threads.shutdown()


def _locked(index: Index, job: Callable[[], T]) -> T:
    with index.lock:
        return job()
