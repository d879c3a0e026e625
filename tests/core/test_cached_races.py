"""No call that begins after an answer was forgotten gives what was made before."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any, final

import pytest

from lamina.caching import LocalCache
from lamina.caching.engine import Engine
from lamina.context import call
from lamina.errors import DeadlineExceeded
from lamina.layers.cache.marks import Marks
from lamina.runtime import Runtime
from lamina.testing.clock import explore

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

NAMES = ("a", "b")


@final
class Race:
    """Callers, cancelled ones too, and one who changes what is true and has it forgotten.

    *floor* is, by name, what was true when it was last forgotten.
    """

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.cache = LocalCache(
            20, max_entries=2, stale_while_revalidate=50, stale_if_error=50, idle=10
        )
        self.truth = dict.fromkeys(NAMES, 0)
        self.floor = dict.fromkeys(NAMES, 0)
        self.runtime = Runtime()
        self.load = self.cache.cached(tags=lambda name: (f"name:{name}",))(self.read)

    async def run(self) -> None:
        works = [self.calls() for _ in range(4)] + [self.changes()]
        tasks = [self.runtime.spawn(work, "racer") for work in works]
        for task in tasks:
            await task
        await asyncio.sleep(5)
        for name in NAMES:
            await self.ask(name)
        await asyncio.sleep(5)  # for what is asked anew behind
        engine = self.cache.home.engine
        assert not any(table.fills for table in engine._core.tables.values())

    async def pause(self) -> None:
        await asyncio.sleep(self.rng.choice((0.0, 0.0, 0.5, 1.0)))

    async def read(self, name: str) -> int:
        await self.pause()
        found = self.truth[name]
        await self.pause()
        if self.rng.random() < 0.1:
            raise ConnectionError
        return found

    async def ask(self, name: str) -> None:
        floor = self.floor[name]
        fresh = self.rng.random() < 0.1
        with suppress(ConnectionError):
            found = await (self.load.cache.fresh(name) if fresh else self.load(name))
            assert found >= floor, f"stale: {found} of {name}, which was at least {floor}"

    async def calls(self) -> None:
        for _ in range(10):
            await asyncio.sleep(self.rng.choice((0.0, 0.5, 1.0, 8.0)))
            name, kind = self.rng.choice(NAMES), self.rng.random()
            with suppress(DeadlineExceeded, asyncio.CancelledError):
                if kind < 0.2:
                    async with call(deadline=0.7):
                        await self.ask(name)
                elif kind < 0.4:
                    task = self.runtime.spawn(self.ask(name), "cut")
                    await asyncio.sleep(self.rng.choice((0.0, 0.5)))
                    task.cancel()
                    await task
                else:
                    await self.ask(name)

    async def changes(self) -> None:
        for number in range(1, 8):
            await asyncio.sleep(self.rng.choice((0.0, 0.5, 1.0, 5.0)))
            name = self.rng.choice(NAMES)
            self.truth[name] = number
            match self.rng.randrange(4):
                case 0:
                    self.load.cache.invalidate_tag(f"name:{name}")
                case 1:
                    self.load.cache.invalidate_all()
                case 2:
                    self.cache.invalidate_all()
                case _:
                    self.load.cache.invalidate(name)
            self.floor[name] = number


def races() -> Callable[[], Coroutine[Any, Any, None]]:
    seeds = count()
    return lambda: Race(next(seeds)).run()


@pytest.mark.slow
def test_ca7_ca10_no_schedule_gives_what_was_forgotten() -> None:
    explore(races(), schedules=600)


def _expect_stale() -> None:
    with pytest.raises(AssertionError, match="stale"):
        explore(races(), schedules=600)


def test_without_the_fence_of_one_call_stale_answers_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unfenced(self: Engine, kind: Any, identity: Any) -> None:
        entry = self._core.table(kind).entries.get(identity)
        if entry is not None:
            self._core.shelf.drop(entry)

    monkeypatch.setattr(Engine, "forget", unfenced)
    _expect_stale()


def test_without_dropping_one_call_stale_answers_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def undropped(self: Engine, kind: Any, identity: Any) -> None:
        self._core.table(kind).fills.pop(identity, None)

    monkeypatch.setattr(Engine, "forget", undropped)
    _expect_stale()


def test_without_the_ends_of_tags_stale_answers_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Marks, "end", lambda *_, **__: None)
    _expect_stale()
