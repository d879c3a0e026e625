"""Batches of stamps, of searches and of heads pass every layer as other batches do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

from lamina.backends.memory import MemoryKeyValue
from lamina.capabilities import Capabilities, Serves
from lamina.domains.keyvalue import GetStampedMany
from lamina.domains.media import HeadMany
from lamina.domains.vectors import Nearest, NearestMany
from lamina.errors import AuthError, Invalid, Unavailable
from lamina.filters import F
from lamina.layers.cache import Cache
from lamina.layers.fallback import Fallback
from lamina.layers.readonly import ReadOnly
from lamina.layers.retry import Retry
from lamina.layers.scope import Scope
from lamina.stack import Stack
from lamina.testing import ScriptedKeyValue, ScriptedMedia, ScriptedVectors
from lamina.testing.sweep import sweep
from lamina.values import Done, Failed, Stamped, Vector

if TYPE_CHECKING:
    from lamina.operation import BatchOperation, Operation

ONE: Final = Vector.of([1.0, 0.0])
TWO: Final = Vector.of([0.0, 1.0])


class Case(NamedTuple):
    scripted: type[Any]
    batch: BatchOperation[Any]
    part: BatchOperation[Any]
    answer: Any
    """To one item."""


CASES: Final = [
    Case(
        ScriptedKeyValue,
        GetStampedMany(("a", "b", "c"), scope="acme"),
        GetStampedMany(("b",), scope="acme"),
        Stamped(b"1", 5.0),
    ),
    Case(
        ScriptedVectors,
        NearestMany(
            (Nearest(ONE), Nearest(TWO, top_k=3, filter=F.n == 1), Nearest(text="words")),
            "ns",
            scope="acme",
        ),
        NearestMany(
            (Nearest(TWO, None, None, 3, F.n == 1, "ns", scope="acme"),),
            "ns",
            scope="acme",
        ),
        (),
    ),
    Case(
        ScriptedMedia,
        HeadMany(("a", "b", "c"), scope="acme"),
        HeadMany(("b",), scope="acme"),
        None,
    ),
]
each = pytest.mark.parametrize("case", CASES, ids=lambda case: type(case.batch).__name__)


@each
async def test_only_the_item_that_failed_is_repeated(case: Case) -> None:
    done, final = Done(case.answer), Failed(AuthError("no"))
    with case.scripted(ordered=True) as backend:
        backend.expect(case.batch).returns((done, Failed(Unavailable("down")), final))
        backend.expect(case.part).returns((done,))
        told = await Stack(Retry()).over(backend).bound.send(case.batch)
    assert told == (done, done, final)


@each
async def test_only_the_item_that_failed_is_asked_of_the_other_store(case: Case) -> None:
    done = Done(case.answer)
    with case.scripted() as backend, case.scripted() as other:
        backend.expect(case.batch).returns((done, Failed(Unavailable("down")), done))
        other.expect(case.part).returns((done,))
        store = Stack(Fallback(Stack().over(other).bound)).over(backend)
        assert await store.bound.send(case.batch) == (done, done, done)


@each
async def test_a_store_that_takes_no_writes_answers_them(case: Case) -> None:
    with case.scripted() as backend:
        backend.expect(case.batch).returns((Done(case.answer),) * 3)
        assert len(await Stack(ReadOnly()).over(backend).bound.send(case.batch)) == 3


@each
async def test_none_of_them_passes_without_a_tenant(case: Case) -> None:
    plain: Operation[Any] = replace(case.batch, scope="")
    with case.scripted() as backend:
        backend.expect(case.batch).returns((Done(case.answer),) * 3)
        store = Stack(Scope()).over(backend)
        assert len(await store.bound.send(case.batch)) == 3
        with pytest.raises(Invalid):
            await store.bound.send(plain)


@each
def test_answered_one_by_one_they_may_be_cancelled_anywhere(case: Case) -> None:
    single = type(case.batch).single

    async def scenario() -> None:
        backend = case.scripted(without=(type(case.batch),))
        backend.expect(single).after(1.0).returns(case.answer).times(3)
        told = await Stack().over(backend).bound.send(case.batch)
        assert told == (Done(case.answer),) * 3

    assert sweep(scenario).points >= 1


def test_a_batch_answered_one_by_one_has_the_limits_of_one() -> None:
    class Late(ScriptedVectors):
        def capabilities(self) -> Capabilities:
            served = dict(super().capabilities())
            served[Nearest] = Serves(frozenset(), {"search_lag": 5.0})
            return Capabilities(served)

    bound = Stack().over(Late(without=(NearestMany,))).bound
    assert bound.capabilities.offers(NearestMany, "emulated")
    assert bound.capabilities[NearestMany].limits == {"search_lag": 5.0}


async def test_what_was_read_together_is_held_until_it_expires() -> None:
    store = Stack(Cache(60, jitter=0.0)).over(MemoryKeyValue())
    await store.set("a", b"1", ttl=10)
    await store.set("b", b"2")
    cache = store.bound.layer(Cache)
    assert cache is not None
    assert await store.get_many(["a", "b", "none"]) == (b"1", b"2", None)
    before = cache.stats()
    assert await store.get_many(["a", "b", "none"]) == (b"1", b"2", None)
    assert await store.get("a") == b"1"
    assert cache.stats().hits - before.hits == 4
    assert cache.stats().misses == before.misses
