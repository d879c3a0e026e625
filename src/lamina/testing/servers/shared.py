"""One server for all processes of a test run."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from lamina.testing.servers.problems import ServerFailed

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from lamina.testing.servers.server import Server

S = TypeVar("S", bound="Server")


def shared(server: S, place: Path) -> S:
    """Join the server of this kind that another process started for *place*, or start it.

    The last process that stops it, or ends, ends the server.

    Raises:
        ServerFailed: It could not be started.
    """
    told = place / f"{server.name}.json"
    with _locked(place / f"{server.name}.lock"):
        if told.exists():
            try:
                return server.join(json.loads(told.read_text()))
            except ServerFailed:  # its last user has left
                told.unlink()
        server.start().shared = True
        told.write_text(json.dumps(server.told()))
    return server


@contextmanager
def _locked(path: Path) -> Generator[None]:
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)
