"""Conversations: messages under a chat's key."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Required, TypedDict, cast

from lamina.context import current
from lamina.domains.vectors import Upsert
from lamina.errors import Closed, Corrupt, Invalid, StorageError
from lamina.storage.domains import Domains
from lamina.values import Json, check_key, check_positive, each_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lamina.errors import LaminaError

_log: Final = logging.getLogger("lamina.storage")
_HOUR: Final = 3600.0


class Message(TypedDict, total=False):
    """One message; whatever else a model's message has is kept."""

    role: Required[str]
    content: Any


class Conversations(Domains):
    """Messages of a chat as one JSON list under ``conv:{chat_id}``."""

    async def get_conversation(self, chat_id: str, *, fresh: bool = False) -> list[Message] | None:
        """Return the messages of a chat, oldest first; None only when there are none stored.

        Raises:
            Corrupt: What is stored is no list of messages.
        """
        return _messages(await self.keyvalue.get(conversation_key(chat_id), fresh=fresh))

    async def save_conversation(
        self, chat_id: str, messages: Iterable[Message], ttl_hours: float = 24
    ) -> None:
        """Replace the messages of a chat; they expire *ttl_hours* hours from now.

        To add messages use ``append_message``: saving what was read loses what came meanwhile.

        Raises:
            Invalid: A message has no role, or is not JSON.
        """
        given = [_checked(message) for message in each_of(messages, what="messages")]
        value = Json.of(given)
        await self.keyvalue.set(conversation_key(chat_id), value.data, ttl=_seconds(ttl_hours))
        await self._index_messages(chat_id, given)

    async def append_message(
        self,
        chat_id: str,
        *messages: Message,
        ttl_hours: float = 24,
        keep_last: int | None = None,
        idempotency: str | None = None,
    ) -> int:
        """Add messages to a chat, all or none, and return how many it has now.

        Nothing is read first, so nothing is lost when two append at once or a read fails. The
        time to live starts anew. The same *idempotency* key adds them once.

        Raises:
            Invalid: No messages, one without a role, or the stored value is no list.
        """
        given = [_checked(message) for message in messages]
        length = await self.keyvalue.extend(
            conversation_key(chat_id),
            given,
            ttl=_seconds(ttl_hours),
            keep_last=keep_last,
            idempotency=idempotency,
        )
        await self._index_messages(chat_id, given)
        return length

    async def extend_conversation(self, chat_id: str, ttl_hours: float = 24) -> bool:
        """Let a chat's messages expire *ttl_hours* hours from now; tell whether there are any."""
        return await self.keyvalue.expire(conversation_key(chat_id), _seconds(ttl_hours))

    async def delete_conversation(self, chat_id: str) -> bool:
        """Delete a chat's messages, indexed ones first; tell whether there were any."""
        key = conversation_key(chat_id)
        if self.index_messages:
            await self.vectors.delete_where(None, namespace=key)
        return await self.keyvalue.delete(key)

    async def _index_messages(self, chat_id: str, messages: Sequence[Message]) -> None:
        """Index what the assistant said, where that is wanted, in a namespace of the chat's own.

        The messages are stored by then, so a failure is told by ``Call`` and the log only: who
        saw an error would store them twice.
        """
        if not self.index_messages:
            return
        namespace = conversation_key(chat_id)
        items: list[Upsert] = []
        for message in messages:
            text = _text(message) if message["role"] == "assistant" else ""
            if not text:
                continue
            name = sha256(text.encode()).hexdigest()
            try:
                items.append(Upsert(name, text=text, namespace=namespace))
            except Invalid as error:  # NUL, which a conversation may hold
                _not_indexed(Upsert(name, namespace=namespace), error)
        if items:
            try:
                await self.vectors.set_many(items)
            except (StorageError, Closed) as error:
                _not_indexed(items[0], error)


def _not_indexed(op: Upsert, error: LaminaError) -> None:
    call = current.get()
    if call is not None:
        call.degraded.append(op.brief())
    _log.warning("messages are stored but not indexed: %s", type(error).__name__)


def conversation_key(chat_id: str) -> str:
    """Return where a chat's messages are, also the namespace of those indexed."""
    check_key(chat_id, what="chat_id")
    key = f"conv:{chat_id}"
    check_key(key, what="chat_id")
    return key


def _seconds(hours: float) -> float:
    check_positive(hours, what="ttl_hours")
    return hours * _HOUR


def _checked(message: object) -> Message:
    given = dict(cast("Mapping[str, Any]", message)) if isinstance(message, Mapping) else {}
    role = given.get("role")
    if not isinstance(role, str) or not role:
        msg = "a message must be a mapping with a role"
        raise Invalid(msg)
    return cast("Message", given)


def _text(message: Message) -> str:
    content = message.get("content")
    return content.strip() if isinstance(content, str) else ""


def _messages(data: bytes | None) -> list[Message] | None:
    if data is None:
        return None
    found: object = Json(data).thaw()
    items = cast("list[object]", found) if isinstance(found, list) else [None]
    if not all(isinstance(one, dict) for one in items):
        msg = "what is stored is no list of messages"
        raise Corrupt(msg)
    return cast("list[Message]", items)
