"""Whatever is written is read, by id and by path, alone and in batches."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import pytest

from lamina.domains.documents import (
    Documents,
    Find,
    Read,
    ReadAt,
    ReadMany,
    Write,
    WriteAt,
    WriteMany,
)
from lamina.errors import BatchFailed, Invalid, Unsupported
from lamina.filters import F
from lamina.testing.contracts import drawn
from lamina.testing.contracts.backend import BackendContract
from lamina.testing.contracts.sequences import check_sequences
from lamina.values import Json, freeze

if TYPE_CHECKING:
    from collections.abc import Sequence

_ASKED: Final = {
    "text": Find("word"),
    "filter": Find(None, F.n == 1),
    "order": Find(None, None, "path"),
}


class DrawnDocuments(BackendContract[Documents]):
    """Ids, paths, texts and metadata as Hypothesis draws them; races at a path."""

    def test_keeps_any_document_under_any_name(self) -> None:
        check_sequences(
            self._keep, _documents, self.examples, shortest=4, timeout_real=self.timeout_real
        )

    async def _keep(self, documents: Sequence[tuple[str, str, dict[str, Any]]]) -> None:
        kept = {id_: (content, metadata) for id_, content, metadata in documents}
        async with self.opened(Read, ReadAt, Write) as store:
            for id_, content, metadata in documents:
                await store.set(id_, content, metadata=metadata, path=id_)
            for id_, (content, metadata) in kept.items():
                found = await store.get(id_)
                assert found is not None, ascii(id_)
                assert (found.id, found.content, found.path) == (id_, content, id_)
                assert found.metadata == freeze(metadata)
                assert await store.by_path(id_) == found
            if Find in store.bound.capabilities:
                assert {one.id async for one in store.scan(limit=3)} == set(kept)

    def test_keeps_any_document_written_by_batches(self) -> None:
        check_sequences(
            self._keep_batch, _documents, self.examples, shortest=4, timeout_real=self.timeout_real
        )

    async def _keep_batch(self, documents: Sequence[tuple[str, str, dict[str, Any]]]) -> None:
        kept = {id_: Write(id_, text, Json.of(data)) for id_, text, data in documents}
        async with self.opened(ReadMany, WriteMany) as store:
            await store.set_many(list(kept.values()))
            told = await store.get_many([*kept, *reversed(kept)])
            wanted = [kept[id_] for id_ in [*kept, *reversed(kept)]]
            for found, write in zip(told, wanted, strict=True):
                assert found is not None, ascii(write.id)
                assert (found.id, found.content) == (write.id, write.content)
                assert found.metadata == write.metadata.value()

    async def test_raises_for_a_batch_with_a_bad_item_and_keeps_the_others(self) -> None:
        async with self.opened(ReadMany, WriteMany, Write) as store:
            await store.set("a", "text", path="/p")
            with pytest.raises(BatchFailed):
                await store.set_many([Write("b", "1"), Write("c", "2", path="/p"), Write("d", "3")])
            found = await store.get_many(["a", "b", "c", "d"])
            assert [one and one.content for one in found] == ["text", "1", None, "3"]
            with pytest.raises(Invalid):
                await store.get_many(["a", ""])

    async def test_makes_one_document_of_racing_writes_at_a_path(self) -> None:
        async with self.opened(ReadAt, WriteAt) as store:
            told = await asyncio.gather(
                *(store.set_at("/p", str(place)) for place in range(self.racers))
            )
            assert len(set(told)) == 1
            found = await store.by_path("/p")
            assert found is not None
            assert (found.id, found.version) == (told[0], self.racers)
            assert found.content in map(str, range(self.racers))

    async def test_refuses_before_it_asks_what_it_does_not_declare(self) -> None:
        async with self.opened(Find) as store:
            for feature, op in _ASKED.items():
                if store.bound.capabilities.offers(Find, feature):
                    assert (await store.bound.send(op)).items == (), feature
                    continue
                with pytest.raises(Unsupported) as caught:
                    await store.bound.send(op)
                assert caught.value.sent == "no", feature


def _documents(strategies: Any) -> Any:
    return strategies.tuples(
        drawn.names(strategies), drawn.texts(strategies), drawn.metadata(strategies)
    )
