"""What stands behind the backend: one server, a master that sentinels know, or a cluster."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Protocol, final

from lamina.backends.redis.cluster import Cluster
from lamina.backends.redis.links import link
from lamina.backends.redis.members import Members
from lamina.backends.redis.node import Node, greet
from lamina.backends.redis.pool import Pool
from lamina.backends.redis.scans import LAST, Look, look
from lamina.backends.redis.sentinel import Sentinels
from lamina.backends.redis.wire import PING
from lamina.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from lamina.backends.redis.address import Address, Host
    from lamina.backends.redis.links import Link
    from lamina.backends.redis.wire import Packed
    from lamina.runtime import Runtime

_CURSOR: Final = re.compile(r"([0-9a-f]{0,40})-([0-9]{1,20})")


class Server(Protocol):
    """Answers commands, wherever the keys are."""

    async def open(self) -> None:
        """Connect, and see that it is what it should be."""

    async def close(self) -> None:
        """Close all connections."""

    async def check(self) -> None:
        """Make a round trip."""

    async def ask(self, command: Packed, name: bytes = b"", values: int = 0) -> Any:
        """Return the answer to one command on the key *name*, or so many *values*."""

    async def ask_each(self, commands: Sequence[Packed], names: Sequence[bytes]) -> list[Any]:
        """Return the answer to each command, which may be an error."""
        ...

    async def scan(
        self, pattern: bytes, cursor: str | None, count: int
    ) -> tuple[tuple[bytes, ...], str | None]:
        """Return names that match, and where to go on."""
        ...


@final
class Single:
    """One server that holds all keys, found at an address or by sentinels."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.ask = node.ask

    async def open(self) -> None:
        """Ask the server who it is."""
        await greet(self._node, cluster=False)

    async def close(self) -> None:
        """Close all connections."""
        await self._node.pool.close()

    async def check(self) -> None:
        """Make a round trip."""
        await self._node.ask(PING)

    async def ask_each(self, commands: Sequence[Packed], names: Sequence[bytes]) -> list[Any]:
        """Return the answer to each command, which may be an error."""
        del names  # all keys are here
        return await self._node.ask_all(commands)

    async def ask_whole(self, commands: Sequence[Packed], values: int) -> list[Any]:
        """Return the answers to a transaction, the last so many values and one more, flat."""
        return await self._node.ask_all(commands, values)

    async def scan(
        self, pattern: bytes, cursor: str | None, count: int
    ) -> tuple[tuple[bytes, ...], str | None]:
        """Return names that match, and where to go on."""
        found = _CURSOR.fullmatch(cursor or "-0")
        if found is None or int(found[2]) > LAST:
            msg = "the cursor is none that a scan has given"
            raise Invalid(msg)
        told = await look(self._node, Look(found[1], int(found[2])), pattern, count)
        return told.names, f"{told.run}-{told.position}" if told.position else None


def server(
    address: Address,
    *,
    master: str | None,
    cluster: bool,
    connections: int,
    timeout: float,
    connect_timeout: float,
    runtime: Callable[[], Runtime],
) -> Server:
    """Return what stands at *address*, not yet connected."""

    def node(make: Callable[[], Coroutine[Any, Any, Link]], place: str) -> Node:
        limits = {"timeout": timeout, "connect_timeout": connect_timeout}
        return Node(Pool(make, place=place, size=connections, **limits), timeout=timeout)

    def node_at(host: Host | None) -> Node:
        place = address.path if host is None else f"{host[0]}:{host[1]}"
        return node(lambda: _connected(link(address, host, connect_timeout)), place)

    if cluster:
        members = Members(address.hosts, node_at, patience=connect_timeout)
        return Cluster(members, runtime)
    if master is not None:
        return Single(
            node(Sentinels(address, master, connect_timeout).connected, f"the master {master}")
        )
    return Single(node_at(address.hosts[0] if address.hosts else None))


async def _connected(made: Link) -> Link:
    done = False
    try:
        await made.connect()
        done = True
    finally:
        if not done:
            await made.disconnect(nowait=True)
    return made
