"""Look for passages in the storage, by meaning and by words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, final

from lamina.bot.answer.passage import Passage
from lamina.bot.answer.rank import ranked
from lamina.bot.answer.words import keywords
from lamina.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.storage import UnifiedStorage

_NEAREST: Final = 24
_WITH_WORD: Final = 12
_MOST_WORDS: Final = 12
_MEANT: Final = 0.7
"""Nearness from which meaning alone is enough: unrelated texts reach 0.6 with the shipped model."""
_SAID: Final = 0.34
"""Share of the question's words from which words alone are enough."""


@final
@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, best first; *notices* say what could not be asked."""

    passages: tuple[Passage, ...]
    conversation: tuple[Mapping[str, Any], ...] = ()
    notices: tuple[str, ...] = ()


async def find(
    storage: UnifiedStorage,
    query: str,
    *,
    asked: str = "",
    chat_id: str | None = None,
    top_k: int = 5,
) -> Found:
    """Return the *top_k* passages that have to do with *query*, none if there are none.

    *asked* is the part of it that was asked just now, where the rest is what it leans on.

    Raises:
        StorageError: Neither meaning nor words could be searched.
    """
    passages: dict[str, Passage] = {}
    notices: list[str] = []
    conversation: tuple[Mapping[str, Any], ...] = ()
    failure: StorageError | None = None
    try:
        near = await storage.search_context(query, chat_id, top_k=_NEAREST)
    except StorageError as error:
        if not keywords(query):
            raise
        failure = error
        notices.append(f"searched by words only: {error}")
    else:
        conversation = tuple(near["conversation_context"])
        notices.extend(f"answered with less: {part}" for part in near["degraded"])
        for match in near["vector_results"]:
            one = Passage.of(match["id"], match["content"] or "", match["metadata"])
            passages[one.id] = replace(one, meaning=match["score"])
    try:
        await _by_words(storage, query, passages)
    except StorageError as error:
        if failure is not None:
            raise
        notices.append(f"searched by meaning only: {error}")
    found = ranked(query, passages.values(), asked=asked)
    return Found(_relevant(found)[:top_k], conversation, tuple(notices))


async def _by_words(storage: UnifiedStorage, query: str, passages: dict[str, Passage]) -> None:
    """Add the best passages for each word alone; a search for all at once finds too little."""
    for word in keywords(query)[:_MOST_WORDS]:
        for found in await storage.documents.search(word, limit=_WITH_WORD):
            document = found.document
            if document.id not in passages:
                one = Passage.of(document.id, document.content, document.metadata)
                passages[one.id] = one


def _relevant(found: tuple[Passage, ...]) -> tuple[Passage, ...]:
    return tuple(one for one in found if one.words >= _SAID or one.meaning >= _MEANT)
