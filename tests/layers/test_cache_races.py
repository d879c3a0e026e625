"""No answer is older than what a finished write left, in any of many seeded schedules."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any, final

import pytest
from cache_backend import cache_of

from lamina.backend import serves
from lamina.context import call
from lamina.domains.keyvalue import Get, GetMany, KeyValueBackend, Scan, Set
from lamina.errors import DeadlineExceeded, TimedOut
from lamina.layers.cache import Cache
from lamina.layers.cache.core import Core, Fill
from lamina.layers.cache.marks import Marks
from lamina.stack import Stack
from lamina.testing.clock import explore
from lamina.values import Done, Page

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

DOUBT = 5.0
KEYS = ("a", "b")


@final
class Late(KeyValueBackend):
    """Reads and writes at a random moment of each call; an abandoned write may land later.

    *floor* tells, by key, the oldest write that a read which begins now may show: the last one
    that had been carried out when its writer, or another one's, was told so or had left.
    """

    name = "late"

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.values: dict[str, bytes] = {}
        self.order: dict[bytes | None, int] = {None: 0}
        self.floor = dict.fromkeys(KEYS, 0)

    async def pause(self) -> None:
        if self.rng.random() < 0.7:
            await asyncio.sleep(self.rng.choice((0, 0, 0.5, 1.0)))

    def apply(self, op: Set) -> None:
        self.values[op.key] = op.value
        self.order[op.value] = len(self.order)

    def told(self, key: str) -> None:
        self.floor[key] = self.order[self.values.get(key)]

    @serves(Set)
    async def set(self, op: Set) -> None:
        applied = False
        try:
            await self.pause()
            if self.rng.random() < 0.15:
                raise TimedOut
            self.apply(op)
            applied = True
            await self.pause()
            if self.rng.random() < 0.1:
                raise TimedOut
        except TimedOut:
            self.leave(op, applied=applied)
            raise
        except asyncio.CancelledError:
            self.leave(op, applied=applied)
            raise
        self.told(op.key)

    def leave(self, op: Set, *, applied: bool) -> None:
        if applied:
            self.told(op.key)
        elif self.rng.random() < 0.8:
            after = self.rng.choice((0.0, 0.5, 2.0, 4.5))
            asyncio.get_running_loop().call_later(after, self.land, op)

    def land(self, op: Set) -> None:
        self.apply(op)
        self.told(op.key)

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        await self.pause()
        found = self.values.get(op.key)
        await self.pause()
        return found

    @serves(GetMany)
    async def get_many(self, op: GetMany) -> tuple[Done[bytes | None], ...]:
        await self.pause()
        found = tuple(Done(self.values.get(key)) for key in op.keys)
        await self.pause()
        return found

    @serves(Scan)
    async def scan(self, op: Scan) -> Page[str]:
        await self.pause()
        newest = [(self.values.get(key) or b"").decode() for key in KEYS]
        await self.pause()
        return Page(tuple(newest))


@final
class Race:
    """Readers, writers and canceled ones of both over one cache; remembers stale answers."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.backend = Late(self.rng)
        self.store = Stack(Cache(100, doubt=DOUBT, max_entries=2)).over(self.backend)
        self.numbers = count(1)
        self.stale: list[str] = []

    async def run(self) -> None:
        works = [self.reader] * 4 + [self.writer] * 2
        runtime = self.store.bound.runtime
        tasks = [runtime.spawn(work(), work.__name__) for work in works]
        for task in tasks:
            await task
        await asyncio.sleep(2 * DOUBT)
        for key in KEYS:  # what is kept is what is there
            await self.read(key)
            await self.read(key)
        assert not self.stale
        assert not cache_of(self.store)._core.table(Get).fills

    async def reader(self) -> None:
        for _ in range(8):
            await asyncio.sleep(self.rng.choice((0, 0, 0.5, 1.0)))
            key = self.rng.choice(KEYS)
            kind = self.rng.random()
            with suppress(DeadlineExceeded):
                if kind < 0.15:
                    await self.cut(self.read(key))
                elif kind < 0.3:
                    async with call(deadline=self.rng.choice((0.2, 0.7))):
                        await self.read(key)
                elif kind < 0.35:
                    cache_of(self.store).invalidate(self.rng.choice((None, key)))
                elif kind < 0.5:
                    await self.read_all()
                elif kind < 0.6:
                    await self.search()
                else:
                    await self.read(key, fresh=kind < 0.7)

    async def writer(self) -> None:
        for _ in range(4):
            await asyncio.sleep(self.rng.choice((0, 0.5, 1.0, 3.0)))
            value = b"%d" % next(self.numbers)
            work = self.store.set(self.rng.choice(KEYS), value)
            with suppress(TimedOut):
                await (self.cut(work) if self.rng.random() < 0.3 else work)

    async def cut(self, work: Coroutine[Any, Any, Any]) -> None:
        """Cancel *work* at some moment, unless it is faster."""
        task = self.store.bound.runtime.spawn(work, "cut")
        await asyncio.sleep(self.rng.choice((0, 0.5, 1.0)))
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def read(self, key: str, *, fresh: bool = False) -> None:
        floor = self.backend.floor[key]
        self.judge(key, await self.store.get(key, fresh=fresh), floor)

    async def read_all(self) -> None:
        floor = dict(self.backend.floor)
        for key, value in zip(KEYS, await self.store.get_many(KEYS), strict=True):
            self.judge(key, value, floor[key])

    async def search(self) -> None:
        floor = dict(self.backend.floor)
        for key, text in zip(KEYS, await self.store.search(""), strict=True):
            self.judge(key, text.encode() or None, floor[key])

    def judge(self, key: str, value: bytes | None, floor: int) -> None:
        if self.backend.order[value] < floor:
            self.stale.append(f"{key}: {value!r}")


def races() -> Callable[[], Coroutine[Any, Any, None]]:
    seeds = count()
    return lambda: Race(next(seeds)).run()


@pytest.mark.slow
def test_no_schedule_gives_a_stale_answer() -> None:
    explore(races(), schedules=600)


def _expect_stale() -> None:
    with pytest.raises(AssertionError, match="stale"):
        explore(races(), schedules=600)


def test_without_the_fence_stale_answers_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    keep = Core.keep

    def unfenced(self: Core, fill: Fill, *told: Any, age: float = 0.0) -> None:
        op = Get(fill.identity) if isinstance(fill.identity, str) else Scan()
        _, _, now, _ = told
        marks = self.take(op.tags(), now)
        if marks is not None:
            fill.marks = marks  # as if nothing had happened since it began
            keep(self, fill, *told, age=age)

    monkeypatch.setattr(Core, "keep", unfenced)
    _expect_stale()


def test_without_the_keyed_flight_stale_answers_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Fill, "joinable", lambda _: True)
    _expect_stale()


def test_without_the_doubt_stale_answers_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Marks, "doubt", lambda *_: None)
    _expect_stale()


def test_without_forgetting_on_writes_stale_answers_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Marks, "end", lambda *_: None)
    _expect_stale()
