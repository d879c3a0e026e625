"""What goes wrong with a server of ours."""

from __future__ import annotations

from typing import Final

from lamina.errors import LaminaError

INSTALL: Final = "pip install 'lamina[servers]'"


class ServerFailed(LaminaError):
    """A server could not be started, is not running, or refuses what was asked.

    Attributes:
        why: The reason, in one line.
        log: The end of what the server printed.
    """

    def __init__(self, why: str, log: str = "") -> None:
        super().__init__(f"{why}\n{log}".rstrip())
        self.why = why
        self.log = log
