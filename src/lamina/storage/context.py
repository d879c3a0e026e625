"""What helps to answer a question: what is near to it, and what was said last."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, TypedDict

from lamina.context import current
from lamina.errors import Invalid, StorageError
from lamina.storage.conversations import Conversations, Message, conversation_key
from lamina.storage.domains import together
from lamina.values import check_positive, check_text, thaw

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from lamina.domains.vectors import Match

_log: Final = logging.getLogger("lamina.storage")
_SHOWN: Final = 5


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


class ContextSearch(Conversations):
    """Search by meaning, together with the conversation it belongs to."""

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
        check_text(query, what="query")
        if not query.strip():
            msg = "query must not be empty"
            raise Invalid(msg)
        check_positive(top_k, what="top_k")
        parts: dict[str, Coroutine[Any, Any, Any]] = {}
        if chat_id is not None:
            conversation_key(chat_id)
        parts["vectors"] = self._near(query, chat_id, top_k)
        if chat_id is not None and include_conversation:
            parts["conversation"] = self.get_conversation(chat_id)
        outcomes = await together(self._runtime, list(parts.values()), "search context")
        return _context(dict(zip(parts, outcomes, strict=True)))

    async def _near(self, query: str, chat_id: str | None, top_k: int) -> list[VectorResult]:
        found = await self.vectors.search(query, top_k=top_k)
        if chat_id is not None and self.index_messages:
            said = await self.vectors.search(
                query, top_k=top_k, namespace=conversation_key(chat_id)
            )
            found = tuple(sorted((*found, *said), key=lambda match: -match.score)[:top_k])
        return [_result(match) for match in found]


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
        if call is not None and (brief := getattr(error, "brief", None)) is not None:
            call.degraded.append(brief)
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
