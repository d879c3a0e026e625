"""One conversation: what each line does."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final, final

from lamina.bot.chat import shown
from lamina.bot.chat.commands import Command, help_text, understand
from lamina.bot.chat.desk import Desk
from lamina.bot.chat.terminal import clean
from lamina.errors import LaminaError, StorageError

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from lamina.bot.answer.model import Model
    from lamina.bot.chat.terminal import Terminal
    from lamina.storage import UnifiedStorage
    from lamina.storage.conversations import Message

KEPT_HOURS: Final = 24.0 * 365
"""How long a conversation is remembered after its last message."""
KEPT_MESSAGES: Final = 1000

_LONGEST_QUESTION: Final = 8000


@final
class Session:
    """Answers lines in the conversation *chat_id*; whatever fails is told in one line."""

    def __init__(
        self,
        storage: UnifiedStorage,
        terminal: Terminal,
        *,
        chat_id: str,
        model: Model | None = None,
    ) -> None:
        self._storage = storage
        self._terminal = terminal
        self._chat_id = chat_id
        self._model = model
        self.desk = Desk(storage, terminal, chat_id)

    async def greet(self) -> None:
        """Say what is remembered, and what to do first if it is nothing."""
        said = await self._guarded(self._greeting())
        if not said:
            self._terminal.say("Lamina. /help lists the commands.")

    async def handle(self, line: str) -> bool:
        """Do what *line* says; tell whether the conversation goes on."""
        try:
            command = understand(line)
        except LaminaError as error:
            self._terminal.say(str(error))
            return True
        if command.name == "quit":
            return False
        if command.name or command.rest:
            await self._guarded(self._do(command))
        return True

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> bool:
        """Await *work*; tell a failure in one line, and return whether there was none."""
        try:
            await work
        except BrokenPipeError:
            raise
        except (LaminaError, OSError) as error:
            self._terminal.say(shown.failure(error))
        except Exception as error:  # the conversation outlives a mistake of ours
            self._terminal.say(f"that went wrong, and should not: {type(error).__name__}: {error}")
        else:
            return True
        return False

    async def _greeting(self) -> None:
        said = await self._storage.get_conversation(self._chat_id)
        if said:
            self._terminal.say(f"Lamina. I remember {shown.plural(len(said), 'message')}.")
        else:
            self._terminal.say("Lamina. Begin with /add PATH, then ask. /help lists the commands.")

    async def _do(self, command: Command) -> None:
        if not command.name:
            await self._ask(command.rest)
        elif command.name == "help":
            self._terminal.say(help_text())
        else:
            from lamina.bot.chat.actions import ACTIONS

            await ACTIONS[command.name](self.desk, command)

    async def _ask(self, text: str) -> None:
        question = clean(text).strip()
        if len(question) > _LONGEST_QUESTION:
            question = question[:_LONGEST_QUESTION]
            self._terminal.say(f"(a long one: I read its first {_LONGEST_QUESTION} characters)")
        if not question:
            return
        from lamina.bot.answer.answer import Answers

        history, forgot = await self._remembered()
        answers = Answers(self._storage, model=self._model)
        answer = await answers.answer(question, chat_id=self._chat_id, history=history)
        unsaved = await self._remember(question, answer.text)
        self._terminal.say(shown.answer(answer, *forgot, *unsaved))

    async def _remembered(self) -> tuple[list[Message], tuple[str, ...]]:
        try:
            return await self._storage.get_conversation(self._chat_id) or [], ()
        except StorageError as error:
            return [], (f"answered without what we said before: {error}",)

    async def _remember(self, question: str, answer: str) -> tuple[str, ...]:
        """Save one turn, both messages or neither."""
        asked: Message = {"role": "user", "content": question}
        told: Message = {"role": "assistant", "content": answer}
        try:
            await self._storage.append_message(
                self._chat_id,
                asked,
                told,
                ttl_hours=KEPT_HOURS,
                keep_last=KEPT_MESSAGES,
                idempotency=uuid.uuid4().hex,
            )
        except StorageError as error:
            return (f"this could not be saved: {error}",)
        return ()
