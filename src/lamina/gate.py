"""Who may enter a store: while it is open, on its own loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, final

from lamina.errors import Closed, WrongLoop

if TYPE_CHECKING:
    from lamina.runtime import Runtime


@final
class Gate:
    """Lets calls in while the store is open and on its own loop; knows how many are inside."""

    __slots__ = ("closed", "idle", "loop", "name", "needs_open", "running", "runtime", "seen")

    def __init__(self, name: str, runtime: Runtime, *, needs_open: bool) -> None:
        self.name = name
        self.runtime = runtime
        self.needs_open = needs_open
        self.closed = False
        self.running = 0
        self.idle: asyncio.Event | None = None
        self.loop: asyncio.AbstractEventLoop | None = None  # None refuses the fast path
        self.seen: asyncio.AbstractEventLoop | None = None

    def admit(self) -> None:
        """Let the first call in, or say why a call may not pass."""
        self.check_not_closed()
        if self.needs_open:
            msg = f"{self.name} is not opened: use 'async with' on it, or lamina.open()"
            raise Closed(msg)
        self.claim()

    def check_not_closed(self) -> None:
        """Refuse what comes after closing."""
        if self.closed:
            msg = f"{self.name} is closed"
            raise Closed(msg)

    def claim(self) -> None:
        """Belong to the running loop."""
        loop = asyncio.get_running_loop()
        if self.seen is not None and self.seen is not loop:
            msg = f"{self.name} belongs to another event loop; build one for each loop"
            raise WrongLoop(msg)
        self.loop = self.seen = loop
        self.runtime.bind(loop)

    def refuse(self) -> None:
        """Let nothing in from now on."""
        self.closed = True
        self.loop = None

    def leave(self) -> None:
        """Note that one of those inside has left."""
        self.running -= 1
        if self.idle is not None and not self.running:
            self.idle.set()

    async def shut(self, grace: float) -> None:
        """Refuse new calls and wait at most *grace* seconds for those inside."""
        self.refuse()
        if self.running:
            self.idle = asyncio.Event()
            try:
                async with asyncio.timeout(grace):
                    await self.idle.wait()
            except TimeoutError:
                return
