"""Readers and writers of any domain over one cache, and what of it was too old."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, final

from cache_backend import cache_of
from cache_late import LONGEST, Late, LatePapers, LateValues, LateVectors, Place

from lamina.context import call
from lamina.domains.documents import Write
from lamina.domains.vectors import Upsert
from lamina.errors import StorageError
from lamina.layers.cache import Cache
from lamina.runtime import Runtime
from lamina.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from lamina.layer import Layer

DOUBT = 5.0
PLACES: tuple[Place, ...] = (("", "a"), ("", "b"), ("tenant", "a"))
Shown = dict[Place, str | None]
OPTIONS: dict[str, Any] = {"ttl": 100.0, "doubt": DOUBT, "max_entries": 3}


class Way:
    """How a race asks one domain; *stores* are the store and a tenant's."""

    backend: Any
    domain: str

    def __init__(self, stores: dict[str, Any]) -> None:
        self.stores = stores

    async def read(self, place: Place, *, fresh: bool = False) -> str | None:
        return self.text(await self.stores[place[0]].get(place[1], fresh=fresh))

    async def read_all(self, scope: str, *, fresh: bool = False) -> Shown:
        keys = [key for one, key in PLACES if one == scope]
        more = {"fresh": True} if fresh and self.domain != "vectors" else {}
        told = await self.stores[scope].get_many(keys, **more)
        return {(scope, key): self.text(one) for key, one in zip(keys, told, strict=True)}

    async def search(self, scope: str) -> Shown:
        shown: Shown = {place: None for place in PLACES if place[0] == scope}
        found = await self.stores[scope].search("")
        return shown | {(scope, key): text for key, text in map(self.hit, found)}

    async def write(self, place: Place, text: str, ttl: float | None) -> None:
        del ttl
        await self.stores[place[0]].set(place[1], text)

    async def write_all(self, scope: str, texts: dict[str, str]) -> None:
        await self.stores[scope].set_many([self.one(key, text) for key, text in texts.items()])

    def one(self, key: str, text: str) -> Any:
        """Return what writes one of several."""
        raise NotImplementedError

    async def delete(self, place: Place) -> None:
        await self.stores[place[0]].delete(place[1])

    def text(self, answer: Any) -> str | None:
        return None if answer is None else answer.text

    def hit(self, found: Any) -> tuple[str, str]:
        return found.id, found.text


@final
class Values(Way):
    backend = LateValues
    domain = "keyvalue"

    async def write(self, place: Place, text: str, ttl: float | None) -> None:
        await self.stores[place[0]].set(place[1], text.encode(), ttl=ttl)

    async def write_all(self, scope: str, texts: dict[str, str]) -> None:
        await self.stores[scope].set_many({key: text.encode() for key, text in texts.items()})

    def text(self, answer: Any) -> str | None:
        return None if answer is None else answer.decode()

    def hit(self, found: Any) -> tuple[str, str]:
        key, _, text = found.partition("=")
        return key, text


@final
class Papers(Way):
    backend = LatePapers
    domain = "documents"

    def __init__(self, stores: dict[str, Any]) -> None:
        super().__init__(stores)
        self.reads = 0

    async def read(self, place: Place, *, fresh: bool = False) -> str | None:
        self.reads += 1
        if self.reads % 2:
            return await super().read(place, fresh=fresh)
        return self.text(await self.stores[place[0]].by_path(f"/{place[1]}", fresh=fresh))

    def one(self, key: str, text: str) -> Write:
        return Write(key, text)

    def text(self, answer: Any) -> str | None:
        return None if answer is None else answer.content

    def hit(self, found: Any) -> tuple[str, str]:
        return found.document.id, found.document.content


@final
class Texts(Way):
    backend = LateVectors
    domain = "vectors"

    def one(self, key: str, text: str) -> Upsert:
        return Upsert(key, text=text)


@dataclass
class Plan:
    """What a race is over, and the layers below the cache."""

    way: type[Way] = Values
    options: dict[str, Any] = field(default_factory=dict)
    below: Callable[[], Sequence[Layer]] = tuple
    lag: float = 0.0
    failing: float = 0.0
    ttls: Sequence[float | None] = (None,)
    readers: int = 4
    writers: int = 2


@final
class Race:
    """Runs a plan; remembers the answers that were older than they may be."""

    def __init__(self, seed: int, plan: Plan) -> None:
        self.rng = random.Random(seed)
        self.plan = plan
        self.late = Late(self.rng, lag=plan.lag, failing=plan.failing)
        self.options: dict[str, Any] = {
            "ttl": 100.0,
            "doubt": DOUBT,
            "max_entries": 3,
        } | plan.options
        cache = Cache(**self.options)
        runtime = Runtime(rng=self.rng)
        backend = plan.way.backend(self.late)
        self.store: Any = Stack(cache, *plan.below()).over(backend, runtime=runtime)
        self.cache = cache_of(self.store)
        self.way = plan.way({"": self.store, "tenant": self.store.scoped("tenant")})
        self.numbers = count(1)
        self.stale: list[str] = []

    async def run(self) -> None:
        works = [self.reader] * self.plan.readers + [self.writer] * self.plan.writers
        works += [self.other]
        runtime = self.store.bound.runtime
        tasks = [runtime.spawn(work(), work.__name__) for work in works]
        for task in tasks:
            await task
        await asyncio.sleep(2 * DOUBT)
        self.late.failing = 0.0
        for place in PLACES:
            await self.read(place)
            await self.read(place)
        await runtime.drain()
        assert not self.stale, f"stale: {self.stale}"
        assert not any(table.fills for table in self.cache._core.tables.values())

    async def reader(self) -> None:
        for _ in range(8):
            await asyncio.sleep(self.rng.choice((0, 0, 0.5, 1.0)))
            place = self.rng.choice(PLACES)
            kind = self.rng.random()
            with suppress(StorageError):
                if kind < 0.12:
                    await self.cut(self.read(place))
                elif kind < 0.24:
                    async with call(deadline=self.rng.choice((0.2, 0.7))):
                        await self.read(place)
                elif kind < 0.36:
                    await self.read_all(place[0], fresh=kind < 0.26)
                elif kind < 0.39:
                    await self.cut(self.read_all(place[0]))
                elif kind < 0.52:
                    await self.search(place[0])
                else:
                    await self.read(place, fresh=kind < 0.6)

    async def writer(self) -> None:
        for _ in range(4):
            await asyncio.sleep(self.rng.choice((0, 0.5, 1.0, 3.0)))
            work = self.written(self.rng.choice(PLACES), self.rng.random())
            with suppress(StorageError):
                await (self.cut(work) if self.rng.random() < 0.3 else work)

    async def written(self, place: Place, kind: float) -> None:
        if kind < 0.2:
            with self.late.writer({place: None}):
                await self.way.delete(place)
        elif kind < 0.35:
            texts = {one: str(next(self.numbers)) for one in PLACES if one[0] == place[0]}
            with self.late.writer(texts):
                await self.way.write_all(place[0], {key: text for (_, key), text in texts.items()})
        else:
            text, ttl = str(next(self.numbers)), self.rng.choice(self.plan.ttls)
            with self.late.writer({place: text}):
                await self.way.write(place, text, ttl)

    async def other(self) -> None:
        """Write past the cache, as another process does, and tell it."""
        for _ in range(3):
            await asyncio.sleep(self.rng.choice((0.5, 1.0, 2.0)))
            place = self.rng.choice(PLACES)
            self.late.put(place, str(next(self.numbers)))
            if self.rng.random() < 0.7:
                self.invalidate(place)
                self.late.told(place, listed=not self.late.lag)  # of that no cache is told

    def invalidate(self, place: Place) -> None:
        scope, key = place
        kind = self.rng.randrange(6)
        if kind == 0:
            self.cache.invalidate()
        elif kind == 1:
            self.cache.invalidate(f"{key}*")
        elif kind == 2:
            self.cache.invalidate(key=key, scope=scope)
        elif kind == 3:
            self.cache.invalidate(scope=scope)
        else:
            for name in (None, key):
                self.cache.invalidate(tag=self.tag(scope, name))

    def tag(self, scope: str, key: str | None) -> str:
        name = "*" if key is None else f"={key}"
        if key is not None and self.plan.way is Texts:
            name = f"=\0{key}"
        return f"{self.plan.way.domain}\0{scope}\0{name}"

    async def cut(self, work: Coroutine[Any, Any, Any]) -> None:
        """Cancel *work* at some moment, unless it is faster."""
        task = self.store.bound.runtime.spawn(work, "cut")
        await asyncio.sleep(self.rng.choice((0, 0.5, 1.0)))
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def read(self, place: Place, *, fresh: bool = False) -> None:
        floor, began = self.late.oldest(place), self.late.now()
        self.judge(place, await self.way.read(place, fresh=fresh), floor, began)

    async def read_all(self, scope: str, *, fresh: bool = False) -> None:
        began = self.late.now()
        floors = {place: self.late.oldest(place) for place in PLACES if place[0] == scope}
        for place, text in (await self.way.read_all(scope, fresh=fresh)).items():
            self.judge(place, text, floors[place], began)

    async def search(self, scope: str) -> None:
        began, floors = self.late.now(), dict(self.late.listed)
        for place, text in (await self.way.search(scope)).items():
            self.judge(place, text, floors.get(place, 0), began)

    def judge(self, place: Place, text: str | None, floor: int, began: float) -> None:
        if self.late.order(place, text) < floor:
            self.stale.append(f"{place} was {text!r} at {began}")
        gone = self.late.gone.get((place, text))
        if gone is not None and began > gone + LONGEST + self.longest(text):
            self.stale.append(f"{place} was {text!r} at {began}, gone since {gone}")

    def longest(self, text: str | None) -> float:
        """Return for how long an answer may be given at most, whatever happens elsewhere."""
        names = ("stale_while_revalidate", "stale_if_error")
        spare = max(self.options.get(name, 0.0) for name in names)
        ttl: float = self.options["ttl"]
        return ttl + spare + self.plan.lag


def races(plan: Plan | None = None) -> Callable[[], Coroutine[Any, Any, None]]:
    """Return what runs one race after another, each with a seed of its own."""
    seeds = count()
    return lambda: Race(next(seeds), plan or Plan()).run()
