"""Wait for something to become true."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from lamina.testing.servers.problems import ServerFailed
from lamina.testing.servers.resp import Refused

if TYPE_CHECKING:
    from collections.abc import Callable


def until(true: Callable[[], bool], timeout: float, otherwise: str) -> None:
    """Ask again and again until *true* says so; a refusal or no answer counts as no.

    Raises:
        ServerFailed: It did not within *timeout* seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        with contextlib.suppress(OSError, Refused):
            if true():
                return
        if time.monotonic() > deadline:
            msg = f"{otherwise} within {timeout:g} s"
            raise ServerFailed(msg)
        time.sleep(0.02)  # between two tries; whoever calls it blocks his thread
