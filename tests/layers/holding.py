"""A store whose reads hold their place until they are told to end."""

from __future__ import annotations

import asyncio

from lamina.backend import serves
from lamina.domains.keyvalue import Get, KeyValueBackend


class Holding(KeyValueBackend):
    """Takes *seconds* for each read; keeps the order in which they began, and how many at once."""

    name = "holding"

    def __init__(self, seconds: float = 1.0) -> None:
        self.seconds = seconds
        self.began: list[str] = []
        self.running = self.most = 0

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        self.began.append(op.key)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self.seconds)
            return op.key.encode()
        finally:
            self.running -= 1


def clock() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()
