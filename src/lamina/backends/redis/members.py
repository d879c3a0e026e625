"""The nodes of a cluster, and who of them holds what as far as is known."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, final

from redis.exceptions import ResponseError

from lamina.backends.redis.failures import FAILURES, refused
from lamina.backends.redis.slots import Slots
from lamina.backends.redis.wire import CLUSTER_SLOTS
from lamina.errors import Closed, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.backends.redis.address import Host
    from lamina.backends.redis.node import Node

_TRIES: Final = 3
"""How many nodes that hang leave time for another."""


@final
class Members:
    """Nodes that are made by *node* when first needed; *seeds* are asked for the others.

    Asking who holds what ends after *patience* seconds. Who waits for that shares its outcome.
    """

    def __init__(
        self, seeds: Sequence[Host], node: Callable[[Host], Node], *, patience: float
    ) -> None:
        self._seeds = seeds
        self._make = node
        self._nodes: dict[Host, Node] = {}
        self._slots = Slots()
        self._suspects: set[Host] = set()
        self._is_stale = True
        self._patience = patience
        self._asking = asyncio.Lock()
        self._failures = 0
        self._closed = False
        self._teller = self._seeds[0]

    @property
    def teller(self) -> Node:
        """The node that told last who holds what."""
        return self.at(self._teller)

    async def known(self) -> Slots:
        """Return who holds what, asked anew if something has spoken against it.

        Raises:
            StorageError: No node tells.
        """
        if self._is_stale:
            before = self._failures
            async with self._asking:
                if self._failures > before:
                    raise FAILURES["no nodes"].error()
                if self._is_stale:
                    await self._asked_anew()
        return self._slots

    def at(self, host: Host) -> Node:
        """Return the node there.

        Raises:
            Closed: They are.
        """
        if self._closed:
            msg = "the backend is closed"
            raise Closed(msg)
        node = self._nodes.get(host)
        if node is None:
            node = self._nodes[host] = self._make(host)
        return node

    def doubt(self) -> None:
        """Ask anew before the next call."""
        self._is_stale = True

    def move(self, slot: int, host: Host) -> None:
        """Note that *host* holds *slot* now."""
        self._slots.move(slot, host)
        self.doubt()

    def suspect(self, host: Host) -> None:
        """Note that *host* failed: it is asked last."""
        self._suspects.add(host)
        self.doubt()

    def trust(self, host: Host) -> None:
        """Note that *host* answered."""
        if self._suspects:
            self._suspects.discard(host)

    async def close(self) -> None:
        """Close the connections to all nodes."""
        nodes, self._nodes, self._closed = self._nodes, {}, True
        try:
            for node in nodes.values():
                await node.pool.close()
        finally:
            for node in nodes.values():
                await node.pool.abort()

    async def _asked_anew(self) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._ask_anew()
        except StorageError:
            self._failures += 1
            raise
        except TimeoutError as error:
            self._failures += 1
            raise FAILURES["no nodes"].error() from error

    async def _ask_anew(self) -> None:
        """Ask the nodes, those that failed last and the seeds last of all.

        One that hangs leaves time for others.
        """
        share = self._patience / (_TRIES + 1)
        known = dict.fromkeys((*self._slots.hosts(), *self._seeds))
        failure: StorageError | None = None
        for host in sorted(known, key=self._suspects.__contains__):
            try:
                async with asyncio.timeout(share):
                    told = await self.at(host).ask(CLUSTER_SLOTS)
            except ResponseError as error:
                failure = refused(error)
                failure.__cause__ = error
                continue
            except (StorageError, TimeoutError) as error:
                failure = error if isinstance(error, StorageError) else failure
                self._suspects.add(host)
                continue
            self._teller = host
            self._slots = Slots.told(told, host)
            self._is_stale = False
            await self._retire(set(self._nodes) - set(self._slots.hosts()))
            return
        raise FAILURES["no nodes"].error() if failure is None or failure.transient else failure

    async def _retire(self, hosts: set[Host]) -> None:
        self._suspects -= hosts
        for host in hosts:
            await self._nodes.pop(host).pool.retire()
