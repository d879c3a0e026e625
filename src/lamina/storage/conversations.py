"""Conversations: messages under a chat's key, and the context of a question."""

from __future__ import annotations

import logging
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Required, TypedDict, cast

from lamina.context import current
from lamina.domains.vectors import Upsert
from lamina.errors import Corrupt, Invalid, StorageError
from lamina.storage.domains import Domains, together
from lamina.values import Json, check_key, check_positive, thaw

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

    from lamina.domains.vectors import Match

_log: Final = logging.getLogger("lamina.storage")
_HOUR: Final = 3600.0
_SHOWN: Final = 5


class Message(TypedDict, total=False):
    """One message; whatever else a model's message has is kept."""

    role: Required[str]
    content: Any


class VectorResult(TypedDict):
    """One search result; *score* is 0 to 1 for dense metrics, best first."""

    id: str
    score: float
    content: str | None
    metadata: dict[str, Any]


class Context(TypedDict):
    """What helps to answer a question.

    *combined_relevance* is the mean score, 0 to 1; *degraded* names the parts that failed:
    ``"vectors"``, ``"conversation"``.
    """

    vector_results: list[VectorResult]
    conversation_context: list[Message]
    combined_relevance: float
    degraded: list[str]


class Conversations(Domains):
    """Messages of a chat as one JSON list under ``conv:{chat_id}``."""

    async def get_conversation(self, chat_id: str, *, fresh: bool = False) -> list[Message] | None:
        """Return the messages of a chat, oldest first; None only when there are none stored.

        Raises:
            Corrupt: What is stored is no list of messages.
        """
        return _messages(await self.keyvalue.get(_key(chat_id), fresh=fresh))

    async def save_conversation(
        self, chat_id: str, messages: Sequence[Message], ttl_hours: float = 24
    ) -> None:
        """Replace the messages of a chat; they expire *ttl_hours* hours from now.

        To add messages use ``append_message``: saving what was read loses what came meanwhile.

        Raises:
            Invalid: A message has no role, or is not JSON.
        """
        value = Json.of([_checked(message) for message in messages])
        await self.keyvalue.set(_key(chat_id), value.data, ttl=_seconds(ttl_hours))
        await self._index_messages(chat_id, messages)

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
            _key(chat_id),
            given,
            ttl=_seconds(ttl_hours),
            keep_last=keep_last,
            idempotency=idempotency,
        )
        await self._index_messages(chat_id, messages)
        return length

    async def extend_conversation(self, chat_id: str, ttl_hours: float = 24) -> bool:
        """Let a chat's messages expire *ttl_hours* hours from now; tell whether there are any."""
        return await self.keyvalue.expire(_key(chat_id), _seconds(ttl_hours))

    async def delete_conversation(self, chat_id: str) -> bool:
        """Delete a chat's messages, indexed ones first; tell whether there were any."""
        key = _key(chat_id)
        if self.index_messages:
            await self.vectors.delete_where(None, namespace=key)
        return await self.keyvalue.delete(key)

    async def search_context(
        self,
        query: str,
        chat_id: str | None = None,
        include_conversation: bool = True,  # noqa: FBT001, FBT002  # the original design's signature
        top_k: int = 5,
    ) -> Context:
        """Return what is near to *query*, and the chat's last 5 messages of user and assistant.

        Both are asked at once. If one fails the other still answers, and ``degraded`` says so.

        Raises:
            StorageError: All that was asked for failed.
            Invalid: *query* is empty, or another argument is wrong.
        """
        if not query.strip():
            msg = "query must not be empty"
            raise Invalid(msg)
        check_positive(top_k, what="top_k")
        parts: dict[str, Coroutine[Any, Any, Any]] = {}
        if chat_id is not None:
            _key(chat_id)
        parts["vectors"] = self._near(query, chat_id, top_k)
        if chat_id is not None and include_conversation:
            parts["conversation"] = self.get_conversation(chat_id)
        outcomes = await together(self._runtime, list(parts.values()), "search context")
        return _context(dict(zip(parts, outcomes, strict=True)))

    async def _near(self, query: str, chat_id: str | None, top_k: int) -> list[VectorResult]:
        found = await self.vectors.search(query, top_k=top_k)
        if chat_id is not None and self.index_messages:
            said = await self.vectors.search(query, top_k=top_k, namespace=_key(chat_id))
            found = tuple(sorted((*found, *said), key=lambda match: -match.score)[:top_k])
        return [_result(match) for match in found]

    async def _index_messages(self, chat_id: str, messages: Sequence[Message]) -> None:
        """Index what the assistant said, where that is wanted, in a namespace of the chat's own.

        The messages are stored by then, so a failure is told by ``Call`` and the log only: who
        saw an error would store them twice.
        """
        if not self.index_messages:
            return
        namespace = _key(chat_id)
        items = [
            Upsert(sha256(text.encode()).hexdigest(), text=text, namespace=namespace)
            for message in messages
            if message["role"] == "assistant" and (text := _text(message))
        ]
        if not items:
            return
        try:
            await self.vectors.set_many(items)
        except StorageError as error:
            call = current.get()
            if call is not None:
                call.degraded.append(items[0].brief())
            _log.warning("messages are stored but not indexed: %s", type(error).__name__)


def _key(chat_id: str) -> str:
    check_key(chat_id, what="chat_id")
    key = f"conv:{chat_id}"
    check_key(key, what="chat_id")
    return key


def _seconds(hours: float) -> float:
    check_positive(hours, what="ttl_hours")
    return hours * _HOUR


def _checked(message: Mapping[str, Any]) -> Mapping[str, Any]:
    role = message.get("role") if isinstance(message, dict) else None
    if not isinstance(role, str) or not role:
        msg = "a message must be a dict with a role"
        raise Invalid(msg)
    return message


def _text(message: Message) -> str:
    content = message.get("content")
    return content.strip() if isinstance(content, str) else ""


def _messages(data: bytes | None) -> list[Message] | None:
    if data is None:
        return None
    found = Json(data).thaw()
    if not isinstance(found, list) or not all(
        isinstance(message, dict) for message in cast("list[Any]", found)
    ):
        msg = "what is stored is no list of messages"
        raise Corrupt(msg)
    return cast("list[Message]", found)


def _result(match: Match) -> VectorResult:
    return {
        "id": match.id,
        "score": match.score,
        "content": match.text,
        "metadata": thaw(match.metadata),
    }


def _context(outcomes: Mapping[str, Any]) -> Context:
    failed = {name: error for name, error in outcomes.items() if isinstance(error, Exception)}
    for error in failed.values():
        if not isinstance(error, StorageError) or isinstance(error, Invalid):
            raise error
    if len(failed) == len(outcomes):
        first, *others = failed.values()
        for other in others:
            first.add_note(f"and so did the other part: {other}")
        raise first
    call = current.get()
    for name, error in failed.items():
        _log.warning("context without %s: %s", name, type(error).__name__)
        if call is not None and error.brief is not None:
            call.degraded.append(error.brief)
    results: list[VectorResult] = [] if "vectors" in failed else outcomes["vectors"]
    said: list[Message] = [] if "conversation" in failed else outcomes.get("conversation") or []
    scores = [min(max(result["score"], 0.0), 1.0) for result in results]
    return {
        "vector_results": results,
        "conversation_context": [m for m in said if m.get("role") in ("user", "assistant")][
            -_SHOWN:
        ],
        "combined_relevance": sum(scores) / len(scores) if scores else 0.0,
        "degraded": sorted(failed),
    }
