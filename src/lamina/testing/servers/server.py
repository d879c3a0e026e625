"""One real server on loopback: started, probed, paused, killed, restarted, and cleaned away."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from lamina.testing.servers import keeper
from lamina.testing.servers.ports import Ports
from lamina.testing.servers.problems import NoStart

if TYPE_CHECKING:
    from typing import Self

_NOBODY: Final = 65534
_ATTEMPTS: Final = 3
_TAIL: Final = 3000


class Server(ABC):
    """A server that runs while it is needed, as ``with`` or between `start` and `stop`.

    Whatever happens to the process that started it, even SIGKILL, the server ends and its
    temporary folder is removed. All methods block, for milliseconds when all is well.

    Attributes:
        port: Where it listens on 127.0.0.1; known once it has been started.
        folder: Its temporary folder.
    """

    name: ClassVar[str]
    ports_needed: ClassVar[int] = 1
    stop_signal: ClassVar[int | None] = None
    """What ends it gently; None kills it, which is safe while its data is temporary."""
    as_nobody: ClassVar[bool] = True
    """Under root, run as a user without rights."""

    def __init__(
        self, *, port: int | None = None, data: Path | str | None = None, timeout: float = 30.0
    ) -> None:
        self._wanted = port
        self._kept = None if data is None else Path(data).absolute()
        self._timeout = timeout
        self._ports: Ports | None = None
        self._users: int | None = None
        self._shares = False
        self.folder = Path()
        self.ports: list[int] = []

    @property
    def port(self) -> int:
        if not self.ports:
            raise self._gone()
        return self.ports[0]

    @property
    def data(self) -> Path:
        """The folder of its data: temporary, unless one was given."""
        return self._kept or self.folder / "data"

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients find it."""

    @abstractmethod
    def environment(self) -> dict[str, str]:
        """Return the variables that the presets read."""

    @abstractmethod
    def _argv(self) -> list[str]:
        """Return the command; called once the ports and the folders are there."""

    @abstractmethod
    def _answers(self) -> bool:
        """Tell whether the server is ready; may raise OSError while it is not."""

    def _prepare(self) -> None:
        """Make what the server needs in its data folder."""

    def _leftovers(self) -> list[str]:
        """Return the files outside its folder that a killed server leaves."""
        return []

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Start it and wait until it answers.

        Raises:
            NoStart: It could not be; the end of its log is in the message.
        """
        if self._users is not None:
            msg = f"{self.name} is running already"
            raise NoStart(msg)
        for attempt in range(_ATTEMPTS):
            try:
                self._start()
                return self
            except NoStart as error:
                self.stop()
                taken = "in use" in str(error).lower() and self._wanted is None
                if not taken or attempt == _ATTEMPTS - 1:
                    raise
            except BaseException:
                self.stop()
                raise
        raise AssertionError

    def _start(self) -> None:
        self._ports = Ports(self.ports_needed, first=self._wanted)
        self.ports = self._ports.numbers
        self.folder = Path(tempfile.mkdtemp(prefix=f"lamina-{self.name}-"))
        self._users = os.open(self.folder / "users", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._users, fcntl.LOCK_SH)
        self._make_data()
        self._prepare()
        self._keep()
        self._launch()

    def share(self) -> dict[str, Any]:
        """Return what `join` needs in another process; `stop` then waits for nobody."""
        self._shares = True
        return {"folder": str(self.folder), "ports": self.ports}

    def join(self, told: dict[str, Any]) -> Self:
        """Use a server that another process started; it runs until its last user stops it.

        Raises:
            NoStart: It is gone.
        """
        folder = Path(told["folder"])
        try:
            users = os.open(folder / "users", os.O_RDWR)
        except FileNotFoundError as error:
            raise self._gone() from error
        fcntl.flock(users, fcntl.LOCK_SH)
        if not (folder / "pid").exists():
            os.close(users)
            raise self._gone()
        self._users, self._shares, self.folder, self.ports = users, True, folder, told["ports"]
        return self

    def _gone(self) -> NoStart:
        return NoStart(f"{self.name} is not running")

    def _make_data(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.user is not None:
            self.folder.chmod(0o711)
            os.chown(self.data, self.user, self.user)

    @property
    def user(self) -> int | None:
        """The user to run as: nobody under root, else whoever we are."""
        return _NOBODY if self.as_nobody and os.getuid() == 0 else None

    def _keep(self) -> None:
        """Put a keeper beside the server, which outlives this process."""
        told: dict[str, Any] = {
            "argv": self._argv(),
            "cwd": str(self.data),
            "env": self._env(),
            "user": self.user,
            "stop": self.stop_signal,
            "leftovers": self._leftovers(),
        }
        (self.folder / "command.json").write_text(json.dumps(told))
        os.mkfifo(self.folder / "control", 0o600)
        with (self.folder / "keeper.log").open("wb") as log:
            subprocess.run(
                [sys.executable, "-I", "-S", keeper.__file__, str(self.folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=True,
            )

    def _env(self) -> dict[str, str]:
        """Return the variables of its process, beside those of this one."""
        return {}

    def _launch(self) -> None:
        (self.folder / "pid").unlink(missing_ok=True)
        control = os.open(self.folder / "control", os.O_RDWR)
        try:
            os.write(control, b"+")
            deadline = time.monotonic() + self._timeout
            while not self._is_ready():
                if time.monotonic() > deadline:
                    raise self._failed(f"does not answer within {self._timeout:g} s")
                time.sleep(0.005)
        finally:
            os.close(control)

    def _is_ready(self) -> bool:
        state = self._state()
        if len(state) == 2:
            raise self._failed(f"ended with code {state[1]}")
        if not state:
            return False
        with contextlib.suppress(OSError):
            return self._answers()
        return False

    def _state(self) -> list[int]:
        """Return its process's number, then its exit code if it has ended; nothing before."""
        try:
            return [int(part) for part in (self.folder / "pid").read_text().split()]
        except FileNotFoundError:
            return []

    def _failed(self, why: str) -> NoStart:
        return NoStart(f"{self.name} {why}\n{self.log()}".rstrip())

    def log(self) -> str:
        """Return the end of what it printed."""
        found: list[str] = []
        for name in ("keeper.log", "log"):
            with contextlib.suppress(OSError):
                found.append((self.folder / name).read_text(errors="replace")[-_TAIL:])
        return "".join(found)

    @property
    def pid(self) -> int:
        """The number of its process.

        Raises:
            NoStart: It is not running.
        """
        state = self._state()
        if len(state) != 1:
            raise self._gone()
        return state[0]

    @property
    def running(self) -> bool:
        """Whether its process is there, paused or not."""
        return len(self._state()) == 1

    def pause(self) -> None:
        """Stop its processes where they are: connections stay open, nothing answers."""
        keeper.send(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let its processes run on."""
        keeper.send(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Kill its processes at once, as a crash would; data on disk stays."""
        keeper.send(self.pid, signal.SIGKILL)
        deadline = time.monotonic() + self._timeout
        while self.running and time.monotonic() < deadline:
            time.sleep(0.002)

    def restart(self) -> None:
        """Start it again on the same ports and data, after killing it where it still runs.

        Raises:
            NoStart: It does not come up again.
        """
        if self.running:
            self.kill()
        self._launch()

    def stop(self) -> None:
        """End it and remove what it made; does nothing when it is stopped already."""
        if self._users is not None:
            kept = (self.folder / "control").exists()
            fcntl.flock(self._users, fcntl.LOCK_UN)
            os.close(self._users)
            self._users = None
            if kept and not self._shares:
                self._wait_until_gone()
            elif not kept:  # no keeper was started
                shutil.rmtree(self.folder, ignore_errors=True)
            self._shares, self.ports = False, []
        if self._ports is not None:
            self._ports.release()
            self._ports = None

    def _wait_until_gone(self) -> None:
        deadline = time.monotonic() + self._timeout
        while self.folder.exists() and time.monotonic() < deadline:
            time.sleep(0.002)
