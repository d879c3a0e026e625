"""What several processes share is never older than a finished write, in any of many schedules."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, cast, final

import pytest
from cache_backend import cache_of
from second_backend import DOUBT, TIER, Late, Shared, Tier, second_of

from lamina.context import call
from lamina.errors import BatchFailed, DeadlineExceeded, TimedOut
from lamina.layers.cache import Cache
from lamina.layers.cache.second import answers, second
from lamina.layers.cache.second.debts import Debtor
from lamina.layers.cache.second.far import Far
from lamina.layers.cache.second.ledger import Ledger
from lamina.stack import Stack
from lamina.testing.clock import explore

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from lamina.layer import Layer
    from lamina.layers.cache.second import Second

KEYS = ("a", "b")
TTL = 60.0


@final
@dataclass(frozen=True)
class Weather:
    """How bad it is: the part of the store's calls that fail, the part of the backend's that are
    slow, and how often the store loses everything rather than a few old keys.
    """

    faults: float = 0.0
    slow: float = 0.02
    losses: float = 0.2
    first: bool = False
    """Whether each process has a first tier too: then others' writes are seen some time later."""


FAIR, SLOW = Weather(), Weather(slow=0.2)
LOSING, FAILING = Weather(losses=0.9), Weather(faults=0.15)
WHOLE, WHOLE_FAILING = Weather(first=True), Weather(first=True, faults=0.15)


def layer_of(shared: Shared, weather: Weather) -> Layer:
    if weather.first:
        return Cache(2.0, doubt=DOUBT, negative_ttl=2.0, l2=shared, l2_namespace="x", l2_ttl=TTL)
    return Tier(shared, ttl=TTL)


@final
class Race:
    """Readers and writers in two processes over one backend and one shared store.

    Without faults each process is judged by the writes of both, with them by its own: what it
    could not tell the store it owes, and others may be wrong for *ttl* seconds.
    """

    def __init__(self, seed: int, weather: Weather = FAIR) -> None:
        self.rng = random.Random(seed)
        self.weather = weather
        self.backend = Late(self.rng, KEYS, weather.slow)
        self.shared = Shared(self.rng, delay=0.01)
        self.stores = {
            name: Stack(layer_of(self.shared, weather)).over(self.backend)
            for name in ("one", "two")
        }
        both = () if weather.faults or weather.first else ("one", "two")
        self.judges = {name: both or (name,) for name in self.stores}
        self.numbers = count(1)
        self.stale: list[str] = []

    async def run(self) -> tuple[int, int]:
        for name in self.stores:  # each has seen that the store is in use
            await self.read(name, "a")
            await asyncio.sleep(1.0)
        self.shared.faults = self.weather.faults
        tasks = [
            self.stores[name].bound.runtime.spawn(work(name), f"{work.__name__} {name}")
            for name in self.stores
            for work in (self.reader, self.reader, self.writer)
        ]
        tasks.append(self.stores["one"].bound.runtime.spawn(self.loser(), "loser"))
        for task in tasks:
            await task
        self.shared.faults = 0.0
        await asyncio.sleep(3 * DOUBT)
        for name in ("one", "two", "one", "two"):
            for key in KEYS:
                await self.read(name, key)
                await asyncio.sleep(2.0)
        if self.stale:
            raise AssertionError("stale: " + ", ".join(self.stale))
        stats = [self.second(name).stats() for name in self.stores]
        assert all(one.available and not one.owed for one in stats)
        for store in self.stores.values():
            await store.close()
        return sum(one.hits for one in stats), sum(one.stored for one in stats)

    def second(self, name: str) -> Second:
        store: Any = self.stores[name]
        if not self.weather.first:
            return second_of(store)
        found: Any = vars(cache_of(store))["_second"]
        return cast("Second", found)

    async def reader(self, name: str) -> None:
        for _ in range(22):
            await asyncio.sleep(self.rng.choice((0, 0.02, 0.5, 1.0, 2.0)))
            key, kind = self.rng.choice(KEYS), self.rng.random()
            with suppress(DeadlineExceeded):
                if kind < 0.1:
                    await self.cut(name, self.read(name, key))
                elif kind < 0.2:
                    async with call(deadline=self.rng.choice((0.05, 0.7))):
                        await self.read(name, key)
                elif kind < 0.25:
                    self.second(name).owe(everything=self.rng.random() < 0.3, scope="")
                elif kind < 0.4:
                    await self.read_all(name)
                elif kind < 0.5:
                    await self.search(name)
                else:
                    await self.read(name, key, fresh=kind < 0.6)

    async def writer(self, name: str) -> None:
        for _ in range(7):
            await asyncio.sleep(self.rng.choice((0, 1.0, 4.0, 7.0)))
            value = f"{name}:{next(self.numbers)}".encode()
            key = self.rng.choice(KEYS)
            work: Coroutine[Any, Any, Any] = self.stores[name].set(key, value)
            if self.rng.random() < 0.2:
                work.close()
                work = self.stores[name].set_many({key: value})
            with suppress(TimedOut, BatchFailed):
                await (self.cut(name, work) if self.rng.random() < 0.3 else work)
            self.backend.end(key, value)

    async def loser(self) -> None:
        for _ in range(12):
            await asyncio.sleep(self.rng.choice((0.5, 2.0, 5.0)))
            if self.rng.random() < self.weather.losses:
                self.shared.held.clear()
            else:
                self.shared.lose(2 * DOUBT)
            if self.weather.faults:
                self.shared.down = self.rng.random() < 0.3
        self.shared.down = False

    async def cut(self, name: str, work: Coroutine[Any, Any, Any]) -> None:
        """Cancel *work* at some moment, unless it is faster."""
        task = self.stores[name].bound.runtime.spawn(work, "cut")
        await asyncio.sleep(self.rng.choice((0, 0.01, 0.5, 1.0)))
        task.cancel()
        with suppress(asyncio.CancelledError, TimedOut, DeadlineExceeded):
            await task

    def floor(self, name: str) -> dict[str, int]:
        floors = self.backend.floors
        return {key: max(floors.get((key, who), 0) for who in self.judges[name]) for key in KEYS}

    async def read(self, name: str, key: str, *, fresh: bool = False) -> None:
        floor = self.floor(name)
        self.judge(name, key, await self.stores[name].get(key, fresh=fresh), floor)

    async def read_all(self, name: str) -> None:
        floor = self.floor(name)
        told = await self.stores[name].get_many(KEYS)
        for key, value in zip(KEYS, told, strict=True):
            self.judge(name, key, value, floor)

    async def search(self, name: str) -> None:
        floor = self.floor(name)
        for key, text in zip(KEYS, await self.stores[name].search(""), strict=True):
            self.judge(name, key, text.encode() or None, floor)

    def judge(self, name: str, key: str, value: bytes | None, floor: dict[str, int]) -> None:
        if self.backend.order[value] < floor[key]:
            self.stale.append(f"{name} {key}: {value!r} at {self.shared.now}")


def races(*weathers: Weather) -> Callable[[], Coroutine[Any, Any, object]]:
    seeds = count()

    def race() -> Coroutine[Any, Any, object]:
        seed = next(seeds)
        return Race(seed, weathers[seed % len(weathers)]).run()

    return race


@pytest.mark.slow
def test_ca3_ca10_ca11_ca12_no_schedule_of_two_processes_gives_a_stale_answer() -> None:
    explore(races(FAIR, SLOW, LOSING), schedules=600)


@pytest.mark.slow
def test_ca10_ca11_two_tiers_never_give_a_process_less_than_it_wrote() -> None:
    explore(races(WHOLE, WHOLE_FAILING), schedules=600)


@pytest.mark.slow
def test_ca11_a_process_never_reads_past_its_own_writes_whatever_the_store_does() -> None:
    explore(races(FAILING), schedules=600)


def expect_stale(*weathers: Weather) -> None:
    with pytest.raises(AssertionError, match="stale"):
        explore(races(*weathers), schedules=600)


def test_without_a_hold_before_a_write_stale_answers_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def pretend(self: Debtor, tags: tuple[str, ...]) -> None:
        self.ledger.hold(tags, float("inf"))

    monkeypatch.setattr(Debtor, "hold", pretend)
    expect_stale(FAIR)


@pytest.mark.slow
def test_without_a_hold_after_a_doubtful_write_stale_answers_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def nothing(*_: Any, **__: Any) -> None: ...

    monkeypatch.setattr(Debtor, "hold_on", nothing)
    expect_stale(SLOW)


def test_with_holds_shorter_than_the_doubt_stale_answers_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(TIER, "doubt", 1.0)
    expect_stale(FAIR)


@pytest.mark.slow
def test_with_generations_made_over_a_hold_stale_answers_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def overwrite(self: Far, key: str, value: bytes, ttl: float | None, *_: Any) -> bool:
        return await self.put({key: value}, ttl)

    monkeypatch.setattr(Far, "create", overwrite)
    expect_stale(FAIR)


@pytest.mark.slow
def test_with_generations_made_long_after_they_were_missed_stale_answers_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(second, "SURE", float("inf"))
    expect_stale(SLOW)


@pytest.mark.slow
def test_without_generations_stale_answers_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> bytes:
        return bytes(16)

    monkeypatch.setattr(answers, "digest", none)
    expect_stale(FAIR)


def test_with_debts_that_are_forgotten_stale_answers_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def clear(self: Ledger) -> bool:
        del self
        return True

    monkeypatch.setattr(Ledger, "is_clear", clear)
    expect_stale(FAILING)
