"""The folder of one running server, beside which a keeper stands."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

from lamina.testing.servers import keeper

if TYPE_CHECKING:
    from typing import Self

_TAIL: Final = 3000
"""Bytes of a log that are shown."""


@final
class Place:
    """A folder that is removed, with its server, once no process holds its `Place`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._users = os.open(folder / "users", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._users, fcntl.LOCK_SH)

    @classmethod
    def new(cls, name: str) -> Self:
        """Make a folder in the system's temporary one."""
        return cls(Path(tempfile.mkdtemp(prefix=f"lamina-{name}-")))

    @classmethod
    def joined(cls, folder: Path) -> Self | None:
        """Hold a place that another process made, unless it is gone or going."""
        if not (folder / "users").exists():
            return None
        try:
            place = cls(folder)  # waits while a keeper is removing it
        except FileNotFoundError:
            return None
        if (folder / "pid").exists():
            return place
        place.leave()
        return None

    def keep(self, told: dict[str, Any]) -> bool:
        """Put the keeper there, which outlives this process; tell whether it stays."""
        (self.folder / "command.json").write_text(json.dumps(told))
        os.mkfifo(self.folder / "control", 0o600)
        with (self.folder / "keeper.log").open("wb") as log:
            began = subprocess.run(
                [sys.executable, "-I", "-S", keeper.__file__, str(self.folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
            )
        return began.returncode == 0

    def launch(self) -> None:
        """Have the keeper start the process; `state` tells when it has."""
        (self.folder / "pid").unlink(missing_ok=True)
        control = os.open(self.folder / "control", os.O_RDWR)
        try:
            os.write(control, b"+")
        finally:
            os.close(control)

    def state(self) -> list[int]:
        """Return the process's number, then its exit code if it has ended; nothing before."""
        try:
            return [int(part) for part in (self.folder / "pid").read_text().split()]
        except FileNotFoundError:
            return []

    def log(self) -> str:
        """Return the end of what the keeper and the process printed."""
        found: list[str] = []
        for name in ("keeper.log", "log"):
            with contextlib.suppress(OSError), (self.folder / name).open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
                found.append(file.read().decode(errors="replace"))
        return "".join(found).rstrip()

    def leave(self, *, wait: float = 0.0) -> None:
        """Let go; *wait* so many seconds at most until everything is removed."""
        fcntl.flock(self._users, fcntl.LOCK_UN)  # also for children that inherited it
        os.close(self._users)
        deadline = time.monotonic() + wait
        while self.folder.exists() and time.monotonic() < deadline:
            if not self._has_keeper():  # none was started, or it was killed
                shutil.rmtree(self.folder, ignore_errors=True)
            time.sleep(0.002)  # nobody tells that another process removed a folder

    def _has_keeper(self) -> bool:
        try:
            alive = os.open(self.folder / "alive", os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(alive)
        return False
