"""Readers and writers that fail, hurry and leave, in any of many orders, never mix anything up."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, final

import pytest
from batch_backend import Bulk, batch_of, is_empty

from lamina.backend import serves
from lamina.context import call
from lamina.domains.keyvalue import Get, GetMany, KeyValueBackend, Set, SetMany
from lamina.errors import Invalid, StorageError, TimedOut
from lamina.layers.batch import Batch, core, handlers, sender
from lamina.layers.cache import Cache
from lamina.layers.timeout import Timeout
from lamina.stack import Stack
from lamina.testing.clock import explore
from lamina.testing.sweep import sweep
from lamina.values import Done, Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

KEYS = ("a", "b", "c")


@final
class Shaky(KeyValueBackend):
    """Reads and writes at a random moment of each call, and fails now and then.

    *floor* tells, by key, the oldest write that a read which begins now may show.
    """

    name = "shaky"

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.values: dict[str, int] = dict.fromkeys(KEYS, 0)
        self.floor: dict[str, int] = dict.fromkeys(KEYS, 0)
        self.writing: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.applied: dict[str, list[int]] = {key: [] for key in KEYS}

    async def pause(self) -> None:
        if self.rng.random() < 0.7:
            await asyncio.sleep(self.rng.choice((0, 0, 0.5, 1.0)))
        if self.rng.random() < 0.1:
            raise TimedOut
        if self.rng.random() < 0.05:
            raise Invalid

    async def read(self, keys: tuple[str, ...]) -> list[bytes]:
        self.asked.update(keys)
        await self.pause()
        found = [b"%s=%d" % (key.encode(), self.values[key]) for key in keys]
        await self.pause()
        return found

    async def write(self, items: tuple[tuple[str, bytes], ...]) -> None:
        keys = [key for key, _ in items]
        assert len({*keys}) == len(keys), "two writes of one key in a batch"
        self.writing.update(keys)
        assert max(self.writing.values()) == 1, "two writes of one key at once"
        try:
            await self.pause()
            for key, value in items:
                self.values[key] = int(value)
                self.applied[key].append(int(value))
            await asyncio.sleep(self.rng.choice((0, 0.5)))
        finally:
            self.writing.subtract(keys)

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        return (await self.read((op.key,)))[0]

    @serves(GetMany)
    async def get_many(self, op: GetMany) -> tuple[Any, ...]:
        told = await self.read(op.keys)
        if self.rng.random() < 0.1:
            return tuple(map(Done, told[1:]))
        bad = self.rng.random() < 0.1
        return tuple(Failed(Invalid()) if bad and not at else Done(v) for at, v in enumerate(told))

    @serves(Set)
    async def set(self, op: Set) -> None:
        await self.write(((op.key, op.value),))

    @serves(SetMany)
    async def set_many(self, op: SetMany) -> tuple[Done[None], ...]:
        await self.write(op.items)
        return tuple(Done(None) for _ in op.items)


@final
class Race:
    """Readers and writers over Batch, perhaps with a cache above."""

    def __init__(self, seed: int, *, cached: bool) -> None:
        self.rng = random.Random(seed)
        self.backend = Shaky(self.rng)
        layer = Batch(wait=self.rng.choice((0.0, 0.3)), max_items=self.rng.choice((2, 3, 9)))
        layers = (Cache(100, doubt=3.0), layer) if cached else (layer,)
        self.store = Stack(*layers, Timeout(50.0)).over(self.backend)
        self.numbers = count(1)
        self.wanted: dict[str, list[int]] = {key: [] for key in KEYS}
        self.reads: Counter[str] = Counter()

    async def run(self) -> None:
        runtime = self.store.bound.runtime
        works = [self.reader] * 5 + [self.writer] * 3
        tasks = [runtime.spawn(work(), work.__name__) for work in works]
        for task in tasks:
            await task
        await asyncio.sleep(20.0)
        assert is_empty(self.store)
        for key in KEYS:
            applied = self.backend.applied[key]
            assert applied == [n for n in self.wanted[key] if n in applied], "out of order"
            assert len(applied) == len({*applied}), "written twice"
            most = self.reads[key] + batch_of(self.store).status().split * self.reads[key]
            assert self.backend.asked[key] <= most, "asked too often"

    async def reader(self) -> None:
        for _ in range(7):
            await asyncio.sleep(self.rng.choice((0, 0, 0, 0.5)))
            await self.hurried(self.read(self.rng.choice(KEYS)))

    async def writer(self) -> None:
        for _ in range(4):
            await asyncio.sleep(self.rng.choice((0, 0, 0.5, 1.0)))
            await self.hurried(self.write(self.rng.choice(KEYS)))

    async def hurried(self, work: Coroutine[Any, Any, None]) -> None:
        kind = self.rng.random()
        with suppress(StorageError):
            if kind < 0.2:
                task = self.store.bound.runtime.spawn(work, "cut")
                await asyncio.sleep(self.rng.choice((0, 0, 0.5, 1.0)))
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            elif kind < 0.4:
                seconds = self.rng.choice((0.2, 0.7, 1.5))
                loop = asyncio.get_running_loop()
                ends = loop.time() + seconds
                async with call(deadline=seconds):
                    try:
                        await work
                    finally:
                        assert loop.time() <= ends + 1e-6, "late"
            else:
                await work

    async def read(self, key: str) -> None:
        self.reads[key] += 1
        floor = self.backend.floor[key]
        told = await self.store.get(key, fresh=self.rng.random() < 0.3)
        name, _, number = (told or b"").decode().partition("=")
        assert name == key, "another's answer"
        assert int(number) >= floor, "stale"

    async def write(self, key: str) -> None:
        number = next(self.numbers)
        self.wanted[key].append(number)
        await self.store.set(key, str(number).encode())
        self.backend.floor[key] = max(self.backend.floor[key], number)


def races(*, cached: bool) -> Callable[[], Coroutine[Any, Any, None]]:
    seeds = count()
    return lambda: Race(next(seeds), cached=cached).run()


@pytest.mark.slow
@pytest.mark.parametrize("cached", [False, True], ids=["alone", "under a cache"])
def test_no_schedule_mixes_up_answers_or_writes(cached: bool) -> None:  # a parameter
    explore(races(cached=cached), schedules=600)


class NoTurns:
    """Lets everybody write at any time."""

    _lines: ClassVar[dict[str, str]] = {}

    def take(self, _: object) -> bool:
        return True

    def give(self, _: object) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    ("where", "name", "broken", "seen"),
    [
        (sender, "Turns", NoTurns, "two writes of one key"),
        (sender.Sender, "_watch", lambda *_: None, "late"),
        (core.Groups, "_tidy", lambda *_: None, "is_empty"),
        (handlers, "answer", lambda _: b"a=999", "another's answer"),
    ],
    ids=["no turns", "no watch", "groups stay", "errors hidden"],
)
def test_what_is_broken_is_seen(
    where: Any, name: str, broken: Any, seen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(where, name, broken)
    with pytest.raises((AssertionError, KeyError)) as caught:
        explore(races(cached=False), schedules=600)
    assert seen in repr(caught.value)


@pytest.mark.parametrize("wait", [0.0, 0.4])
def test_it_may_be_cancelled_anywhere(wait: float) -> None:
    stores: list[Any] = []

    async def scenario() -> None:
        store = Stack(Batch(wait=wait, max_items=3)).over(Bulk(0.5))
        stores[:] = [store]
        async with store:
            async with call(deadline=3.0):
                await asyncio.gather(*map(store.get, "abcde"))
            await asyncio.gather(
                *(store.set(key, value) for key in "aab" for value in (b"1", b"2")), store.get("a")
            )
            others = [asyncio.ensure_future(store.get(key)) for key in "xy"]
            try:
                await asyncio.sleep(0)
                assert await store.get("z") == b"z"
                await asyncio.gather(*others)
            finally:
                for other in others:
                    other.cancel()

    assert sweep(scenario, after=lambda: _check_empty(stores)).points >= 5


def _check_empty(stores: list[Any]) -> None:
    assert all(map(is_empty, stores)), "something was left behind"
