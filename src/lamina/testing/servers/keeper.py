"""Keep one server process: start it on demand, and leave nothing behind when its users are gone.

Run as ``python -I -S keeper.py FOLDER`` it reads ``FOLDER/command.json`` and goes to the
background. Users hold a shared lock on ``FOLDER/users``; once nobody does, however they ended,
the process and all its children are killed and the folder is removed.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

if TYPE_CHECKING:
    from collections.abc import Callable

_PR_SET_PDEATHSIG: Final = 1
_IPC_RMID: Final = 0
_PATIENCE: Final = 5.0
"""Seconds that a server may take to end gently."""


def family(root: int) -> list[int]:
    """Return *root* and all its descendants: PostgreSQL's children leave its process group."""
    children: dict[int, list[int]] = {}
    for pid, parent in _processes():
        children.setdefault(parent, []).append(pid)
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def _processes() -> list[tuple[int, int]]:
    """Return each process with its parent."""
    if not Path("/proc/self/stat").exists():
        told = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
        )
        return [(int(pid), int(parent)) for pid, parent in map(str.split, told.stdout.splitlines())]
    found: list[tuple[int, int]] = []
    for entry in os.listdir("/proc"):  # noqa: PTH208  # names only, and fast
        if entry.isdigit():
            with contextlib.suppress(OSError):  # it has ended
                stat = Path(f"/proc/{entry}/stat").read_bytes()
                found.append((int(entry), int(stat.rpartition(b")")[2].split()[1])))
    return found


def still(pid: int) -> bool:
    """Tell whether a process does nothing, being stopped by SIGSTOP or at its end."""
    return _state(pid) in {b"T", b"Z", b"X", b""}


def ended(pid: int) -> bool:
    """Tell whether a process holds nothing any more, though nobody may have asked how it ended."""
    return _state(pid) in {b"Z", b"X", b""}


def _state(pid: int) -> bytes:
    if Path("/proc/self/stat").exists():
        try:
            state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return b""
    else:
        command = ["ps", "-o", "stat=", "-p", str(pid)]
        state = subprocess.run(command, capture_output=True, check=False).stdout.strip()[:1]
    return state


def send(root: int, number: int) -> list[int]:
    """Send a signal to *root* and all its descendants, and return them.

    *root* is stopped while they are sought.
    """
    sought: list[int] = []
    with contextlib.suppress(ProcessLookupError):
        if number != signal.SIGCONT:
            os.kill(root, signal.SIGSTOP)
        sought = family(root)
        for pid in sought:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
    return sought


@final
class Keeper:
    """One server's process, as its folder describes it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._told: dict[str, Any] = json.loads((folder / "command.json").read_text())
        self._control = os.open(folder / "control", os.O_RDWR)  # open before anyone writes
        self._alive = os.open(folder / "alive", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._alive, fcntl.LOCK_EX)  # until we end
        self._process: subprocess.Popen[bytes] | None = None
        self._staying = threading.Lock()
        """Held while something is changed, and for ever once we leave."""
        self._die_with_parent = _dying_with_parent()

    def run(self) -> None:
        """Start the process whenever ``FOLDER/control`` says so, until nobody uses it."""
        threading.Thread(target=self._leave, daemon=True).start()
        while order := os.read(self._control, 1):
            if order == b"+":
                with self._staying:
                    self._start()

    def _start(self) -> None:
        if self._process is not None and self._process.poll() is None:
            _kill(self._process)
        try:
            process = self._process = self._started()
        except OSError as error:
            with (self._folder / "log").open("a") as log:
                log.write(f"{error}\n")
            self._tell("0 127")
            return
        self._tell(str(process.pid))
        threading.Thread(target=self._wait, args=(process,), daemon=True).start()

    def _started(self) -> subprocess.Popen[bytes]:
        user: int | None = self._told["user"]
        environ = {**os.environ, **self._told["env"]}
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                self._told["argv"],
                cwd=self._told["data"],
                env={name: value for name, value in environ.items() if value is not None},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=self._die_with_parent,  # noqa: PLW1509  # one system call
                user=user,
                group=user,
                extra_groups=None if user is None else (),
            )

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        with self._staying:
            if process is self._process:
                self._tell(f"{process.pid} {code}")

    def _tell(self, state: str) -> None:
        """Replace ``FOLDER/pid``: the number of the process, and its exit code once it has one."""
        new = self._folder / "pid.new"
        new.write_text(state)
        new.replace(self._folder / "pid")

    def _leave(self) -> None:
        """Wait until nobody uses the server; then end it and everything it made."""
        users = os.open(self._folder / "users", os.O_RDWR)
        fcntl.flock(users, fcntl.LOCK_EX)
        self._staying.acquire()
        try:
            if self._process is not None:
                self._end(self._process)
            for pattern in self._told["leftovers"]:
                for left in Path(pattern).parent.glob(Path(pattern).name):
                    left.unlink(missing_ok=True)
            _forget_memory(Path(self._told["data"]) / "postmaster.pid")
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
            os._exit(0)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """End it gently where its data is kept, or where it cleans up; by force at the end."""
        ended = threading.Event()
        if process.poll() is None and self._told["stop"] is not None:
            send(process.pid, signal.SIGCONT)
            process.send_signal(self._told["stop"])
            deadline = time.monotonic() + _PATIENCE
            while process.poll() is None and time.monotonic() < deadline:
                ended.wait(0.01)
        if process.poll() is None:
            _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    send(process.pid, signal.SIGKILL)
    process.wait()


def _forget_memory(pid_file: Path) -> None:
    """Remove the few bytes of shared memory that a killed PostgreSQL leaves (its seventh line)."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        segment = int(pid_file.read_text().splitlines()[6].split()[1])
        ctypes.CDLL(None).shmctl(segment, _IPC_RMID, None)


def _dying_with_parent() -> Callable[[], object] | None:
    """Return what a new process calls so that it is killed if this one is (Linux only)."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _detached() -> bool:
    """Leave the terminal and the parent; only the process that stays gets True."""
    if os.fork():
        return False
    os.setsid()
    return True


if __name__ == "__main__":
    kept = Keeper(Path(sys.argv[1]))
    if _detached():
        kept.run()
