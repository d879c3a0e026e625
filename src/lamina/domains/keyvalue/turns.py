"""Turns at a key, for what reads, changes and writes it."""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, final
from weakref import WeakValueDictionary

from lamina.context import remaining
from lamina.errors import DeadlineExceeded

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from lamina.runtime import Runtime


@final
class Turns:
    """Lets one at a time of this stack change a key: others would only make each other repeat."""

    def __init__(self, layer: str, runtime: Runtime) -> None:
        self._layer = layer
        self._runtime = runtime
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def at(self, key: tuple[str, str]) -> AsyncGenerator[None, None]:
        """Wait for a turn, no longer than the caller has time.

        Raises:
            DeadlineExceeded: The caller's deadline came first.
        """
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        left = remaining(self._runtime.now())
        try:
            async with asyncio.timeout(None if math.isinf(left) else left):
                await lock.acquire()
        except TimeoutError as error:
            msg = "the deadline came while others changed the key"
            raise DeadlineExceeded(msg, layer=self._layer, sent="no") from error
        try:
            yield
        finally:
            lock.release()
