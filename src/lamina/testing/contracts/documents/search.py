"""Search finds exactly the documents that hold the words and meet the filter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest

from lamina.domains.documents import Document, Documents, Find, Remove, Write
from lamina.errors import Invalid, Unsupported
from lamina.testing.contracts.backend import BackendContract
from lamina.testing.contracts.documents.words import finds_words
from lamina.testing.contracts.filters import FILTERS, METADATA
from lamina.values import freeze

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from lamina.filters import Filter

_HOSTILE = (
    *('"', "'", "AND", "OR", "NOT x", "NEAR(a b)", "*", "a*", "-a", "content:a", "(", ")", "^"),
    *("\\", "%", "_", "a AND b", "{a}", "+", "a:b", ";", "--", "\u202e", "  ", "&|!<->"),
)
_TEXTS = {
    "1": "the quick brown fox",
    "2": "The Quick red fox jumps",
    "3": "a slow brown bear",
    "4": "",
    "5": "straße café résumé",
    "6": "fox, fox; fox: fox!",
}


class SearchedDocuments(BackendContract[Documents]):
    """Words, filters, orders and pages."""

    async def test_finds_documents_that_hold_every_word(self) -> None:
        async with self.opened(Find, Write) as store:
            for id_, text in _TEXTS.items():
                await store.set(id_, text)
            seen = await finds_words(store)
            for query, wanted in {
                "fox": {"1", "2", "6"},
                "FOX quick": {"1", "2"},
                "brown fox": {"1"},
                "fox brown": {"1"},
                "bear fox": set[str](),
                "straße": {"5"},
                "wolf": set[str](),
                "": set(_TEXTS),
            }.items():
                if query and not seen:
                    continue
                found = await store.search(query, limit=100)
                assert {hit.document.id for hit in found} == wanted, query
                scores = [hit.score for hit in found]
                assert scores == sorted(scores, reverse=True)
                assert all(score > 0 for score in scores) == bool(query) or not scores

    async def test_reads_a_query_as_words_whatever_it_holds(self) -> None:
        async with self.opened(Find, Write) as store:
            await store.set("1", "plain words")
            for query in _HOSTILE if await finds_words(store) else ():
                for hit in await store.search(query):
                    assert hit.document.id == "1"
                assert await store.search(f"{query} absentword") == (), query
            await store.check()

    async def test_finds_what_was_written_last(self) -> None:
        async with self.opened(Find, Write, Remove) as store:
            await store.set("1", "old words")
            await store.set("1", "new words")
            seen = await finds_words(store)
            query = "new" if seen else ""
            assert not seen or await store.search("old") == ()
            assert [hit.document.content for hit in await store.search(query)] == ["new words"]
            await store.delete("1")
            assert await store.search(query) == ()
            assert await store.search("") == ()

    async def test_decides_filters_as_they_are_defined_or_refuses_them(self) -> None:
        async with self.opened(Find, Write) as store:
            for place, metadata in enumerate(METADATA):
                await store.set(f"{place:02}", "word", metadata=metadata)
            for condition in FILTERS:
                await self._decide(store, condition)

    @staticmethod
    async def _decide(store: Documents, condition: Filter) -> None:
        wanted = [
            f"{place:02}"
            for place, metadata in enumerate(METADATA)
            if condition.matches(freeze(metadata))
        ]
        try:
            found = [one.id async for one in store.scan(filter=condition, limit=3)]
        except (Unsupported, Invalid) as error:
            assert error.sent == "no", condition
            return
        assert sorted(found) == wanted, condition
        query = "word" if await finds_words(store) else ""
        hits = await store.search(query, filter=condition, limit=100)
        assert sorted(hit.document.id for hit in hits) == wanted, condition

    @pytest.mark.parametrize("descending", [False, True])
    @pytest.mark.parametrize("order", ["created_at", "updated_at", "id", "path"])
    async def test_lists_in_the_order_asked(
        self, order: Literal["created_at", "updated_at", "id", "path"], *, descending: bool
    ) -> None:
        async with self.opened(Find, Write) as store:
            for place in (3, 1, 4, 0, 2):
                await store.set(f"d{place}", "word", path=f"/{9 - place}")
                await self.elapse(1)
            await store.set("d3", "word again", path="/x")
            pages = [one async for one in _all(store, Find(None, None, order, descending, limit=2))]
            keys = [getattr(one, order) for one in pages]
            assert len(keys) == 5
            assert keys == sorted(keys, reverse=descending)
            query = "word" if await finds_words(store) else ""
            hits = await store.search(query, order=order, descending=descending)
            assert [hit.document for hit in hits] == pages

    async def test_pages_are_complete_at_any_size(self) -> None:
        async with self.opened(Find, Write) as store:
            ids = {f"d{place:02}" for place in range(23)}
            for id_ in ids:
                await store.set(id_, "same words")
            texts = (None, "words") if await finds_words(store) else (None,)
            for limit in (1, 5, 23, 100):
                for text in texts:
                    found = [one.id async for one in _all(store, Find(text, limit=limit))]
                    assert len(found) == 23
                    assert set(found) == ids

    async def test_lists_what_stays_while_others_write(self) -> None:
        async with self.opened(Find, Write, Remove) as store:
            stay = {f"d{place:03}" for place in range(0, 60, 2)}
            for id_ in stay:
                await store.set(id_, "word")
            seen: set[str] = set()
            step = 0
            async for one in store.scan(limit=7):
                seen.add(one.id)
                step += 1
                await store.set(f"d{(step * 37) % 60 | 1:03}", "word")
                await store.delete(f"d{(step * 53) % 60 | 1:03}")
            assert stay <= seen


async def _all(store: Documents, op: Find) -> AsyncIterator[Document]:
    cursor: str | None = None
    for _ in range(1000):
        asked = Find(op.text, op.filter, op.order, op.descending, cursor, op.limit)
        page = await store.bound.send(asked)
        for found in page.items:
            yield found.document
        cursor = page.next
        if cursor is None:
            return
    pytest.fail("pages never end")
