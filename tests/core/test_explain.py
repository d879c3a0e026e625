"""An explanation tells what would become of an operation, and sends, counts, changes nothing."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from lamina.backends.memory import MemoryDocuments, MemoryKeyValue, MemoryVectors
from lamina.context import call
from lamina.domains.documents import Read
from lamina.domains.keyvalue import Get, GetMany, KeyValue, Scan, Set
from lamina.domains.vectors import Nearest
from lamina.errors import Invalid, TimedOut
from lamina.explained import Held, readable
from lamina.layer import Layer
from lamina.layers.cache import Cache
from lamina.layers.metrics import Metrics
from lamina.layers.readonly import ReadOnly
from lamina.layers.retry import Retry
from lamina.layers.timeout import Timeout
from lamina.plan import Worst
from lamina.stack import Stack
from lamina.testing import ScriptedKeyValue
from lamina.testing.clock import run
from lamina.values import Vector

SLOTS = ("metrics", "cache", "retry", "timeout", "attempt-metrics")


def full(**options: Any) -> KeyValue:
    layers = Metrics(), Cache(30, jitter=0, **options), Retry(), Timeout(1)
    return Stack(*layers).over(MemoryKeyValue())


async def test_tells_what_is_not_cached_and_all_that_it_would_pass() -> None:
    told = full().explain(Get("a"))

    assert told.operation == "keyvalue.Get('a')"
    assert told.key == "'a'"
    assert told.tags == ("keyvalue=a",)
    assert told.held == Held()
    assert not told.cached
    assert told.layers == told.passes == SLOTS
    assert told.worst == Worst(attempts=3, seconds=pytest.approx(16, abs=10))
    assert told.refused is None


async def test_tells_how_old_a_cached_answer_is_and_that_it_passes_no_further() -> None:
    store = full()
    await store.set("a", b"1")
    await store.get("a")
    await asyncio.sleep(10)

    told = store.explain(Get("a"))

    assert told.held == Held(cached=True, age=10, left=20)
    assert told.passes == ("metrics", "cache")
    assert told.layers == SLOTS


async def test_an_absent_answer_is_held_shorter() -> None:
    store = full()
    await store.get("a")

    assert store.explain(Get("a")).held == Held(cached=True, age=0, left=5)


async def test_a_fresh_read_passes_all_although_it_is_cached() -> None:
    store = full()
    await store.get("a")

    told = store.explain(Get("a", fresh=True))

    assert told.cached
    assert told.passes == SLOTS


async def test_tells_a_stale_answer() -> None:
    store = full(stale_while_revalidate=60)
    await store.set("a", b"1")
    await store.get("a")
    await asyncio.sleep(40)

    told = store.explain(Get("a"))

    assert told.held is not None
    assert (told.held.cached, told.held.stale, told.held.age) == (True, True, 40)
    assert told.passes == ("metrics", "cache")

    await store.set("b", b"1")
    await store.get("b")
    both = store.explain(GetMany(("a", "b"))).held
    assert both is not None
    assert (both.cached, both.stale, both.age) == (True, True, 40)


async def test_tells_that_a_write_of_it_is_in_doubt() -> None:
    backend = ScriptedKeyValue()
    store = Stack(Cache(30)).over(backend)
    backend.expect(Set).raises(TimedOut())
    with pytest.raises(TimedOut):
        await store.set("a", b"1")

    told = store.explain(Get("a"))

    assert told.held == Held(doubtful=True)
    assert "in doubt" in str(told)
    assert store.explain(GetMany(("b", "a"))).held == Held(doubtful=True)


async def test_tells_each_single_of_a_batch() -> None:
    store = full()
    await store.set("a", b"1")
    await store.get("a")
    await asyncio.sleep(1)
    await store.get("b")

    told = store.explain(GetMany(("a", "b")))
    assert told.singles == (
        ("'a'", Held(cached=True, age=1, left=29)),
        ("'b'", Held(cached=True, age=0, left=5)),
    )
    assert told.held == Held(cached=True, age=1, left=5)
    assert told.passes == ("metrics", "cache")

    told = store.explain(GetMany(("a", "c")))
    assert told.held == Held()
    assert told.passes == SLOTS
    assert not store.explain(GetMany(())).cached


async def test_a_write_is_kept_by_no_cache() -> None:
    told = full().explain(Set("a", b"secret"))

    assert told.held is None
    assert told.key == ""
    assert told.tags == ("keyvalue=a", "keyvalue *")
    assert "keeps no answer" in str(told)


async def test_puts_the_tenant_of_the_store_into_the_operation() -> None:
    store = full()
    acme = store.scoped("acme")
    await acme.get("a")

    assert acme.explain(Get("a")).cached
    assert acme.explain(Get("a", scope="acme")).tags == ("keyvalue@acme=a",)
    assert not store.explain(Get("a")).cached
    with pytest.raises(Invalid, match="another tenant"):
        acme.explain(Get("a", scope="other"))


async def test_leaves_the_operation_as_it_was() -> None:
    op = Get("a")
    full().scoped("acme").explain(op)
    assert op == Get("a")


async def test_tells_why_an_operation_is_refused() -> None:
    told = Stack(ReadOnly()).over(MemoryKeyValue()).explain(Set("a", b"1"))
    assert told.refused == "Set is taken away by ReadOnly()"
    assert told.layers == ()
    assert str(told) == "keyvalue.Set('a')\n  refused   Set is taken away by ReadOnly()"

    foreign = Stack().over(MemoryKeyValue()).explain(Read("a"))
    assert foreign.refused is not None
    assert "not served" in foreign.refused


@pytest.mark.parametrize("given", ["page", Get, None, 1], ids=["key", "type", "none", "number"])
def test_what_is_no_operation_is_refused(given: Any) -> None:
    store = Stack(Cache(30)).over(MemoryKeyValue())
    for asked in (store, store.scoped("acme"), store.bound):
        with pytest.raises(Invalid, match=r"an operation is explained, as Get\('a'\) is, got"):
            asked.explain(given)


async def test_sends_and_counts_nothing() -> None:
    backend = ScriptedKeyValue()
    store = Stack(Metrics(), Cache(30)).over(backend)
    cache = store.bound.layer(Cache)
    assert cache is not None
    before = cache.stats()

    for op in (Get("a"), GetMany(("a",)), Set("a", b"1"), Scan("a")):
        store.explain(op)

    assert cache.stats().hits == before.hits
    assert cache.stats().misses == before.misses
    assert backend.calls == []


async def test_is_not_told_to_the_caller() -> None:
    store = full(stale_while_revalidate=60)
    await store.get("a")
    await asyncio.sleep(31)
    async with call() as told:
        store.explain(Get("a"))
    assert not told.age


def test_may_be_asked_outside_of_a_loop() -> None:
    store = full()
    assert not store.explain(Get("a")).cached

    run(store.get("a"))

    assert store.explain(Get("a")).cached


async def test_shows_no_content() -> None:
    vectors = Stack(Cache(30)).over(MemoryVectors())
    told = vectors.explain(Nearest(vector=Vector.of([0.125, 0.25])))
    assert "0.125" not in str(told) + told.to_json()
    documents = Stack(Cache(30)).over(MemoryDocuments())
    assert documents.explain(Read("a")).key == "'a'"
    assert "secret" not in full().explain(Set("a", b"secret")).to_json()


async def test_prints_well() -> None:
    store = full()
    await store.get("a")
    assert str(store.explain(GetMany(("a", "b")))).splitlines()[:6] == [
        "keyvalue.GetMany(<2 items>)",
        "  key       ('', ('a', 'b'))",
        "  tags      keyvalue=a, keyvalue=b",
        "  cache     not cached",
        "            'a': cached, 0 s old, 5 s left",
        "            'b': not cached",
    ]
    many = str(store.explain(GetMany(tuple(f"key {number}" for number in range(100)))))
    assert "and 92 more" in many
    assert len(many) < 2000


async def test_prints_as_json() -> None:
    told = json.loads(full().explain(Get("a")).to_json())
    assert told["operation"] == "keyvalue.Get('a')"
    assert told["held"]["cached"] is False
    assert told["worst"]["attempts"] == 3


async def test_without_a_cache_nothing_is_held() -> None:
    told = Stack().over(MemoryKeyValue()).bound.explain(Get("a"))
    assert told.held is None
    assert told.passes == ()


def test_layers_know_nothing_unless_they_say_so() -> None:
    assert Layer().explain(Get("a")) is None


@pytest.mark.parametrize(
    ("tag", "shown"),
    [
        (Get("a").tag("a"), "keyvalue=a"),
        (Get("a", scope="acme").tag("a"), "keyvalue@acme=a"),
        (Get("a").tag(), "keyvalue *"),
        ("vectors\0\0=space\0id", "vectors=space/id"),
        ("user:1", "user:1"),
        ("user\x1b[31m", "'user\\x1b[31m'"),
    ],
    ids=["key", "tenant", "collection", "namespace", "own", "hostile"],
)
def test_tags_are_readable(tag: str, shown: str) -> None:
    assert readable(tag) == shown
