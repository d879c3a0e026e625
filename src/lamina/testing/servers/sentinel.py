"""A Valkey with replicas, watched by sentinels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from lamina.testing.servers.problems import ServerFailed
from lamina.testing.servers.together import Servers
from lamina.testing.servers.until import until
from lamina.testing.servers.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

MASTER: Final = "mymaster"
_DOWN_AFTER: Final = 500
"""Milliseconds without an answer after which a sentinel takes the master for dead."""


@final
class _Watcher(Valkey):
    """One sentinel: the same program with a file of settings, which it rewrites."""

    name = "sentinel"

    def __init__(self, master: Valkey, quorum: int, timeout: float) -> None:
        super().__init__(timeout=timeout)
        self._master = master
        self._quorum = quorum

    def _arguments(self) -> list[str]:
        settings = self.data / "sentinel.conf"
        return [str(settings), "--sentinel"]

    def _prepare(self) -> None:
        lines = [
            *(f"port {self.port}", "bind 127.0.0.1", f"dir {self.data}"),
            f"sentinel monitor {MASTER} 127.0.0.1 {self._master.port} {self._quorum}",
            f"sentinel down-after-milliseconds {MASTER} {_DOWN_AFTER}",
            f"sentinel failover-timeout {MASTER} 2000",
        ]
        settings = self.data / "sentinel.conf"
        settings.write_text("\n".join([*lines, ""]))
        self._give(settings)


@final
class Sentinel:
    """A master, its replicas, and the sentinels that make a replica the master when it dies.

    Args:
        replicas: How many follow the master.
        sentinels: How many watch; most of them must agree.
        options: More of the command line of master and replicas.
        timeout: How long each step of starting may take, in seconds.
    """

    name: Final = MASTER
    """What clients ask the sentinels for."""

    def __init__(
        self,
        *,
        replicas: int = 1,
        sentinels: int = 3,
        options: Sequence[str] = (),
        timeout: float = 30.0,
    ) -> None:
        self.timeout = timeout
        self.nodes = [Valkey(options, timeout=timeout)]
        self.sentinels: list[Valkey] = []
        self._replicas = replicas
        self._watchers = sentinels
        self._options = [*options]

    @property
    def urls(self) -> list[str]:
        """The master that it started with, and the replicas."""
        return [node.url for node in self.nodes]

    @property
    def ports(self) -> list[int]:
        """Where the sentinels listen."""
        return [sentinel.port for sentinel in self.sentinels]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Start all and wait until the sentinels know each other and the replicas.

        Raises:
            ServerFailed: It does not come up.
        """
        try:
            master = self.nodes[0].start()
            follow = [*self._options, "--replicaof", f"127.0.0.1 {master.port}"]
            self.nodes += [Valkey(follow, timeout=self.timeout) for _ in range(self._replicas)]
            quorum = self._watchers // 2 + 1
            self.sentinels = [_Watcher(master, quorum, self.timeout) for _ in range(self._watchers)]
            Servers(*self.nodes[1:]).start()
            until(self._follow, self.timeout, "the replicas do not follow the master")
            Servers(*self.sentinels).start()  # which look for replicas now, and again after 10 s
            until(self._is_complete, self.timeout, "the sentinels do not find each other")
        except BaseException:
            self.stop()
            raise
        return self

    def _follow(self) -> bool:
        links = [_info(node).get("master_link_status") for node in self.nodes[1:]]
        return links == ["up"] * self._replicas

    def _is_complete(self) -> bool:
        """Tell whether each sentinel knows the rest."""
        wanted = {"num-slaves": self._replicas, "num-other-sentinels": self._watchers - 1}
        told = [self._ask(sentinel) for sentinel in self.sentinels]
        return all(int(one[key]) == count for one in told for key, count in wanted.items())

    def _ask(self, sentinel: Valkey) -> dict[str, str]:
        with sentinel.connection() as run:
            answer = run("SENTINEL", "MASTER", MASTER)
        assert isinstance(answer, list)
        words = [str(word) for word in answer]
        return dict(zip(words[::2], words[1::2], strict=True))

    def master(self) -> Valkey:
        """Return the node that the sentinels call the master now.

        Raises:
            ServerFailed: They call none of ours.
        """
        for sentinel in self.sentinels:
            if sentinel.running:
                port = int(self._ask(sentinel)["port"])
                for node in self.nodes:
                    if node.port == port:
                        return node
        msg = "no sentinel knows the master"
        raise ServerFailed(msg)

    def kill_master(self) -> Valkey:
        """Kill the master and return it; some ten seconds after its `restart` it is a replica."""
        master = self.master()
        master.kill()
        return master

    def pause_master(self) -> Valkey:
        """Pause the master and return it."""
        master = self.master()
        master.pause()
        return master

    def stop(self) -> None:
        """End all of them."""
        Servers(*self.nodes, *self.sentinels).stop()
        del self.nodes[1:]
        self.sentinels = []


def _info(node: Valkey) -> dict[str, str]:
    with node.connection() as run:
        lines = str(run("INFO", "replication")).splitlines()
    return {name: value for name, _, value in (line.partition(":") for line in lines)}
