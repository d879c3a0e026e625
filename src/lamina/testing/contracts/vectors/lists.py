"""Lists, pages and batches of records: complete, in order, whoever writes meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lamina.domains.vectors import (
    Drop,
    FetchMany,
    ListIds,
    Nearest,
    NearestPage,
    Upsert,
    UpsertMany,
)
from lamina.errors import BatchFailed, Invalid
from lamina.filters import F
from lamina.testing.contracts import drawn
from lamina.testing.contracts.sequences import check_sequences
from lamina.testing.contracts.vectors.nearest import NearestVectors
from lamina.testing.samples import NAMES
from lamina.values import Done, Failed, Json, Vector, freeze

if TYPE_CHECKING:
    from collections.abc import Sequence


class ListedVectors(NearestVectors):
    """Everything that tells of many records at once."""

    async def test_lists_every_id_at_any_page_size(self) -> None:
        async with self.opened(ListIds, UpsertMany) as store:
            await store.set_many([Upsert(name, self.numbers(1)) for name in NAMES])
            for limit in (1, 7, len(NAMES), 1000):
                self.listed(store, ListIds, [id_ async for id_ in store.scan(limit=limit)], NAMES)

    async def test_lists_what_stays_while_others_write(self) -> None:
        async with self.opened(ListIds, UpsertMany, Upsert, Drop) as store:
            stay = [f"v{place:02}" for place in range(0, 60, 2)]
            await store.set_many([Upsert(id_, self.numbers(1)) for id_ in stay])
            seen: set[str] = set()
            step = 0
            async for id_ in store.scan("v", limit=7):
                seen.add(id_)
                step += 1
                await store.set(f"v{(step * 37) % 60 | 1:02}", self.numbers(step))
                await store.delete(f"v{(step * 53) % 60 | 1:02}")
                assert step < 10_000, "the list never ends"
            assert set(stay) <= seen

    async def test_gives_all_matches_of_a_filter_page_by_page(self) -> None:
        async with self.opened(NearestPage, Nearest, UpsertMany) as store:
            await self.filled(store, 50)
            query = self.numbers(1000)
            for condition in (F.tag == "x", F.n >= 1, F.n == "none"):
                best = await store.search(query, top_k=100, filter=condition)
                for limit in (1, 4, 50):
                    pages = store.matches(query, filter=condition, limit=limit)
                    told = [one async for one in pages]
                    assert [one.id for one in told] == [one.id for one in best], condition
                    scores = [one.score for one in told]
                    assert scores == sorted(scores, reverse=True)

    async def test_refuses_a_cursor_that_no_page_gave(self) -> None:
        async with self.opened(NearestPage, Upsert) as store:
            await store.set("a", self.numbers(1))
            with pytest.raises(Invalid):
                await store.bound.send(NearestPage(self.numbers(1), cursor="no such cursor"))

    async def test_tells_which_items_of_a_batch_failed(self) -> None:
        async with self.opened(FetchMany, UpsertMany, Upsert) as store:
            await store.set("a", self.numbers(0))
            bad = Vector.of([1.0] * (self.dimension + 1))
            items = [Upsert("b", self.numbers(1)), Upsert("c", bad), Upsert("d", self.numbers(2))]
            told = await store.set_many(items, outcomes=True)
            assert [type(one) for one in told] == [Done, Failed, Done]
            assert isinstance(told[1], Failed)
            assert isinstance(told[1].error, Invalid)
            found = await store.get_many(["a", "b", "c", "d"])
            assert [one is not None for one in found] == [True, True, False, True]
            with pytest.raises(BatchFailed):
                await store.set_many(items)
            with pytest.raises(Invalid):
                await store.get_many(["a", ""])

    def test_keeps_any_record_under_any_name(self) -> None:
        check_sequences(
            self._keep, _records, self.examples, shortest=4, timeout_real=self.timeout_real
        )

    async def _keep(self, records: Sequence[tuple[str, int, dict[str, Any]]]) -> None:
        kept = {id_: (seed, metadata) for id_, seed, metadata in records}
        async with self.opened(FetchMany, UpsertMany) as store:
            await store.set_many(
                [
                    Upsert(id_, self.numbers(seed), metadata=Json.of(metadata))
                    for id_, (seed, metadata) in kept.items()
                ]
            )
            for found, id_ in zip(await store.get_many(list(kept)), kept, strict=True):
                assert found is not None, ascii(id_)
                assert (found.id, found.vector) == (id_, self.numbers(kept[id_][0]))
                assert found.metadata == freeze(kept[id_][1])


def _records(strategies: Any) -> Any:
    return strategies.tuples(
        drawn.names(strategies), strategies.integers(0, 99), drawn.metadata(strategies)
    )
