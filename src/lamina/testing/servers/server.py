"""One real server on loopback: started, probed, paused, killed, restarted, and cleaned away."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from lamina.testing.servers.place import Place
from lamina.testing.servers.ports import Ports
from lamina.testing.servers.problems import ServerFailed
from lamina.testing.servers.process import Process
from lamina.testing.servers.wheels import passable, reachable

if TYPE_CHECKING:
    from typing import Self

_NOBODY: Final = 65534
_ATTEMPTS: Final = 3
_GONE_WITHIN: Final = 15.0


class Server(Process, ABC):
    """A server that runs while it is needed, as ``with`` or between `start` and `stop`.

    Whatever happens to the process that started it, even SIGKILL, the server ends and its
    temporary folder is removed. All methods block, for milliseconds when all is well. Under root
    it runs as a user without rights, where that one can reach its program and its data.

    Args:
        port: Where it listens on 127.0.0.1; a free port if not given.
        data: A folder that keeps its data; without, data is temporary.
        timeout: How long starting may take, in seconds.
    """

    ports_needed: ClassVar[int] = 1
    can_be_root: ClassVar[bool] = True
    """Whether it serves as root where nobody cannot reach its program or its data."""

    def __init__(
        self, *, port: int | None = None, data: Path | str | None = None, timeout: float = 30.0
    ) -> None:
        super().__init__(timeout)
        self._wanted = port
        self._kept = None if data is None else Path(data).absolute()
        self._reserved: Ports | None = None
        self.shared = False
        """Whether other processes use it too; `stop` then leaves it to the last of them."""
        self.ports: list[int] = []

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients find it."""

    @abstractmethod
    def environment(self) -> dict[str, str]:
        """Return the variables that the presets read."""

    @abstractmethod
    def _program(self) -> Path:
        """Return what to run, or say what to install."""

    @abstractmethod
    def _arguments(self) -> list[str]:
        """Return the rest of its command line; called once ports and folders are there."""

    @abstractmethod
    def _answers(self) -> bool:
        """Tell whether the server is ready; may raise OSError while it is not."""

    def _stop_signal(self) -> int | None:
        """Return what ends it gently; None kills it, which is safe for temporary data."""
        return None if self._kept is None else signal.SIGTERM

    def _prepare(self) -> None:
        """Make what the server needs beside an empty data folder."""
        return

    def _environ(self) -> dict[str, str | None]:
        """Return variables for its process, above those of this one; None takes one away."""
        return {}

    def _leftovers(self) -> list[str]:
        """Return patterns of files outside its folder that it leaves when killed."""
        return []

    @property
    def needs(self) -> tuple[Server, ...]:
        """The servers that must run before this one starts."""
        return ()

    @property
    def port(self) -> int:
        if self._place is None:
            raise self._gone()
        return self.ports[0]

    @property
    def folder(self) -> Path:
        """Its temporary folder."""
        return self._running.folder

    @property
    def data(self) -> Path:
        """The folder of its data."""
        return self._kept or self.folder / "data"

    @property
    def user(self) -> int | None:
        """The user to run as: nobody under root, else whoever we are."""
        if os.getuid() != 0 or (self.can_be_root and not self._suits_nobody()):
            return None
        return _NOBODY

    def _suits_nobody(self) -> bool:
        place = self._kept or Path(tempfile.gettempdir(), "any")
        return reachable(self._program()) and passable(place)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Start it and wait until it answers.

        Raises:
            ServerFailed: It could not be; the end of its log is in the message.
        """
        if self._place is not None:
            msg = f"{self.name} is running already"
            raise ServerFailed(msg)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._start()
                break
            except ServerFailed as failed:
                self.stop()
                raced = "in use" in failed.log.lower() and self._wanted is None
                if not raced or attempt == _ATTEMPTS:
                    raise
            except BaseException:
                self.stop()
                raise
        return self

    def _start(self) -> None:
        self._program()  # if it is missing, say so before anything is made
        self._reserved = Ports(self.ports_needed, first=self._wanted)
        self.ports = self._reserved.numbers
        self._place = Place.new(self.name)
        self._make_data()
        self._prepare()
        told: dict[str, Any] = {
            "argv": [str(self._program()), *self._arguments()],
            "data": str(self.data),
            "env": self._environ(),
            "user": self.user,
            "stop": self._stop_signal(),
            "leftovers": self._leftovers(),
        }
        if not self._place.keep(told):
            msg = f"{self.name} has no keeper"
            raise ServerFailed(msg, self.log())
        self._launch()

    def _make_data(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.user is None:
            return
        self.folder.chmod(0o711)
        os.chown(self.data, self.user, self.user)
        if not passable(self.data):
            msg = f"{self.name} does not run as root, and nobody else can reach its data folder"
            raise ServerFailed(msg)

    def _launch(self) -> None:
        place = self._running
        place.launch()
        deadline = time.monotonic() + self.timeout
        while not self._ready(place):
            if time.monotonic() > deadline:
                msg = f"{self.name} does not answer within {self.timeout:g} s"
                raise ServerFailed(msg, place.log())
            time.sleep(0.005)  # between two tries to connect; starting blocks its thread

    def _ready(self, place: Place) -> bool:
        state = place.state()
        if len(state) == 2:
            msg = f"{self.name} ended with code {state[1]}"
            raise ServerFailed(msg, place.log())
        with contextlib.suppress(OSError):
            return bool(state) and self._answers()
        return False

    def _give(self, file: Path) -> None:
        """Make a file the server's own."""
        if self.user is not None:
            os.chown(file, self.user, self.user)

    def told(self) -> dict[str, Any]:
        """Return what `join` needs in another process."""
        return {"folder": str(self.folder), "ports": self.ports}

    def join(self, told: dict[str, Any]) -> Self:
        """Use the server that another process started, until both stop it.

        Raises:
            ServerFailed: It is gone.
        """
        self._place = Place.joined(Path(told["folder"]))
        if self._place is None:
            raise self._gone()
        self.shared, self.ports = True, told["ports"]
        return self

    def stop(self) -> None:
        """End it and remove what it made; does nothing when it is stopped already."""
        if self._place is not None:
            self._place.leave(wait=0.0 if self.shared else _GONE_WITHIN)
        if self._reserved is not None:
            self._reserved.release()
        self._place = self._reserved = None
        self.shared = False

    def restart(self) -> None:
        """Start it again on the same ports and data, after killing it where it still runs.

        Raises:
            ServerFailed: It does not come up again.
        """
        if self.running:
            self.kill()
        self._launch()
