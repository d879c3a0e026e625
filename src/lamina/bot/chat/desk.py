"""What a command works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from lamina.bot.chat.terminal import Terminal
    from lamina.storage import UnifiedStorage


@final
@dataclass(frozen=True, slots=True)
class Desk:
    """The storage, the terminal, and which conversation this is."""

    storage: UnifiedStorage
    terminal: Terminal
    chat_id: str
