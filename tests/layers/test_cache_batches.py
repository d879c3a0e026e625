from __future__ import annotations

import asyncio
import random
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Any, Self, cast

import pytest
from cache_backend import Slow, cache_of, settled

from lamina.backend import serves
from lamina.domains.documents import Document, DocumentsBackend, Read, ReadMany, Write, WriteMany
from lamina.domains.keyvalue import Get, GetStamped
from lamina.errors import Corrupt, DeadlineExceeded, StorageError, TimedOut, Unavailable
from lamina.layers.cache import Cache
from lamina.operation import BatchOperation, Operation, operation
from lamina.stack import Stack
from lamina.testing.clock import explore
from lamina.values import Done, Failed, Key, Stamped

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from lamina.values import Outcome


class Papers(DocumentsBackend):
    """Documents that do not expire; ids that begin with "bad" fail."""

    name = "papers"

    def __init__(self) -> None:
        self.version = 1
        self.asked: list[tuple[str, ...]] = []
        self.error: Exception | None = None
        self.item_error: StorageError = Unavailable("down")

    def paper(self, id_: str) -> Document:
        return Document(id_, "", {}, self.version, None, 0.0, 0.0)

    @serves(Read)
    async def read(self, op: Read) -> Document | None:
        self.asked.append((op.id,))
        found = self.paper(op.id)
        await asyncio.sleep(1)
        return found

    @serves(ReadMany)
    async def read_many(self, op: ReadMany) -> tuple[Outcome[Document | None], ...]:
        self.asked.append(op.ids)
        found = [self.paper(id_) for id_ in op.ids]
        await asyncio.sleep(1)
        if self.error is not None:
            raise self.error
        return tuple(
            Failed(self.item_error) if one.id.startswith("bad") else Done(one) for one in found
        )

    @serves(Write)
    async def write(self, op: Write) -> None:
        self.version += 1

    @serves(WriteMany)
    async def write_many(self, op: WriteMany) -> tuple[Outcome[None], ...]:
        failed = Failed(TimedOut("late"))
        return tuple(failed if one.id.startswith("bad") else Done(None) for one in op.items)


async def test_batch_asks_below_only_for_what_is_missing_and_keeps_the_order() -> None:
    backend = Papers()
    store = Stack(Cache()).over(backend)
    await store.get("b")

    told = await store.get_many(["a", "b", "c"])

    assert [one.id for one in told if one] == ["a", "b", "c"]
    assert backend.asked == [("b",), ("a", "c")]
    await store.get_many(["c", "a"])
    await store.get("a")
    assert len(backend.asked) == 2


async def test_repeated_id_is_asked_once() -> None:
    backend = Papers()
    store = Stack(Cache()).over(backend)

    told = await store.get_many(["a", "a"])

    assert [one.id for one in told if one] == ["a", "a"]
    assert backend.asked == [("a",)]


async def test_batch_of_nothing_asks_nothing() -> None:
    backend = Papers()

    assert await Stack(Cache()).over(backend).get_many([]) == ()
    assert backend.asked == []


async def test_failed_items_stay_in_place_and_are_not_kept() -> None:
    backend = Papers()
    store = Stack(Cache()).over(backend)

    for _ in range(2):
        told = await store.get_many(["a", "bad", "c"], outcomes=True)
        assert [type(one) for one in told] == [Done, Failed, Done]

    assert backend.asked == [("a", "bad", "c"), ("bad",)]


async def test_fresh_batch_asks_for_all_and_refills() -> None:
    backend = Papers()
    store = Stack(Cache()).over(backend)
    await store.get_many(["a", "b"])
    backend.version = 7  # by another process

    await store.get_many(["a", "b"], fresh=True)

    found = await store.get("a")
    assert found is not None
    assert found.version == 7
    assert len(backend.asked) == 2


async def test_write_during_a_batch_keeps_its_answer_out() -> None:
    backend = Papers()
    store = Stack(Cache()).over(backend)
    reading = asyncio.ensure_future(store.get_many(["a", "b"]))
    await asyncio.sleep(0.5)
    await store.set("a", "new")
    await reading

    first, second = await store.get("a"), await store.get("b")

    assert first is not None
    assert first.version == 2
    assert second is not None
    assert backend.asked == [("a", "b"), ("a",)]


async def test_single_read_waits_for_a_batch_that_asks_the_same() -> None:
    backend = Papers()
    store = Stack(Cache()).over(backend)

    batch, one, bad = await asyncio.gather(
        store.get_many(["a", "bad"], outcomes=True),
        store.get("a"),
        store.get("bad"),
        return_exceptions=True,
    )

    assert batch[0] == Done(one)  # type: ignore[index]
    assert isinstance(bad, Unavailable)
    assert backend.asked == [("a", "bad")]


async def test_cancelled_batch_hands_its_readers_on() -> None:
    backend = Papers()
    store = Stack(Cache()).over(backend)
    batch = asyncio.ensure_future(store.get_many(["a", "b"]))
    await settled()
    readers = [asyncio.ensure_future(store.get(id_)) for id_ in ("a", "a", "b")]
    await asyncio.sleep(0.5)

    batch.cancel()

    assert [one.id for one in await asyncio.gather(*readers) if one] == ["a", "a", "b"]
    assert backend.asked == [("a", "b"), ("a",), ("b",)]


async def test_batch_that_fails_as_a_whole_fails_its_readers() -> None:
    backend = Papers()
    backend.error = Unavailable("down")
    store = Stack(Cache()).over(backend)

    told = await asyncio.gather(
        store.get_many(["a", "b"]), store.get("a"), store.get("b"), return_exceptions=True
    )

    assert all(isinstance(one, Unavailable) for one in told)
    assert backend.asked == [("a", "b")]


async def test_item_out_of_the_batch_s_time_is_asked_again_by_who_waits_for_it() -> None:
    backend = Papers()
    backend.item_error = DeadlineExceeded("the batch's own")
    store = Stack(Cache()).over(backend)

    told, one = await asyncio.gather(store.get_many(["a", "bad"], outcomes=True), store.get("bad"))

    assert isinstance(told[1], Failed)
    assert one is not None
    assert backend.asked == [("a", "bad"), ("bad",)]


async def test_batch_asks_again_for_what_is_too_old() -> None:
    backend = Papers()
    store = Stack(Cache(10, jitter=0)).over(backend)
    await store.get_many(["a"])
    await asyncio.sleep(10)

    await store.get_many(["a"])

    assert len(backend.asked) == 2


async def test_answers_that_batches_use_outlast_those_that_are_not_used() -> None:
    backend = Papers()
    store = Stack(Cache(1e6, max_entries=20)).over(backend)
    for at in range(60):
        await store.get(f"k{at}")
        await store.get_many(["hot"])

    assert backend.asked.count(("hot",)) == 1


async def test_batch_keeps_values_where_nothing_below_tells_of_expiry() -> None:
    backend = Slow(0)
    store = Stack(Cache()).over(backend)
    await store.set("a", b"1")

    await store.get_many(["a"])

    assert await store.get("a") == b"1"
    assert [type(op).__name__ for op in backend.calls] == ["Set", "GetMany"]


@pytest.mark.parametrize(("id_", "asked"), [("a", 1), ("bad", 3)])
async def test_batch_write_leaves_doubt_if_an_item_is_unclear(id_: str, asked: int) -> None:
    backend = Papers()
    store = Stack(Cache()).over(backend)

    await store.set_many([Write(id_, "x"), Write("b", "x")], outcomes=True)

    for _ in range(3):
        await store.get("b")
    assert len(backend.asked) == asked


@operation("keyvalue")
class StampedMany(BatchOperation[Stamped[bytes | None]]):
    keys: tuple[Key, ...]

    single = GetStamped

    def tags(self) -> tuple[str, ...]:
        return tuple(self.tag(key) for key in self.keys)

    def singles(self) -> tuple[GetStamped, ...]:
        return tuple(GetStamped(key, scope=self.scope) for key in self.keys)

    @classmethod
    def gather(cls, singles: tuple[Operation[Any], ...]) -> Self:
        ones = cast("tuple[GetStamped, ...]", singles)
        return cls(tuple(one.key for one in ones), scope=ones[0].scope)


class Expiring(Slow):
    @serves(GetStamped)
    async def get_stamped(self, op: GetStamped) -> Stamped[bytes | None]:
        return Stamped(await self.get(Get(op.key, scope=op.scope)), self.runtime.wall() + 5)

    @serves(StampedMany)
    async def stamped_many(self, op: StampedMany) -> tuple[Outcome[Stamped[bytes | None]], ...]:
        await self.pause(op)
        ends = self.runtime.wall() + 5
        return tuple(Done(Stamped(self.values.get((op.scope, key)), ends)) for key in op.keys)


async def test_batch_that_tells_expiries_is_used_and_kept_until_then() -> None:
    backend = Expiring(0)
    store = Stack(Cache(60, jitter=0)).over(backend)
    await store.set("a", b"1")

    for _ in range(2):
        assert await store.get_many(["a", "b"]) == (b"1", None)
    assert await store.get("a") == b"1"
    assert [type(op).__name__ for op in backend.calls] == ["Set", "StampedMany"]

    await asyncio.sleep(5)
    assert await store.get_many(["a"]) == (b"1",)
    assert len(backend.calls) == 3
    assert cache_of(store).stats().hits == 3


async def test_ca15_a_batch_waits_for_reads_under_way_and_asks_for_the_rest() -> None:
    papers = Papers()
    store = Stack(Cache()).over(papers)
    one = asyncio.ensure_future(store.get("a"))
    await asyncio.sleep(0.5)

    many = await store.get_many(["a", "b", "a"])

    assert many == (papers.paper("a"), papers.paper("b"), papers.paper("a"))
    assert await one == papers.paper("a")
    assert papers.asked == [("a",), ("b",)]
    assert cache_of(store).stats().coalesced == 1


async def test_ca15_two_batches_share_what_both_ask_for() -> None:
    papers = Papers()
    store = Stack(Cache()).over(papers)

    await asyncio.gather(store.get_many(["a", "b"]), store.get_many(["b", "c"]))

    assert papers.asked == [("a", "b"), ("c",)]


async def test_ca15_a_batch_asks_itself_when_who_asked_has_left() -> None:
    papers = Papers()
    store = Stack(Cache()).over(papers)
    one = asyncio.ensure_future(store.get("a"))
    await asyncio.sleep(0.5)
    many = asyncio.ensure_future(store.get_many(["a", "b"]))
    await asyncio.sleep(0.25)
    one.cancel()

    assert len(await many) == 2
    assert papers.asked == [("a",), ("b",), ("a",)]
    assert await store.get_many(["a", "b"]) == await many
    assert len(papers.asked) == 3


async def test_ca15_a_batch_that_only_waits_leads_when_who_asked_leaves() -> None:
    papers = Papers()
    store = Stack(Cache()).over(papers)
    one = asyncio.ensure_future(store.get("a"))
    await asyncio.sleep(0)
    many = asyncio.ensure_future(store.get_many(["a"]))
    also = asyncio.ensure_future(store.get("a"))
    await asyncio.sleep(0.5)
    one.cancel()

    assert await many == (await also,)
    assert papers.asked == [("a",), ("a",)]


async def test_ca15_what_a_cancelled_batch_left_is_asked_in_one_batch() -> None:
    papers = Papers()
    store = Stack(Cache()).over(papers)
    ids = tuple(f"k{number}" for number in range(50))
    first = asyncio.ensure_future(store.get_many(ids))
    await settled()
    others = [asyncio.ensure_future(store.get_many(ids)) for _ in range(3)]
    alone = asyncio.ensure_future(store.get("k7"))
    await settled()

    first.cancel()
    began = asyncio.get_running_loop().time()
    answers = await asyncio.gather(*others)

    assert [[paper.id for paper in told if paper] for told in answers] == [list(ids)] * 3
    assert asyncio.get_running_loop().time() == began + 1
    await alone
    rest = tuple(id_ for id_ in ids if id_ != "k7")  # who waits for that one alone asks for it
    assert papers.asked == [ids, rest, ("k7",)]


@pytest.mark.parametrize("seconds", [1.0, 5.0])
async def test_ca15_what_was_left_is_not_asked_again_if_others_did(seconds: float) -> None:
    backend = Slow(script=deque([10.0, 3.0, seconds, seconds]))
    store = Stack(Cache()).over(backend)
    first = asyncio.ensure_future(store.get_many(["a", "b"]))
    await settled()
    second = asyncio.ensure_future(store.get_many(["a", "b", "c"]))
    await settled()
    first.cancel()
    await settled()
    others = [asyncio.ensure_future(store.get(key)) for key in ("a", "b")]

    assert await second == (None, None, None)
    await asyncio.gather(*others)
    assert [type(op).__name__ for op in backend.calls] == ["GetMany", "GetMany", "Get", "Get"]


async def test_ca15_a_failure_of_who_asked_is_that_item_s_failure() -> None:
    papers = Papers()
    papers.item_error = TimedOut("late")
    store = Stack(Cache()).over(papers)
    first = asyncio.ensure_future(store.get_many(["bad"], outcomes=True))
    await asyncio.sleep(0.5)

    bad, good = await store.get_many(["bad", "b"], outcomes=True)

    (own,) = await first
    assert isinstance(own, Failed)
    assert isinstance(bad, Failed)
    assert isinstance(bad.error, TimedOut)
    assert bad.error is not own.error
    assert good == Done(papers.paper("b"))


async def test_ca15_a_fresh_batch_waits_for_nobody() -> None:
    papers = Papers()
    store = Stack(Cache()).over(papers)
    one = asyncio.ensure_future(store.get("a"))
    await asyncio.sleep(0.5)

    await store.get_many(["a"], fresh=True)
    await one

    assert papers.asked == [("a",), ("a",)]


async def test_a_batch_below_that_answers_too_few_is_corrupt() -> None:
    class Short(Papers):
        @serves(ReadMany)
        async def read_many(self, op: ReadMany) -> tuple[Outcome[Document | None], ...]:
            return (await super().read_many(op))[1:]

    store = Stack(Cache()).over(Short())

    with pytest.raises(Corrupt, match="1 answers to a batch of 2"):
        await store.get_many(["a", "b"])
    assert not cache_of(store)._core.table(Read).fills


async def test_a_batch_below_that_asks_for_its_own_answer_is_refused() -> None:
    class Inward(Papers):
        @serves(ReadMany)
        async def read_many(self, op: ReadMany) -> tuple[Outcome[Document | None], ...]:
            return tuple([Done(await store.get(id_)) for id_ in op.ids])

    store = Stack(Cache()).over(Inward())

    with pytest.raises(RecursionError):
        await store.get_many(["a", "b"])
    assert await store.get("a") is not None


def crowd() -> Callable[[], Coroutine[Any, Any, None]]:
    """Readers of four keys, singly and in batches, half of whom may leave, by a new seed each."""
    seeds = count()

    async def read() -> None:
        rng, backend = random.Random(next(seeds)), Slow(1)
        store = Stack(Cache(negative_ttl=30, jitter=0)).over(backend)
        readers: list[asyncio.Future[Any]] = []
        for _ in range(12):
            keys = rng.sample("abcd", rng.randint(1, 4))
            one = store.get(keys[0]) if rng.random() < 0.3 else store.get_many(keys)
            readers.append(asyncio.ensure_future(one))
            await asyncio.sleep(rng.choice((0, 0.1, 0.4)))
            if rng.random() < 0.5:
                rng.choice(readers).cancel()
        await asyncio.wait(readers)

        left = sum(reader.cancelled() for reader in readers)
        assert len(backend.calls) <= 4 + 2 * left
        assert not cache_of(store)._core.table(Get).fills

    return read


def test_ca15_each_who_leaves_costs_two_more_questions_at_most() -> None:
    explore(crowd(), schedules=600)
