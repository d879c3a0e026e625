"""Open the storage and talk."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from lamina.storage import UnifiedStorage


async def chat(opening: AbstractAsyncContextManager[UnifiedStorage], *, chat_id: str) -> None:
    """Talk on standard input and output until the input ends.

    Raises:
        LaminaError: The settings of storage or model are wrong, or a required backend is down.
    """
    from lamina.bot.answer.model import Model
    from lamina.bot.chat.run import converse
    from lamina.bot.chat.session import Session
    from lamina.bot.chat.terminal import Terminal
    from lamina.values import check_key

    check_key(chat_id, what="the name of the conversation")
    model = Model.configured()
    terminal = Terminal()
    async with opening as storage:
        session = Session(storage, terminal, chat_id=chat_id, model=model)
        await session.greet()
        await converse(session, terminal)
