"""A batch of searches is answered as each of them alone, and in the order asked."""

from __future__ import annotations

from typing import Final

import pytest

from lamina.domains.vectors import Given, Match, Nearest, NearestMany, Upsert, UpsertMany
from lamina.errors import BatchFailed, Invalid, Unsupported
from lamina.filters import F
from lamina.testing.contracts.backend import near
from lamina.testing.contracts.vectors.nearest import NearestVectors
from lamina.values import Done, Failed, Vector

_MANY: Final = 1100  # more than a batch is asked to hold


class ManyNearestVectors(NearestVectors):
    """Batches of searches."""

    async def test_answers_searches_together_as_each_alone(self) -> None:
        async with self.opened(NearestMany, UpsertMany) as store:
            await self.filled(store, 60)
            queries = [
                Nearest(self.numbers(1000 + place), top_k=top_k, filter=condition)
                for place, (top_k, condition) in enumerate(
                    (
                        (3, None),
                        (100, None),
                        (2, F.n == 1),
                        (100, F.n == 1),
                        (5, F.n == 12345),
                        (100, ~(F.n == 1)),
                        (1, F.tag.is_in([])),
                    )
                )
            ]
            queries += [queries[0], Nearest(queries[0].vector, top_k=4)]
            told = await store.bound.send(NearestMany(tuple(queries)))
            for query, one in zip(queries, told, strict=True):
                assert isinstance(one, Done)
                _same(one.value, await store.bound.send(query))
            vectors = [self.numbers(seed) for seed in (1, 2, 1)]
            alone = [await store.search(vector, top_k=2) for vector in vectors]
            for found, wanted in zip(await store.search_many(vectors, top_k=2), alone, strict=True):
                _same(found, wanted)

    async def test_answers_any_number_of_searches(self) -> None:
        async with self.opened(NearestMany, UpsertMany) as store:
            assert await store.search_many([]) == ()
            assert await store.search_many([self.numbers(1)]) == ((),)
            await self.filled(store, 20)
            for count in (1, 2, _MANY):
                seeds = [place % 20 for place in range(count)]
                found = await store.search_many([self.numbers(seed) for seed in seeds], top_k=1)
                assert [hit.id for (hit,) in found] == [f"v{seed:03}" for seed in seeds]

    async def test_confines_searches_together_to_scope_and_namespace(self) -> None:
        async with self.opened(NearestMany, Upsert) as store:
            vector = self.numbers(1)
            await store.set("plain", vector)
            await store.set("named", vector, namespace="ns")
            await store.scoped("acme").set("acme's", vector, namespace="ns")
            for view, namespace, wanted in (
                (store, "", "plain"),
                (store, "ns", "named"),
                (store.scoped("acme"), "ns", "acme's"),
            ):
                found = await view.search_many([vector, vector], namespace=namespace)
                assert [[hit.id for hit in hits] for hits in found] == [[wanted], [wanted]]
            elsewhere = Nearest(vector, namespace="ns", scope="acme")
            (told,) = await store.bound.send(NearestMany((elsewhere,)))
            assert isinstance(told, Done)
            assert [hit.id for hit in told.value] == ["plain"]
            assert await store.scoped("other").search_many([vector]) == ((),)

    async def test_a_search_that_makes_no_sense_fails_alone(self) -> None:
        async with self.opened(NearestMany, Upsert) as store:
            good = self.numbers(1)
            await store.set("a", good)
            bad = Vector.of([1.0] * (self.dimension + 1))
            wanted = (Nearest(good), Nearest(bad), Nearest(), Nearest(good))
            told = await store.bound.send(NearestMany(wanted))
            assert [type(one) for one in told] == [Done, Failed, Failed, Done]
            failed = [one.error for one in told if isinstance(one, Failed)]
            assert [type(error) for error in failed] == [Invalid, Invalid]
            with pytest.raises(BatchFailed):
                await store.search_many([good, bad])
            assert len(await store.search_many([good, bad], outcomes=True)) == 2

    async def test_searches_for_texts_and_vectors_together_or_refuses_texts(self) -> None:
        async with self.opened(NearestMany, Upsert, Nearest) as store:
            if not store.bound.capabilities.offers(Nearest, "text") or self.dimension < 32:
                with pytest.raises((Unsupported, Invalid, BatchFailed)):
                    await store.search_many(["a purring cat"])
                return
            await store.set("cats", "cats purr and chase mice")
            await store.set("engines", "steam engines burn coal")
            await store.set("vector", self.numbers(1))
            given: list[Given] = ["a purring cat", self.numbers(1), "coal for the steam engine"]
            found = await store.search_many(given, top_k=1)
            assert [hit.id for (hit,) in found] == ["cats", "vector", "engines"]


def _same(found: tuple[Match, ...], wanted: tuple[Match, ...]) -> None:
    assert [match.id for match in found] == [match.id for match in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert (one.text, one.metadata) == (other.text, other.metadata)
        assert near(one.score, other.score, 1e-6)
