"""What all connections through a proxy share: the faults, the pace, the counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, final

from lamina.testing.faults.script import Script

if TYPE_CHECKING:
    from lamina.testing.faults.splitting import Splitter

Seconds = float | Callable[[], float]


@final
class Flow:
    """One direction: its delay, its rate in bytes a second (no limit if ``None``), its bytes."""

    def __init__(self) -> None:
        self.bytes = 0
        self.delay: Seconds = 0.0
        self.rate: float | None = None

    async def wait(self) -> None:
        """Hold up one request or answer."""
        seconds = self.delay() if callable(self.delay) else self.delay
        if seconds > 0:
            await asyncio.sleep(seconds)


@final
class Traffic:
    """The state that the proxy's methods change while it runs."""

    def __init__(self, splitter: Splitter | None) -> None:
        self.splitter = splitter
        self.script = Script()
        self.up = Flow()
        self.down = Flow()
        self.requests = 0
        self.black = False
