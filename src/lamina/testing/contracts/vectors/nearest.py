"""Searches are exact: the right records, in order, with the scores of their metric."""

from __future__ import annotations

import math
import random
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import pytest

from lamina.domains.vectors import Info, Nearest, NearestPage, Upsert, UpsertMany, Vectors
from lamina.errors import Invalid, Unsupported
from lamina.testing.contracts.backend import BackendContract, near
from lamina.testing.contracts.filters import FILTERS, METADATA
from lamina.values import Json, SparseVector, Vector, freeze

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.filters import Filter


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return math.fsum(x * y for x, y in zip(a, b, strict=True))


def _cosine(a: Sequence[float], b: Sequence[float]) -> float:
    length = math.sqrt(_dot(a, a) * _dot(b, b))
    return (1 + (_dot(a, b) / length if length else 0)) / 2


SCORES: Final[dict[str, Callable[[Sequence[float], Sequence[float]], float]]] = {
    "cosine": _cosine,
    "dot": lambda a, b: (1 + _dot(a, b)) / 2,
    "euclidean": lambda a, b: 1 / (1 + math.dist(a, b) ** 2),
}


@lru_cache(maxsize=2048)
def _unit(dimension: int, seed: int) -> Vector:
    rng = random.Random(seed)
    drawn = [rng.gauss(0, 1) for _ in range(dimension)]
    length = math.sqrt(_dot(drawn, drawn))
    return Vector.of(number / length for number in drawn)


class NearestVectors(BackendContract[Vectors]):
    """Searches by vector, with filters."""

    dimension = 8

    def numbers(self, seed: int) -> Vector:
        """Return a vector of length 1, the same for the same *seed*."""
        return _unit(self.dimension, seed)

    async def filled(self, store: Vectors, count: int) -> dict[str, Vector]:
        """Store *count* records whose metadata repeats ``METADATA``."""
        vectors = {f"v{place:03}": self.numbers(place) for place in range(count)}
        kinds = [Json.of(METADATA[place % len(METADATA)]) for place in range(count)]
        await store.set_many(
            [
                Upsert(id_, vector, metadata=kinds[place])
                for place, (id_, vector) in enumerate(vectors.items())
            ]
        )
        return vectors

    async def test_finds_the_nearest_with_their_exact_scores(self) -> None:
        async with self.opened(Nearest, UpsertMany, Info) as store:
            vectors = await self.filled(store, 200)
            score = SCORES[(await store.info()).metric]
            for seed in range(1000, 1005):
                query = self.numbers(seed)
                scores = {i: score(query.numbers(), v.numbers()) for i, v in vectors.items()}
                best = sorted(scores, key=lambda id_: -scores[id_])
                for top_k in (1, 10, 1000):
                    hits = await store.search(query, top_k=top_k)
                    assert [hit.id for hit in hits] == best[:top_k]
                    assert all(near(hit.score, scores[hit.id], 1e-5) for hit in hits)

    async def test_decides_filters_as_they_are_defined_or_refuses_them(self) -> None:
        async with self.opened(Nearest, UpsertMany) as store:
            vectors = await self.filled(store, 2 * len(METADATA))
            for condition in FILTERS:
                wanted = {
                    id_
                    for place, id_ in enumerate(vectors)
                    if condition.matches(freeze(METADATA[place % len(METADATA)]))
                }
                await self._decide(store, condition, wanted)

    async def _decide(self, store: Vectors, condition: Filter, wanted: set[str]) -> None:
        try:
            hits = await store.search(self.numbers(5), top_k=100, filter=condition)
        except (Unsupported, Invalid) as error:
            assert error.sent == "no", condition
            return
        assert {hit.id for hit in hits} == wanted, condition
        told = [hit.score for hit in hits]
        assert told == sorted(told, reverse=True), condition
        few = await store.search(self.numbers(5), top_k=2, filter=condition)
        assert [hit.id for hit in few] == [hit.id for hit in hits[:2]], condition

    async def test_gives_all_matches_page_by_page(self) -> None:
        async with self.opened(NearestPage, Nearest, UpsertMany) as store:
            await self.filled(store, 60)
            query = self.numbers(1000)
            best = await store.search(query, top_k=100)
            for limit in (7, 60, 100):
                assert [one async for one in store.matches(query, limit=limit)] == [*best]
            page = await store.bound.send(NearestPage(query, namespace="none"))
            assert (page.items, page.next) == ((), None)

    async def test_finds_what_was_written_last(self) -> None:
        async with self.opened(Nearest, Upsert) as store:
            await store.set("a", self.numbers(1))
            await store.set("b", self.numbers(2))
            await store.set("a", self.numbers(3), metadata={"n": 1})
            hits = await store.search(self.numbers(3), top_k=1)
            assert [(hit.id, dict(hit.metadata)) for hit in hits] == [("a", {"n": 1})]
            await store.delete("a")
            assert [hit.id for hit in await store.search(self.numbers(3))] == ["b"]

    async def test_finds_nothing_in_an_empty_store(self) -> None:
        async with self.opened(Nearest) as store:
            assert await store.search(self.numbers(1)) == ()
            assert await store.search(self.numbers(1), namespace="none") == ()

    async def test_refuses_a_query_that_makes_no_sense(self) -> None:
        async with self.opened(Nearest, Upsert) as store:
            await store.set("a", self.numbers(1))
            with pytest.raises(Invalid):
                await store.search(Vector.of([1.0] * (self.dimension + 1)))
            with pytest.raises(Invalid):
                await store.bound.send(Nearest())
            with pytest.raises(Invalid):
                await store.search(self.numbers(1), top_k=0)

    async def test_serves_sparse_vectors_or_refuses_them(self) -> None:
        async with self.opened(Nearest, Upsert) as store:
            try:
                await store.set("a", SparseVector((1, 7), (1.0, 2.0)))
            except (Unsupported, Invalid) as error:
                assert error.sent == "no"
                return
            await store.set("b", SparseVector((1, 9), (3.0, 1.0)))
            hits = await store.search(SparseVector((1, 7), (1.0, 2.0)))
            assert [(hit.id, hit.score) for hit in hits] == [("a", 5.0), ("b", 3.0)]
