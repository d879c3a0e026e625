"""Locks on files, which the system lets go of when their process dies."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Final, final

from lamina.errors import Unavailable

if TYPE_CHECKING:
    from pathlib import Path

_POLL: Final = 0.01  # seconds between two tries


@final
class FileLock:
    """Hold one file locked against all others, in this process and in others."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = -1

    def take(self) -> bool:
        """Lock it if nobody else has; tell whether it is locked now."""
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        file = os.open(self.path, flags, 0o600)
        try:
            _lock(file)
        except OSError:
            os.close(file)
            return False
        except BaseException:
            os.close(file)
            raise
        self._file = file
        return True

    def wait(self, seconds: float) -> None:
        """Lock it, at most so many *seconds* after others let go of it.

        Raises:
            Unavailable: Another still has it.
        """
        ends = time.monotonic() + seconds
        while not self.take():
            if time.monotonic() > ends:
                msg = f"another process has held the root for {seconds:g} s"
                raise Unavailable(msg, sent="no")
            time.sleep(_POLL)  # in a worker thread: locks of files cannot be awaited

    def drop(self) -> None:
        """Let go of it; the file stays."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
