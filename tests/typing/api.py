"""Every public call, with the type that both checkers must see."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Generic, TypeVar, assert_type

from lamina import (
    Blocking,
    Cache,
    Chaos,
    Deadline,
    Documents,
    F,
    Fallback,
    Hedge,
    Json,
    KeyValue,
    Limit,
    Media,
    MemoryDocuments,
    MemoryKeyValue,
    MemoryMedia,
    MemoryVectors,
    Metrics,
    Quota,
    ReadOnly,
    Retry,
    Scope,
    Seal,
    Shadow,
    SqliteKeyValue,
    Squeeze,
    Stack,
    Throttle,
    Timeout,
    Unavailable,
    UnifiedStorage,
    Vector,
    Vectors,
)
from lamina.bound import Bound
from lamina.caching import LocalCache, cached
from lamina.capabilities import Capabilities
from lamina.context import Call, call
from lamina.domains.documents import Document, Find, Found, Write
from lamina.domains.keyvalue import Append, Get, GetMany, GetStampedMany, Scan, Set
from lamina.domains.media import Chunk, FileSource, Info, Reader, ReadRange
from lamina.domains.store import Store
from lamina.domains.vectors import IndexInfo, Match, Nearest, Record, Upsert
from lamina.explained import Explained, Held
from lamina.filters import Filter
from lamina.layers.cache import CacheStats
from lamina.layers.chaos import ChaosStatus
from lamina.layers.deadline import DeadlineStatus
from lamina.layers.fallback import FallbackStatus
from lamina.layers.hedge import HedgeStatus
from lamina.layers.limit import LimitStatus
from lamina.layers.rate import RateStatus
from lamina.layers.retry import RetryStatus
from lamina.layers.scope import ScopeStatus
from lamina.layers.seal import SealStatus
from lamina.layers.shadow import ShadowStatus
from lamina.layers.squeeze import SqueezeStatus
from lamina.layers.timeout import TimeoutStatus
from lamina.operation import Handler, Operation
from lamina.plan import Plan
from lamina.testing import Faulty, ScriptedKeyValue, ScriptedMedia
from lamina.values import Done, Failed, Outcome, Page, SparseVector, Stamped

T = TypeVar("T")


def stacks_know_their_facade() -> None:
    stack = Stack(Metrics(), Cache(30), Retry())
    assert_type(stack.over(MemoryKeyValue()), KeyValue)
    assert_type(stack.over(SqliteKeyValue("path")), KeyValue)
    assert_type(stack.over(MemoryDocuments()), Documents)
    assert_type(stack.over(MemoryVectors()), Vectors)
    assert_type(stack.over(MemoryMedia()), Media)
    assert_type(stack.over(ScriptedKeyValue()), KeyValue)
    assert_type(stack.over(ScriptedMedia()), Media)
    assert_type(Stack.ordered(Retry(), Metrics()), Stack)
    scripted = ScriptedKeyValue()
    scripted.expect(Get("a")).after(1.0).returns(b"1").times(2)
    scripted.expect(Get("a")).returns(None)
    scripted.expect(GetMany).returns((Done(b"1"), Done(None)))
    scripted.expect(Append("a", (Json.of(1),))).returns(1)


def faults_keep_the_facade() -> None:
    from random import Random

    assert_type(Stack().over(Faulty(MemoryMedia(), Random(1))), Media)


async def keyvalue(store: KeyValue) -> None:
    assert_type(await store.get("a"), bytes | None)
    assert_type(await store.get("a", fresh=True), bytes | None)
    await store.set("a", b"1", ttl=1.5)
    assert_type(await store.delete("a"), bool)
    assert_type(await store.search("a", limit=5), tuple[str, ...])
    assert_type(store.scan("a", limit=5), AsyncIterator[str])
    assert_type(await store.get_many(["a"]), tuple[bytes | None, ...])
    assert_type(await store.get_many(("a",), outcomes=True), tuple[Outcome[bytes | None], ...])
    assert_type(await store.set_many({"a": b"1"}, ttl=1), tuple[Outcome[None], ...])
    assert_type(
        await store.bound.send(GetStampedMany(("a",))),
        tuple[Outcome[Stamped[bytes | None]], ...],
    )
    await store.compare_and_set("a", None, b"1", ttl=2)
    assert_type(await store.append("a", {"role": "user"}, keep_last=5, idempotency="i"), int)
    assert_type(await store.extend("a", [1, "x", None], ttl=5), int)
    assert_type(await store.increment("a", 2), int)
    assert_type(await store.expire("a", None), bool)
    assert_type(await store.ttl("a"), float | None)


async def documents(store: Documents) -> None:
    assert_type(await store.get("a"), Document | None)
    assert_type(await store.by_path("/a", fresh=True), Document | None)
    await store.set("a", "text", metadata={"n": 1}, path="/a")
    assert_type(await store.set_at("/a", "text", metadata={"n": 1}), str)
    assert_type(await store.update("a", content="x", expected_version=1), int | None)
    assert_type(await store.delete("a"), bool)
    assert_type(await store.search("x", filter=F.n == 1, order="path"), tuple[Found, ...])
    assert_type(store.scan(filter=F.n > 1), AsyncIterator[Document])
    assert_type(await store.get_many(["a"]), tuple[Document | None, ...])
    assert_type(await store.get_many(["a"], outcomes=True), tuple[Outcome[Document | None], ...])
    assert_type(await store.set_many([Write("a", "text")]), tuple[Outcome[None], ...])


async def vectors(store: Vectors) -> None:
    assert_type(await store.get("a", namespace="n"), Record | None)
    await store.set("a", "text", metadata={"n": 1})
    await store.set("a", Vector.of([1.0]))
    await store.set("a", SparseVector((1,), (1.0,)))
    await store.set("a", (Vector.of([1.0]), SparseVector((1,), (1.0,))))
    assert_type(store.matches("text", filter=F.n == 1, limit=5), AsyncIterator[Match])
    assert_type(await store.delete("a"), bool)
    assert_type(await store.delete_where(F.n == 1), int)
    assert_type(await store.search("text", top_k=3, filter=~(F.n == 1)), tuple[Match, ...])
    assert_type(await store.search(Vector.of([1.0])), tuple[Match, ...])
    assert_type(await store.search_many(["text"], top_k=3), tuple[tuple[Match, ...], ...])
    assert_type(
        await store.search_many([Vector.of([1.0])], outcomes=True),
        tuple[Outcome[tuple[Match, ...]], ...],
    )
    assert_type(store.scan("a", namespace="n"), AsyncIterator[str])
    assert_type(await store.namespaces(), tuple[str, ...])
    assert_type(await store.info(), IndexInfo)
    assert_type(await store.get_many(["a"]), tuple[Record | None, ...])
    assert_type(await store.get_many(["a"], outcomes=True), tuple[Outcome[Record | None], ...])
    assert_type(await store.set_many([Upsert("a", text="x")]), tuple[Outcome[None], ...])


async def blocking(threads: Blocking) -> None:
    assert_type(await threads.run(divmod, 7, 2), tuple[int, int])
    await threads.close()


async def media(store: Media) -> None:
    assert_type(await store.get("a"), bytes | None)
    assert_type(await store.range("a", 0, 5), bytes | None)
    await store.set("a", b"1", type="text/plain", metadata={"n": 1})
    await store.set("a", FileSource("path"), if_absent=True)
    await store.set("a", b"1", if_etag="etag")
    assert_type(await store.head("a"), Info | None)
    assert_type(await store.head_many(["a"], fresh=True), tuple[Info | None, ...])
    assert_type(await store.head_many(["a"], outcomes=True), tuple[Outcome[Info | None], ...])
    assert_type(await store.open_reader("a"), Reader | None)
    assert_type(await store.delete("a"), bool)
    assert_type(await store.search("a"), tuple[Info, ...])
    assert_type(store.scan("a"), AsyncIterator[Info])
    assert_type(await store.url("a", expires=60), str)


async def every_facade(store: KeyValue) -> None:
    assert_type(store.scoped("acme"), KeyValue)
    assert_type(store.scope, str)
    await store.check()
    async with store as opened:
        assert_type(opened, KeyValue)
    assert_type(await store.open(), KeyValue)
    assert_type(store.explain(Get("a")), Explained)
    assert_type(store.explain(Get("a")).held, Held | None)
    await store.close()


async def unified_interface(
    keyvalue: KeyValue, documents: Documents, vectors: Vectors, media: Media
) -> None:
    one: Store[bytes, bytes, str] = keyvalue
    two: Store[str, Document, Found] = documents
    three: Store[str, Record, Match] = vectors
    four: Store[bytes, bytes, Info] = media
    wider: Store[bytes, object, object] = keyvalue
    narrower: Store[Vector, Record, Match] = vectors
    assert_type(await one.get("a"), bytes | None)
    assert_type(await two.search("a"), tuple[Found, ...])
    assert_type(await three.delete("a"), bool)
    await four.set("a", b"1")
    await narrower.set("a", Vector.of([1.0]))
    await wider.check()


async def beneath_the_facade(bound: Bound) -> None:
    assert_type(await bound.send(Get("a")), bytes | None)
    assert_type(await bound.send(Set("a", b"1")), None)
    assert_type(await bound.send(GetMany(("a",))), tuple[Outcome[bytes | None], ...])
    assert_type(await bound.send(Scan()), Page[str])
    assert_type(await bound.send(Find(filter=F.n == 1)), Page[Found])
    assert_type(await bound.send(Nearest(text="x")), tuple[Match, ...])
    assert_type(await bound.send(ReadRange("a")), Chunk | None)
    assert_type(bound.handler(Get), Handler[Operation[bytes | None], bytes | None])
    assert_type(bound.capabilities, Capabilities)
    assert_type(bound.plan(), Plan)
    assert_type(bound.explain(Get("a")), Explained)
    assert_type(bound.layer(Cache), Cache | None)


async def made(store: KeyValue) -> None:
    async def factory() -> bytes:
        return b""

    assert_type(await store.get_or_set("a", factory), bytes)
    assert_type(await store.get_or_set("a", factory, ttl=1.0, fresh=True), bytes)


@cached(ttl=30)
async def plain(name: str, /, *, lang: str = "de") -> int | None:
    return len(name + lang)


def pair_of(user: int, *, lang: str = "de") -> tuple[int, str]:
    return (user, lang)


def tags_of(user: int, **_: object) -> tuple[str, ...]:
    return (f"user:{user}",)


@cached(
    ttl=30,
    key=pair_of,
    tags=tags_of,
    stale_while_revalidate=60,
    stale_if_error=600,
    passing=(OSError,),
)
async def with_options(user: int, *, lang: str = "de") -> str:
    return f"{user} {lang}"


def name_of(users: Users, name: str) -> str:
    del users
    return name


class Users:
    @cached(ttl=30, key=name_of)
    async def load(self, name: str) -> bytes:
        return name.encode()

    @staticmethod
    @cached(ttl=30)
    async def shown(name: str) -> bytes:
        return name.encode()


class Loud:
    async def __call__(self, word: str, *, times: int = 1) -> str:
        return word * times


loud = cached(ttl=30)(Loud())


@cached(ttl=30)
async def first(items: tuple[T, ...]) -> T:
    return items[0]


def number_of(box: Box[Any], number: int) -> int:
    del box
    return number


class Box(Generic[T]):
    def __init__(self, content: T) -> None:
        self.content = content

    @cached(ttl=30, key=number_of)
    async def get(self, number: int) -> T | int:
        return self.content or number


async def kept_functions(users: Users) -> None:
    assert_type(await plain("a"), int | None)
    assert_type(await plain("a", lang="en"), int | None)
    assert_type(await with_options(1), str)
    assert_type(await plain.cache.fresh("a", lang="en"), int | None)
    assert_type(plain.cache.explain("a"), Held)
    assert_type(plain.cache.stats(), CacheStats)
    plain.cache.invalidate("a", lang="en")
    plain.cache.invalidate_tag("user:1")
    plain.cache.invalidate_all()
    assert_type(await users.load("a"), bytes)
    assert_type(await Users.load(users, "a"), bytes)
    Users.load.cache.invalidate(users, "a")
    assert_type(await Users.shown("a"), bytes)
    Users.shown.cache.invalidate("a")
    assert_type(await loud("a", times=2), str)
    assert_type(await first((1, 2)), int)
    assert_type(await Box("a").get(1), str | int)


async def kept_values(factory: Callable[[], Coroutine[Any, Any, str]]) -> None:
    answers = LocalCache(60, max_entries=100)
    assert_type(await answers.get_or_set(("a", 1), factory), str)
    assert_type(await answers.get_or_set("a", factory, tags=("b",), fresh=True), str)
    assert_type(answers.explain("a"), Held)
    assert_type(answers.stats(), CacheStats)
    assert_type(await answers.sweep(), int)
    answers.invalidate("a")
    answers.invalidate_tag("b")
    answers.invalidate_all()

    @answers.cached(tags=tags_of)
    async def double(user: int) -> int:
        return 2 * user

    assert_type(await double(1), int)


async def outcomes(store: KeyValue) -> bytes | None:
    for outcome in await store.get_many(["a"], outcomes=True):
        if isinstance(outcome, Failed):
            raise outcome.error
        assert_type(outcome, Done[bytes | None])
        return outcome.value
    return None


async def context() -> None:
    async with call(deadline=2.0) as told:
        assert_type(told, Call)


async def caches_of_a_storage(storage: UnifiedStorage) -> None:
    assert_type(await storage.invalidate_cache("user:*"), int)
    assert_type(await storage.tenant("acme").invalidate_cache(), int)
    assert_type(storage.cache_stats(), dict[str, CacheStats])


def layers_tell_what_they_do(bound: Bound) -> None:
    assert_type(bound.layer(Limit), Limit | None)
    assert_type(Chaos().status(), ChaosStatus)
    assert_type(Deadline(1).status(), DeadlineStatus)
    assert_type(Fallback(bound).status(), FallbackStatus)
    assert_type(Hedge().status(), HedgeStatus)
    assert_type(Limit(1).status(), LimitStatus)
    assert_type(Quota(1).status(), RateStatus)
    assert_type(Retry().status(), RetryStatus)
    assert_type(Scope().status(), ScopeStatus)
    assert_type(Seal("key").status(), SealStatus)
    assert_type(Shadow(bound).status(), ShadowStatus)
    assert_type(Squeeze().status(), SqueezeStatus)
    assert_type(Throttle(1).status(), RateStatus)
    assert_type(Timeout(1).status(), TimeoutStatus)


def layers_take_other_stacks_and_hooks(bound: Bound) -> Stack:
    return Stack(
        Deadline(2.0),
        Fallback(bound, on=(Unavailable,), on_fallback=lambda op, error: None),
        Shadow(bound, compare=lambda op, mine, other: mine == other),
        ReadOnly(),
        Quota(10, per=60.0, burst=5),
        Scope(rate=1.0),
        Squeeze(least=100),
        Seal([Seal.new_key()]),
        Retry(on_retry=lambda attempt, delay, error: None, when=lambda error: True),
        Hedge(0.1, hedges=2, ops=[Get, "Scan"]),
        Throttle(100, queue=10, wait=1.0),
        Limit(10, queue=5),
        Timeout(1.0),
        Chaos(0.1, after=0.1, seed=1, ops=["Get"]),
    )


def filters() -> None:
    assert_type(F.n == 1, Filter)
    assert_type(F.n != "x", Filter)
    assert_type((F.n < 1) & (F["a.b"] >= "x") | ~F.n.exists(), Filter)
    assert_type(F.n.is_in([1, "x", True]), Filter)
    assert_type(F.n.between(1, 2.5), Filter)
    assert_type(F.tags.contains("x"), Filter)
