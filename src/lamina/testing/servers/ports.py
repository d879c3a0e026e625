"""Ports on loopback that are free, and stay ours until given back."""

from __future__ import annotations

import random
import socket
from typing import Final, final

from lamina.testing.servers.problems import ServerFailed

_LOWEST: Final = 15_000
_HIGHEST: Final = 32_000
"""Below what systems give to clients, so that a restarted server finds its port free."""


@final
class Ports:
    """Some free ports of 127.0.0.1.

    A port counts as taken while its UDP twin is held: so two processes that look at the same
    time never choose the same one, and nothing is left to clean when a process is killed.
    """

    def __init__(self, count: int, *, first: int | None = None) -> None:
        self._held: list[socket.socket] = []
        self.numbers: list[int] = []
        if first is not None:
            if not is_free(first):
                msg = f"port {first} is taken"
                raise ServerFailed(msg)
            self._hold(first)  # the caller chose it, whoever has the twin
            self.numbers.append(first)
        while len(self.numbers) < count:
            port = random.randint(_LOWEST, _HIGHEST)
            if self._hold(port) and is_free(port):
                self.numbers.append(port)

    def _hold(self, port: int) -> bool:
        twin = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            twin.bind(("127.0.0.1", port))
        except OSError:
            twin.close()
            return False
        self._held.append(twin)
        return True

    def release(self) -> None:
        """Give them back."""
        for twin in self._held:
            twin.close()
        self._held.clear()


def is_free(port: int) -> bool:
    """Tell whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
