"""The running servers as other shells find them: a file for each in the folder ``dev`` of home."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from typing import TYPE_CHECKING, Any, cast, final

from lamina.testing.dev.options import NAMES
from lamina.testing.servers import ServerFailed

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.testing.servers import Server


def folder_of(home: Path) -> Path:
    """Return the folder of the records."""
    return home / "dev"


@final
class Record:
    """The record of one server, which only the process that runs it may write."""

    def __init__(self, home: Path, name: str) -> None:
        self.home = home
        self.name = name
        self._path = folder_of(home) / f"{name}.json"
        self._lock: int | None = None

    def claim(self) -> None:
        """Make the record ours until `drop`.

        Raises:
            ServerFailed: Another process runs this server.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            msg = f"{self.name} is running already: lamina dev --status"
            raise ServerFailed(msg) from error
        self._lock = lock

    def write(self, server: Server) -> None:
        """Tell where the server is, and what to set to use it."""
        told = {**server.told(), "environment": server.environment()}
        new = self._path.with_suffix(".new")
        new.touch(mode=0o600)  # it holds the server's secrets
        new.write_text(json.dumps(told))
        new.replace(self._path)

    def read(self) -> dict[str, Any] | None:
        """Return what was written, unless nothing was or it is damaged."""
        try:
            told: object = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return None
        whole = isinstance(told, dict) and {"folder", "ports"} <= told.keys()
        return cast("dict[str, Any]", told) if whole else None

    def drop(self) -> None:
        """Remove the record, if it is ours."""
        if self._lock is not None:
            self.forget()
            os.close(self._lock)
            self._lock = None

    def forget(self) -> None:
        """Remove a record whose server is gone."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


def records(home: Path) -> list[Record]:
    """Return a record for each server that could run."""
    return [Record(home, name) for name in NAMES]
