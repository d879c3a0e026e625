"""What goes wrong with a server of ours."""

from __future__ import annotations

from typing import Final

INSTALL: Final = "pip install 'lamina[servers]'"


class NoStart(Exception):
    """A server could not be started; the message says why and what to do."""
