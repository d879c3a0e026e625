"""Records come back as they were stored, in their namespace and no other."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from lamina.domains.vectors import (
    Drop,
    DropWhere,
    Fetch,
    FetchMany,
    Info,
    ListIds,
    Namespaces,
    Upsert,
    UpsertMany,
    Vectors,
)
from lamina.errors import Invalid, StorageError
from lamina.filters import F
from lamina.testing.clock import run
from lamina.testing.contracts.backend import BackendContract, near
from lamina.testing.contracts.filters import METADATA
from lamina.testing.samples import NAMES, REFUSED
from lamina.values import Done, Json, Vector, freeze


class BasicVectors(BackendContract[Vectors]):
    """Reads, writes, deletes, namespaces, batches, scopes."""

    domain = "vectors"
    dimension = 8

    def vector(self, seed: int = 0) -> Vector:
        """Return a vector of the backend's dimension, the same for the same *seed*."""
        rng = random.Random(seed)
        return Vector.of(rng.gauss(0, 1) for _ in range(self.dimension))

    async def test_keeps_every_name_apart(self) -> None:
        async with self.opened(Fetch, Upsert, Drop) as store:
            for place, name in enumerate(NAMES):
                await store.set(name, self.vector(place), metadata={"n": place})
            for place, name in enumerate(NAMES):
                found = await store.get(name)
                assert found is not None, ascii(name)
                assert (found.id, dict(found.metadata)) == (name, {"n": place})
            for name in NAMES[::2]:
                assert await store.delete(name) is True, ascii(name)
            left = list(NAMES[1::2])
            assert sorted([id_ async for id_ in store.scan(limit=7)]) == sorted(left)

    async def test_gives_back_the_very_numbers(self) -> None:
        async with self.opened(Fetch, Upsert) as store:
            vector = self.vector(1)
            await store.set("a", vector)
            found = await store.get("a")
            assert found is not None
            assert found.vector == vector
            assert (found.text, dict(found.metadata)) == (None, {})

    async def test_keeps_metadata_and_freezes_it(self) -> None:
        async with self.opened(Fetch, Upsert) as store:
            for metadata in METADATA:
                await store.set("a", self.vector(), metadata=metadata)
                found = await store.get("a")
                assert found is not None
                assert found.metadata == freeze(metadata)
                assert Json.of(found.metadata) == Json.of(metadata)
                mapping: Any = found.metadata
                with pytest.raises(TypeError):
                    mapping["n"] = 5

    async def test_refuses_what_it_cannot_hold(self) -> None:
        async with self.opened(Fetch, Upsert) as store:
            for name in REFUSED:
                with pytest.raises(Invalid):
                    await store.set(name, self.vector())
            await store.set("a", self.vector())
            with pytest.raises(Invalid):
                await store.set("b", Vector.of([1.0] * (self.dimension + 1)))
            with pytest.raises(Invalid):
                await store.bound.send(Upsert("b"))
            with pytest.raises(Invalid):
                await store.set("b", Vector.of([math.nan] * self.dimension))
            assert [id_ async for id_ in store.scan()] == ["a"]

    async def test_absent_is_none_or_false(self) -> None:
        async with self.opened(Fetch, Upsert, Drop) as store:
            assert await store.get("a") is None
            assert await store.delete("a") is False
            assert await store.delete("a", namespace="n") is False
            await store.set("a", self.vector(1), metadata={"n": 1})
            await store.set("a", self.vector(2))
            found = await store.get("a")
            assert found is not None
            assert (found.vector, dict(found.metadata)) == (self.vector(2), {})
            assert await store.delete("a") is True
            assert await store.delete("a") is False
            assert await store.search(self.vector(2)) == ()

    async def test_keeps_namespaces_apart(self) -> None:
        async with self.opened(Fetch, Upsert, Drop, Namespaces, DropWhere) as store:
            spaces = ["", "a", "a:b", "é", "A"]
            for place, space in enumerate(spaces):
                await store.set("x", self.vector(place), namespace=space)
            assert await store.namespaces() == tuple(sorted(spaces))
            for place, space in enumerate(spaces):
                found = await store.get("x", namespace=space)
                assert found is not None
                assert found.vector == self.vector(place)
                assert len(await store.search(self.vector(), namespace=space)) == 1
                assert [id_ async for id_ in store.scan(namespace=space)] == ["x"]
            assert await store.delete("x", namespace="a") is True
            assert await store.delete_where(None, namespace="é") == 1
            assert await store.namespaces() == ("", "A", "a:b")

    async def test_deletes_what_meets_a_filter_and_tells_how_many(self) -> None:
        async with self.opened(Upsert, DropWhere, ListIds) as store:
            for place in range(10):
                await store.set(f"v{place}", self.vector(place), metadata={"n": place})
            assert await store.delete_where(F.n >= 7) == 3
            assert await store.delete_where(F.n >= 7) == 0
            assert len([id_ async for id_ in store.scan()]) == 7
            assert await store.delete_where(None) == 7
            assert [id_ async for id_ in store.scan()] == []

    async def test_lists_only_ids_that_begin_with_the_prefix(self) -> None:
        async with self.opened(Upsert, ListIds) as store:
            for place, name in enumerate(NAMES):
                await store.set(name, self.vector(place))
            for prefix in ["", "a", "A", "a_", "a%", "a*", "[", "é", "e", "none"]:
                wanted = [name for name in NAMES if name.startswith(prefix)]
                for limit in (1, 1000):
                    found = [id_ async for id_ in store.scan(prefix, limit=limit)]
                    assert sorted(found) == sorted(wanted), prefix

    async def test_answers_a_batch_in_the_order_asked(self) -> None:
        async with self.opened(FetchMany, UpsertMany) as store:
            items = [Upsert(f"v{place}", self.vector(place)) for place in range(30)]
            assert await store.set_many(items) == (Done(None),) * 30
            found = await store.get_many(["v3", "none", "v3", "v29"])
            assert [one and one.id for one in found] == ["v3", None, "v3", "v29"]
            assert await store.get_many([]) == ()
            assert await store.set_many([]) == ()

    async def test_confines_each_scope_to_its_own(self) -> None:
        async with self.opened(Fetch, Upsert, Drop, Namespaces) as store:
            views = [store, store.scoped("a"), store.scoped("a:b"), store.scoped("..")]
            for place, view in enumerate(views):
                assert await view.get("x") is None
                await view.set("x", self.vector(place), metadata={"n": place})
            for place, view in enumerate(views):
                hits = await view.search(self.vector(0), top_k=100)
                assert [(hit.id, hit.metadata["n"]) for hit in hits] == [("x", place)]
                assert await view.namespaces() == ("",)
                assert (await view.info()).count == 1
            assert await views[1].delete_where(None) == 1
            assert await views[0].get("x") is not None

    async def test_tells_what_it_holds(self) -> None:
        async with self.opened(Upsert, Info) as store:
            await store.set("a", self.vector())
            await store.set("b", self.vector(), namespace="n")
            info = await store.info()
            assert (info.count, info.dimension) == (1, self.dimension)
            assert (await store.info(namespace="none")).count == 0

    async def test_embeds_text_or_says_that_it_cannot(self) -> None:
        async with self.opened(Upsert, Fetch, Info) as store:
            embeds = store.bound.capabilities.offers(Upsert, "text")
            if not embeds or (await store.info()).embedder is None:
                with pytest.raises(StorageError):
                    await store.set("a", "some text")
                return
            texts = {"cat": "a cat sleeps on the sofa", "tax": "income tax is due in April"}
            for id_, text in texts.items():
                await store.set(id_, text)
            found = await store.get("cat")
            assert found is not None
            assert found.text == texts["cat"]
            hits = await store.search("a cat sleeps on the sofa")
            assert [hit.id for hit in hits] == ["cat", "tax"]
            assert hits[0].text == texts["cat"]
            assert near(hits[0].score, 1, 1e-3)

    def test_may_be_cancelled_anywhere(self) -> None:
        async def scenario() -> None:
            store = self.store()
            async with store:
                await store.set("a", self.vector())
                await store.search(self.vector())
                await store.delete("a")

        async def afterwards() -> None:
            async with self.opened(Fetch, Upsert) as store:
                await store.set("a", self.vector())
                assert await store.get("a") is not None

        self.cancelled_anywhere(scenario)
        run(afterwards(), timeout_real=self.timeout_real)
