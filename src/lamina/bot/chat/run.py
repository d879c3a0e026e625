"""The loop of a conversation: prompt, line, answer, until the end or Ctrl-C twice."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from lamina.bot.chat.session import Session
    from lamina.bot.chat.terminal import Terminal

_PROMPT = "you> "


async def converse(session: Session, terminal: Terminal) -> None:
    """Answer lines until the input ends, ``/quit``, or Ctrl-C twice in a row on a terminal."""
    interrupts = Interrupts(asyncio.current_task())
    if terminal.interactive:
        interrupts.watch()
    try:
        while True:
            try:
                line = await terminal.line(_PROMPT)
                interrupts.armed = False
                if line is None:
                    break
                if not await session.handle(line):
                    return
            except asyncio.CancelledError:
                if not interrupts.taken():
                    raise
                if interrupts.armed:
                    break
                interrupts.armed = True
                terminal.say("\n(stopped; Ctrl-C again or Ctrl-D leaves)")
        if terminal.interactive:
            terminal.say()
    finally:
        interrupts.unwatch()


@final
class Interrupts:
    """Turns Ctrl-C into the cancellation of what the conversation waits for."""

    def __init__(self, task: asyncio.Task[None] | None) -> None:
        self._task = task
        self._pressed = False
        self._watching = False
        self.armed = False

    def watch(self) -> None:
        """Take Ctrl-C from now on, where the loop can."""
        try:
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._press)
        except (NotImplementedError, RuntimeError, ValueError):
            return
        self._watching = True

    def unwatch(self) -> None:
        """Leave Ctrl-C to others again."""
        if self._watching:
            asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)

    def taken(self) -> bool:
        """Tell whether a cancellation came from Ctrl-C, and if so undo it."""
        if not self._pressed or self._task is None:
            return False
        self._pressed = False
        return self._task.uncancel() == 0

    def _press(self) -> None:
        if self._task is not None and not self._pressed:
            self._pressed = True
            self._task.cancel()
