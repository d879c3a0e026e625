"""The process of a server, as a test of faults treats it."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, ClassVar, Literal

from lamina.testing.servers import keeper
from lamina.testing.servers.problems import ServerFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.testing.servers.place import Place


class Process:
    """A process with all that descends from it."""

    name: ClassVar[str]

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._place: Place | None = None

    @property
    def _running(self) -> Place:
        if self._place is None:
            raise self._gone()
        return self._place

    def _gone(self) -> ServerFailed:
        return ServerFailed(f"{self.name} is not running")

    @property
    def pid(self) -> int:
        """The number of its process.

        Raises:
            ServerFailed: It is not running.
        """
        state = self._running.state()
        if len(state) != 1:
            raise self._gone()
        return state[0]

    @property
    def running(self) -> bool:
        """Whether its process is there, paused or not."""
        return self._place is not None and len(self._place.state()) == 1

    @property
    def state(self) -> Literal["running", "paused", "down"]:
        """What its process does."""
        state = [] if self._place is None else self._place.state()
        if len(state) != 1:
            return "down"
        return "paused" if keeper.still(state[0]) else "running"

    def log(self) -> str:
        """Return the end of what it printed."""
        return "" if self._place is None else self._place.log()

    def pause(self) -> None:
        """Stop its processes where they are: connections stay open, nothing answers."""
        pid = self.pid
        keeper.send(pid, signal.SIGSTOP)
        self._wait(lambda: all(map(keeper.still, keeper.family(pid))))

    def resume(self) -> None:
        """Let its processes run on."""
        keeper.send(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Kill its processes at once, as a crash would; data on disk stays."""
        killed = keeper.send(self.pid, signal.SIGKILL)
        self._wait(lambda: not self.running and all(map(keeper.ended, killed)))

    def _wait(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self.timeout
        while not true() and time.monotonic() < deadline:
            time.sleep(0.002)  # what is no child of ours cannot be waited for
