"""A server that reads and writes at a random moment of each call, and knows what is too old.

An abandoned write may land later, values expire, searches may show what was there a while ago.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, final

from lamina.backend import serves
from lamina.domains import documents, keyvalue, vectors
from lamina.errors import StorageError, TimedOut, Unavailable
from lamina.values import EMPTY, Done, Failed, FrozenDict, Page, Stamped

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

Place = tuple[str, str]
"""A scope and a key."""
LATEST = 4.5
"""Seconds for which an abandoned write may be under way."""
LONGEST = 2.0
"""Seconds that a call takes at most."""


@final
class Late:
    """What is there, and how old each answer may be.

    Attributes:
        floor: By place, the oldest write that a read which begins now may show: the last one that
            had been carried out when its writer, or another one's, was told so or had left.
        listed: The same for searches, which do not know what has expired.
        gone: When a value was replaced, by place and value.
        reads: How often each place was asked for; "*" is a search.
    """

    def __init__(self, rng: random.Random, *, lag: float = 0.0, failing: float = 0.0) -> None:
        self.rng = rng
        self.lag = lag
        self.failing = failing
        self.values: dict[Place, tuple[str, float | None]] = {}
        self.history: dict[Place, list[tuple[float, str | None]]] = defaultdict(list)
        self.orders: dict[Place, dict[str | None, int]] = defaultdict(lambda: {None: 0})
        self.floor: dict[Place, int] = defaultdict(int)
        self.listed: dict[Place, int] = defaultdict(int)
        self.gone: dict[tuple[Place, str | None], float] = {}
        self.writing: Counter[tuple[Place, str | None]] = Counter()
        self.reads: Counter[Place] = Counter()

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        wall: Callable[[], float] = asyncio.get_running_loop().wall  # type: ignore[attr-defined]
        return wall()

    def at(self, place: Place) -> str | None:
        """Return what is there now."""
        value, until = self.values.get(place, (None, None))
        if until is not None and until <= self.wall():
            known = self.order(place, value) <= self.floor[place]
            self.put(place, None)
            if known:
                self.floor[place] = self.order(place, None)
            return None
        return value

    def until(self, place: Place) -> float | None:
        return None if self.at(place) is None else self.values[place][1]

    def lagging(self, place: Place) -> str | None:
        """Return what a search shows now."""
        before = [value for when, value in self.history[place] if when <= self.now() - self.lag]
        return before[-1] if before else None

    def order(self, place: Place, value: str | None) -> int:
        return self.orders[place][value]

    def oldest(self, place: Place) -> int:
        """Return the oldest write that a read which begins now may show."""
        self.at(place)
        return self.floor[place]

    def put(self, place: Place, value: str | None, ttl: float | None = None) -> None:
        """Carry out a write."""
        before = self.values.get(place, (None, None))[0]
        self.gone[place, before] = self.now()
        self.gone.pop((place, value), None)
        self.values.pop(place, None)
        if value is not None:
            self.values[place] = (value, None if ttl is None else self.wall() + ttl)
        self.history[place].append((self.now(), value))
        orders = self.orders[place]
        orders[value] = max(orders.values()) + 1

    def told(self, place: Place, *, listed: bool = True) -> None:
        """Note that a writer of *place* knows what is there; if *listed*, so must searches."""
        self.floor[place] = order = self.order(place, self.at(place))
        written = self.history[place][-1:]
        if listed and written and self.order(place, written[0][1]) == order:
            if self.lag:
                asyncio.get_running_loop().call_later(self.lag, self._list, place, order)
            else:
                self._list(place, order)

    def _list(self, place: Place, order: int) -> None:
        self.listed[place] = max(self.listed[place], order)

    async def pause(self) -> None:
        if self.rng.random() < 0.7:
            await asyncio.sleep(self.rng.choice((0, 0, LONGEST / 4, LONGEST / 2)))

    async def read(self, scope: str, keys: Iterable[str], show: Callable[[], Any]) -> Any:
        """Show what is there at some moment between two pauses."""
        self.reads.update((scope, key) for key in keys)
        await self.pause()
        shown = show()
        await self.pause()
        if self.rng.random() < self.failing:
            raise Unavailable
        return shown

    async def write(self, place: Place, value: str | None, ttl: float | None = None) -> bool:
        """Carry out a write at some moment, or leave it; tell whether something was there."""
        applied = False
        try:
            await self.pause()
            if self.rng.random() < 0.15:
                raise TimedOut
            found = self.at(place) is not None
            self.put(place, value, ttl)
            applied = True
            await self.pause()
            if self.rng.random() < 0.1:
                raise TimedOut
        except (TimedOut, asyncio.CancelledError):
            if not applied and self.rng.random() < 0.8:
                after = self.rng.choice((0.0, 0.5, 2.0, LATEST))
                asyncio.get_running_loop().call_later(after, self.land, place, value, ttl)
            raise
        return found

    def land(self, place: Place, value: str | None, ttl: float | None) -> None:
        """Carry out a write that was abandoned, though its writer may be trying again."""
        self.put(place, value, ttl)
        if not self.writing[place, value]:
            self.told(place)

    @contextmanager
    def writer(self, written: Mapping[Place, str | None]) -> Iterator[None]:
        """Stand for one who writes all that, is told of it or leaves."""
        self.writing.update(written.items())
        try:
            yield
        finally:
            self.writing.subtract(written.items())
            for place in written:
                self.told(place)


async def each(works: Iterable[Awaitable[Any]]) -> tuple[Any, ...]:
    """Give the outcome of each write of a batch."""

    async def one(work: Awaitable[Any]) -> Any:
        try:
            return Done(await work)
        except StorageError as error:
            return Failed(error)

    return tuple([await one(work) for work in works])


@final
class LateValues(keyvalue.KeyValueBackend):
    name = "late"

    def __init__(self, late: Late) -> None:
        self.late = late

    def value(self, place: Place) -> bytes | None:
        found = self.late.at(place)
        return None if found is None else found.encode()

    def stamped(self, place: Place) -> Stamped[bytes | None]:
        return Stamped(self.value(place), self.late.until(place))

    @serves(keyvalue.Get)
    async def get(self, op: keyvalue.Get) -> Any:
        return await self.late.read(op.scope, [op.key], lambda: self.value((op.scope, op.key)))

    @serves(keyvalue.GetStamped)
    async def get_stamped(self, op: keyvalue.GetStamped) -> Any:
        return await self.late.read(op.scope, [op.key], lambda: self.stamped((op.scope, op.key)))

    @serves(keyvalue.GetMany)
    async def get_many(self, op: keyvalue.GetMany) -> Any:
        return await self.late.read(
            op.scope, op.keys, lambda: tuple(Done(self.value((op.scope, key))) for key in op.keys)
        )

    @serves(keyvalue.GetStampedMany)
    async def get_stamped_many(self, op: keyvalue.GetStampedMany) -> Any:
        return await self.late.read(
            op.scope, op.keys, lambda: tuple(Done(self.stamped((op.scope, key))) for key in op.keys)
        )

    @serves(keyvalue.Scan)
    async def scan(self, op: keyvalue.Scan) -> Any:
        def page() -> Page[str]:
            places = [place for place in self.late.history if place[0] == op.scope]
            shown = ((key, self.late.at((scope, key))) for scope, key in places)
            return Page(tuple(f"{key}={value}" for key, value in shown if value is not None))

        return await self.late.read(op.scope, "*", page)

    @serves(keyvalue.Set)
    async def set(self, op: keyvalue.Set) -> None:
        await self.late.write((op.scope, op.key), op.value.decode(), op.ttl)

    @serves(keyvalue.SetMany)
    async def set_many(self, op: keyvalue.SetMany) -> Any:
        return await each(
            self.late.write((op.scope, key), value.decode(), op.ttl) for key, value in op.items
        )

    @serves(keyvalue.Delete)
    async def delete(self, op: keyvalue.Delete) -> bool:
        return await self.late.write((op.scope, op.key), None)


@final
class LatePapers(documents.DocumentsBackend):
    """The path of a document is a slash and its id."""

    name = "late"

    def __init__(self, late: Late) -> None:
        self.late = late

    def paper(self, place: Place, text: str | None) -> documents.Document | None:
        if text is None:
            return None
        return documents.Document(place[1], text, FrozenDict({}), 1, f"/{place[1]}", 0.0, 0.0)

    def at(self, place: Place) -> documents.Document | None:
        return self.paper(place, self.late.at(place))

    @serves(documents.Read)
    async def read(self, op: documents.Read) -> Any:
        return await self.late.read(op.scope, [op.id], lambda: self.at((op.scope, op.id)))

    @serves(documents.ReadAt)
    async def read_at(self, op: documents.ReadAt) -> Any:
        return await self.late.read(op.scope, "*", lambda: self.at((op.scope, op.path[1:])))

    @serves(documents.ReadMany)
    async def read_many(self, op: documents.ReadMany) -> Any:
        return await self.late.read(
            op.scope, op.ids, lambda: tuple(Done(self.at((op.scope, id_))) for id_ in op.ids)
        )

    @serves(documents.Find)
    async def find(self, op: documents.Find) -> Any:
        def page() -> Page[documents.Found]:
            places = [place for place in self.late.history if place[0] == op.scope]
            papers = [self.paper(place, self.late.lagging(place)) for place in places]
            return Page(tuple(documents.Found(one, 0.0) for one in papers if one is not None))

        return await self.late.read(op.scope, "*", page)

    @serves(documents.Write)
    async def write(self, op: documents.Write) -> None:
        await self.late.write((op.scope, op.id), op.content)

    @serves(documents.WriteMany)
    async def write_many(self, op: documents.WriteMany) -> Any:
        return await each(self.late.write((op.scope, one.id), one.content) for one in op.items)

    @serves(documents.Remove)
    async def remove(self, op: documents.Remove) -> bool:
        return await self.late.write((op.scope, op.id), None)


@final
class LateVectors(vectors.VectorsBackend):
    """Searches show everything, as it was *lag* seconds ago."""

    name = "late"

    def __init__(self, late: Late) -> None:
        self.late = late

    def record(self, place: Place) -> vectors.Record | None:
        text = self.late.at(place)
        return None if text is None else vectors.Record(place[1], None, None, text, EMPTY)

    def nearest(self, scope: str) -> tuple[vectors.Match, ...]:
        places = [place for place in self.late.history if place[0] == scope]
        shown = ((key, self.late.lagging((scope, key))) for scope, key in places)
        return tuple(vectors.Match(key, 1.0, text, EMPTY) for key, text in shown if text)

    @serves(vectors.Fetch)
    async def fetch(self, op: vectors.Fetch) -> Any:
        return await self.late.read(op.scope, [op.id], lambda: self.record((op.scope, op.id)))

    @serves(vectors.FetchMany)
    async def fetch_many(self, op: vectors.FetchMany) -> Any:
        return await self.late.read(
            op.scope, op.ids, lambda: tuple(Done(self.record((op.scope, id_))) for id_ in op.ids)
        )

    @serves(vectors.Nearest, search_lag=3.0)
    async def search(self, op: vectors.Nearest) -> Any:
        return await self.late.read(op.scope, "*", lambda: self.nearest(op.scope))

    @serves(vectors.NearestMany, search_lag=3.0)
    async def search_many(self, op: vectors.NearestMany) -> Any:
        return await self.late.read(
            op.scope, "*", lambda: tuple(Done(self.nearest(op.scope)) for _ in op.queries)
        )

    @serves(vectors.Upsert)
    async def upsert(self, op: vectors.Upsert) -> None:
        await self.late.write((op.scope, op.id), op.text)

    @serves(vectors.UpsertMany)
    async def upsert_many(self, op: vectors.UpsertMany) -> Any:
        return await each(self.late.write((op.scope, one.id), one.text) for one in op.items)

    @serves(vectors.Drop)
    async def drop(self, op: vectors.Drop) -> bool:
        return await self.late.write((op.scope, op.id), None)
