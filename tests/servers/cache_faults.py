"""What a network and a server do to a trial: each fault comes, is felt, and goes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cache_trial import Trial

    from lamina.testing.faults import FaultProxy
    from lamina.testing.servers import Server


class Faults:
    """The faults of one way to one server."""

    def __init__(self, trial: Trial, proxy: FaultProxy, server: Server) -> None:
        self.trial = trial
        self.proxy = proxy
        self.server = server

    async def of_network(self) -> None:
        """Run a round with each fault of the network."""
        await self.trial.rounds(
            lambda: self.cut("after_request", "reset"),
            lambda: self.cut("in_answer", "close", after=2),
            lambda: self.cut("in_request", "reset", after=9),
            *(self.late, self.silent, self.refused, self.late),
        )

    async def of_server(self) -> None:
        """Run a round with each fault of the server."""
        await self.trial.rounds(self.paused, self.killed, self.paused)

    async def cut(self, name: str, how: str, **more: Any) -> None:
        before = self.proxy.struck
        getattr(self.proxy, name)(how, times=6, **more)
        assert await self.trial.until(lambda: self.proxy.struck >= before + 6)

    async def late(self) -> None:
        self.proxy.delay(up=self.trial.lateness)
        await self.trial.held_up()
        self.proxy.heal()

    async def silent(self) -> None:
        self.proxy.blackhole()
        await self.trial.held_up()
        self.proxy.heal()

    async def refused(self) -> None:
        self.proxy.refuse()
        self.proxy.reset_connections()
        await self.failing()
        self.proxy.heal()

    async def paused(self) -> None:
        self.server.pause()
        try:
            await self.trial.held_up()
        finally:
            self.server.resume()

    async def killed(self) -> None:
        await asyncio.to_thread(self.server.kill)
        await self.failing()
        await asyncio.to_thread(self.server.restart)

    async def failing(self) -> None:
        before = self.trial.failed
        assert await self.trial.until(lambda: self.trial.failed > before + 20)
