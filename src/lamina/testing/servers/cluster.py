"""A cluster of Valkeys."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, final

from lamina.testing.servers.problems import ServerFailed
from lamina.testing.servers.together import Servers
from lamina.testing.servers.until import until
from lamina.testing.servers.valkey import Valkey

if TYPE_CHECKING:
    from typing import Self

SLOTS: Final = 16_384


@final
class _Node(Valkey):
    """One node; its second port is the cluster's own."""

    name = "node"
    ports_needed = 2
    databases = 1

    def _arguments(self) -> list[str]:
        return [
            *super()._arguments(),
            *("--cluster-enabled", "yes", "--cluster-port", str(self.ports[1])),
            *("--cluster-node-timeout", "1500", "--cluster-require-full-coverage", "no"),
        ]


@final
class Cluster:
    """Masters that share the slots, each with replicas that take over when it dies.

    Args:
        masters: How many share the slots.
        replicas: How many follow each master.
        timeout: How long each step of starting may take, in seconds.
    """

    def __init__(self, *, masters: int = 3, replicas: int = 1, timeout: float = 30.0) -> None:
        self.timeout = timeout
        self.masters = [_Node(timeout=timeout) for _ in range(masters)]
        self.replicas = [_Node(timeout=timeout) for _ in range(masters * replicas)]

    @property
    def nodes(self) -> list[Valkey]:
        """Those that began as masters, then those that began as their replicas, in turn."""
        return [*self.masters, *self.replicas]

    @property
    def url(self) -> str:
        """The first node, from which clients find the rest."""
        return self.masters[0].url

    @property
    def urls(self) -> list[str]:
        """All nodes."""
        return [node.url for node in self.nodes]

    @property
    def ports(self) -> list[int]:
        """Where the nodes listen."""
        return [node.port for node in self.nodes]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Start all nodes, share the slots, and wait until every node knows and follows.

        Raises:
            ServerFailed: The cluster does not come up.
        """
        try:
            Servers(*self.nodes).start()
            self._share()
            self._meet()
            self._follow()
            until(self._is_complete, self.timeout, "the cluster is not complete")
        except BaseException:
            self.stop()
            raise
        return self

    def _share(self) -> None:
        count = len(self.masters)
        bounds = [SLOTS * number // count for number in range(count + 1)]
        for epoch, (node, (first, end)) in enumerate(
            zip(self.masters, pairwise(bounds), strict=True), start=1
        ):
            with node.connection() as run:
                run("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
                run("CLUSTER", "SET-CONFIG-EPOCH", epoch)

    def _meet(self) -> None:
        with self.masters[0].connection() as run:
            for node in self.nodes[1:]:
                run("CLUSTER", "MEET", "127.0.0.1", node.port, node.ports[1])
        until(self._all_met, self.timeout, "the nodes do not find each other")

    def _all_met(self) -> bool:
        lines = [_ask(node, "CLUSTER", "NODES").splitlines() for node in self.nodes]
        return all(
            len(seen) == len(self.nodes) and not any("handshake" in line for line in seen)
            for seen in lines
        )

    def _follow(self) -> None:
        names = [_ask(master, "CLUSTER", "MYID") for master in self.masters]
        for number, replica in enumerate(self.replicas):
            with replica.connection() as run:
                run("CLUSTER", "REPLICATE", names[number % len(names)])

    def _is_complete(self) -> bool:
        healthy = all("cluster_state:ok" in _ask(node, "CLUSTER", "INFO") for node in self.nodes)
        return healthy and all(
            "master_link_status:up" in _ask(replica, "INFO", "replication")
            for replica in self.replicas
        )

    def flush(self) -> None:
        """Remove all keys."""
        for node in self.nodes:
            if node.running and "role:master" in _ask(node, "INFO", "replication"):
                _ask(node, "FLUSHALL")

    def master_of(self, key: str) -> Valkey:
        """Return the node that has *key* now.

        Raises:
            ServerFailed: No node that runs has it.
        """
        for node in self.nodes:
            if node.running and "role:master" in _ask(node, "INFO", "replication"):
                slot = int(_ask(node, "CLUSTER", "KEYSLOT", key))
                if any(slot in owned for owned in _owned(_ask(node, "CLUSTER", "NODES"))):
                    return node
        msg = "no node has the key's slot"
        raise ServerFailed(msg)

    def kill_master(self, key: str = "") -> Valkey:
        """Kill the node that has *key* and return it; its replica takes over within seconds."""
        node = self.master_of(key)
        node.kill()
        return node

    def stop(self) -> None:
        """End all nodes."""
        Servers(*self.nodes).stop()


def _ask(node: Valkey, *words: str) -> str:
    with node.connection() as run:
        return str(run(*words))


def _owned(nodes: str) -> list[range]:
    """Return the slots of the node itself, from what ``CLUSTER NODES`` answers it."""
    own = next(line for line in nodes.splitlines() if "myself" in line.split()[2])
    found: list[range] = []
    for part in own.split()[8:]:
        if not part.startswith("["):  # a slot that moves
            first, _, last = part.partition("-")
            found.append(range(int(first), int(last or first) + 1))
    return found
