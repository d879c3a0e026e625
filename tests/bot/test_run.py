from __future__ import annotations

import asyncio
import io
import os
import signal

import pytest

from lamina.bot.chat.run import Interrupts, converse
from lamina.bot.chat.session import Session
from lamina.bot.chat.terminal import Terminal
from lamina.storage import UnifiedStorage


@pytest.mark.realtime
async def test_ctrl_c_is_a_cancellation_that_leaves_no_trace() -> None:
    task = asyncio.current_task()
    assert task is not None
    interrupts = Interrupts(task)
    interrupts.watch()
    try:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(30)
        assert interrupts.taken()
    finally:
        interrupts.unwatch()

    assert task.cancelling() == 0
    assert not interrupts.taken()


@pytest.mark.realtime
async def test_a_cancellation_of_another_kind_ends_the_conversation() -> None:
    read, write = os.pipe()
    with os.fdopen(read) as source, os.fdopen(write, "wb"):
        terminal = Terminal(source, io.StringIO())
        session = Session(UnifiedStorage.in_memory(), terminal, chat_id="a")

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await converse(session, terminal)
