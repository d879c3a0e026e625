"""Each kind of index takes what it holds, and refuses all else before anything is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from lamina import Stack
from lamina.backends.upstash import UpstashVectors
from lamina.domains.vectors import Fetch, Nearest, NearestPage, Upsert, Vectors
from lamina.errors import Invalid, Unsupported
from lamina.filters import F
from lamina.testing.servers import Upstash
from lamina.testing.servers.vector import Kind
from lamina.values import Done, Failed, Json, SparseVector, Vector

pytestmark = pytest.mark.server

DENSE: Final = Vector.of([1.0, 0.0])
OTHER: Final = Vector.of([0.0, 1.0])
SPARSE: Final = SparseVector((7, 1, -5), (1.0, 2.0, 0.5))
GIVEN: Final[dict[str, Any]] = {
    "dense": DENSE,
    "sparse": SPARSE,
    "pair": (DENSE, SPARSE),
    "text": "a cat sleeps on the sofa",
}
STORES: Final[dict[Kind, set[str]]] = {
    "dense": {"dense"},
    "sparse": {"sparse"},
    "hybrid": {"pair"},
}
FINDS: Final[dict[Kind, set[str]]] = STORES | {"hybrid": {"pair", "dense", "sparse"}}


@pytest.fixture(scope="module")
def upstash() -> Iterator[Upstash]:
    """Give a server whose requests can be counted: no other test uses it."""
    with Upstash() as one:
        yield one


@asynccontextmanager
async def opened(upstash: Upstash, kind: Kind, **options: Any) -> AsyncIterator[Vectors]:
    url, token = upstash.index(kind)
    async with Stack().over(UpstashVectors(url, token, **options)) as store:
        yield store


def sent(upstash: Upstash) -> int:
    return sum(upstash.control()["counts"].values())


@pytest.mark.parametrize("kind", STORES)
async def test_what_an_index_cannot_hold_is_refused_before_it_is_sent(
    upstash: Upstash, kind: Kind
) -> None:
    async with opened(upstash, kind) as store:
        for name, value in GIVEN.items():
            before = sent(upstash)
            if name in STORES[kind]:
                await store.set("a", value)
            else:
                with pytest.raises(Unsupported) as caught:
                    await store.set("b", value)
                assert caught.value.sent == "no"
            assert sent(upstash) == before + (name in STORES[kind]), name
        for name, value in GIVEN.items():
            if name in FINDS[kind]:
                assert [one.id for one in await store.search(value)] == ["a"], name
            else:
                before = sent(upstash)
                for ask in (store.search(value), anext(store.matches(value))):
                    with pytest.raises(Unsupported):
                        await ask
                assert sent(upstash) == before, name
        with pytest.raises(Invalid):
            await store.bound.send(NearestPage())


@pytest.mark.parametrize("kind", STORES)
async def test_a_record_comes_back_as_it_was_given(upstash: Upstash, kind: Kind) -> None:
    async with opened(upstash, kind) as store:
        for name in STORES[kind]:
            value = GIVEN[name]
            await store.set("a", value, metadata={"n": 1, "deep": {"list": [None, True]}})
            found = await store.get("a")
            assert found is not None
            assert (found.vector, found.sparse) == (
                DENSE if name != "sparse" else None,
                SPARSE if name != "dense" else None,
            )
            assert dict(found.metadata) == {"n": 1, "deep": {"list": (None, True)}}
            assert found.text is None


async def test_a_text_beside_a_vector_is_kept(upstash: Upstash) -> None:
    async with opened(upstash, "dense") as store:
        await store.bound.send(Upsert("a", DENSE, text="words"))
        await store.bound.send(Upsert("b", OTHER, text=""))
        found = await store.get_many(["a", "b"])
        assert [one and one.text for one in found] == ["words", ""]
        assert [one.text for one in await store.search(DENSE)] == ["words", ""]


@pytest.mark.parametrize("kind", ["embedding", "hybrid-embedding"])
async def test_an_index_with_a_model_embeds_text(upstash: Upstash, kind: Kind) -> None:
    async with opened(upstash, kind) as store:
        await store.set_many(
            [
                Upsert("cat", text="a cat sleeps on the sofa", metadata=Json.of({"n": 1})),
                Upsert("tax", text="income tax is due in April", metadata=Json.of({"n": 2})),
            ]
        )
        assert (await store.search("a cat sleeps on the sofa"))[0].id == "cat"
        found = await store.search("a cat sleeps on the sofa", filter=F.n == 2)
        assert [one.id for one in found] == ["tax"]
        assert [one.id async for one in store.matches("the cat", limit=1)] == ["cat", "tax"]
        record = await store.get("cat")
        assert record is not None
        assert record.text == "a cat sleeps on the sofa"
        assert record.vector is not None
        assert (record.sparse is not None) == (kind == "hybrid-embedding")
        assert (await store.info()).embedder


async def test_each_kind_tells_what_it_is(upstash: Upstash) -> None:
    told: dict[Kind, tuple[Any, ...]] = {
        "dense": (2, "cosine", None),
        "sparse": (None, "dot", None),
        "hybrid": (2, "cosine", None),
    }
    for kind, wanted in told.items():
        async with opened(upstash, kind, search_lag=0.25) as store:
            await store.set("a", GIVEN[next(iter(STORES[kind]))])
            info = await store.info()
            assert (info.dimension, info.metric, info.embedder) == wanted
            assert (info.count, info.search_lag) == (1, 0.25)


async def test_sparse_scores_are_inner_products(upstash: Upstash) -> None:
    async with opened(upstash, "sparse") as store:
        await store.set("a", SparseVector((1, 7), (1.0, 2.0)), metadata={"n": 1})
        await store.set("b", SparseVector((9, 1), (1.0, 3.0)), metadata={"n": 2})
        await store.set("c", SparseVector((2,), (1.0,)), metadata={"n": 1})
        hits = await store.search(SparseVector((1, 7), (1.0, 2.0)))
        assert [(hit.id, hit.score) for hit in hits] == [("a", 5.0), ("b", 3.0)]
        hits = await store.search(SparseVector((1, 7), (1.0, 2.0)), filter=~(F.n == 1))
        assert [hit.id for hit in hits] == ["b"]
        pages = [hit.id async for hit in store.matches(SparseVector((1,), (1.0,)), limit=1)]
        assert pages == ["b", "a"]


async def test_a_hybrid_index_fuses_both(upstash: Upstash) -> None:
    async with opened(upstash, "hybrid") as store:
        await store.set("both", (DENSE, SPARSE))
        await store.set("dense", (DENSE, SparseVector((99,), (1.0,))))
        await store.set("sparse", (OTHER, SPARSE))
        assert (await store.search((DENSE, SPARSE)))[0].id == "both"
        assert [hit.id for hit in await store.search(SPARSE)] == ["both", "sparse"]
        assert [hit.id for hit in await store.search(DENSE)][-1] == "sparse"


async def test_an_item_of_the_wrong_kind_hinders_no_other(upstash: Upstash) -> None:
    async with opened(upstash, "dense") as store:
        items = [
            Upsert("a", DENSE),
            Upsert("b", sparse=SPARSE),
            Upsert("c", text="text"),
            Upsert("d"),
            Upsert("e", DENSE, metadata=Json.of([1])),
            Upsert("f", DENSE, metadata=Json(b"{no")),
            Upsert("g", DENSE, namespace="é" * 400),
            Upsert("h", OTHER),
        ]
        told = await store.set_many(items, outcomes=True)
        kinds = [type(one.error) if isinstance(one, Failed) else Done for one in told]
        assert kinds == [
            Done, Unsupported, Unsupported, Invalid, Invalid, Invalid, Invalid, Done
        ]  # fmt: skip
        assert sorted([id_ async for id_ in store.scan()]) == ["a", "h"]


def test_searches_declare_how_late_they_find_what_was_written() -> None:
    served = UpstashVectors("http://127.0.0.1:1", "token", search_lag=2.5).capabilities()

    assert served[Nearest].limits["search_lag"] == 2.5
    assert served[NearestPage].limits["search_lag"] == 2.5
    assert "search_lag" not in served[Fetch].limits
    assert "filter" in served[Nearest].features
