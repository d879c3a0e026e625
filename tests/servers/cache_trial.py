"""Readers and writers of a cached store whose way to its server fails, judged by another way."""

from __future__ import annotations

import asyncio
import math
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from cache_numbers import KEYS
from cache_register import Register

from lamina.context import call
from lamina.errors import StorageError
from lamina.layer import Layer
from lamina.layers.batch import Batch
from lamina.layers.breaker import Breaker
from lamina.layers.cache import Cache
from lamina.layers.retry import Retry
from lamina.layers.timeout import Timeout
from lamina.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cache_numbers import Numbers

    from lamina.operation import Handler, Op, Operation, R
    from lamina.testing.faults import FaultProxy

IMPATIENT: Final = KEYS[:2]
"""The keys whose writers often leave before they are told."""
DOUBT: Final = 1.5
"""Seconds; no fault holds up a write for longer than a third of it."""
LIMIT: Final = 0.1
LATE: Final = 0.2
"""Seconds for which a late request is held up: until after its writer's attempt has ended."""


class Attempts(Layer):
    """Notes by key when an attempt at a write was last left without an answer."""

    slot = "chaos"

    def __init__(self) -> None:
        self.left: dict[str, float] = {}

    def wants(self, op: type[Operation[Any]]) -> bool:
        return op.writes

    async def around(self, op: Op, inner: Handler[Op, R]) -> R:
        answered = False
        try:
            answer = await inner(op)
            answered = True
            return answer
        except StorageError as error:
            answered = error.sent == "no"
            raise
        finally:
            if not answered:
                now = asyncio.get_running_loop().time()
                self.left |= {tag.rpartition("\0=")[2]: now for tag in op.tags()}


def layers(attempts: Attempts) -> Stack:
    """Return the stack that is tried; its attempts end before what was held up arrives."""
    return Stack(
        Cache(30.0, doubt=DOUBT),
        Batch(),
        Retry(2, base=0.01, budget=None),
        Breaker(min_calls=10, window=1.0, buckets=4, break_for=0.05, break_cap=0.1, probes=1),
        Timeout(LIMIT),
        attempts,
    )


class Trial:
    """Runs rounds of readers and writers, and remembers what was stale.

    *cached* goes the way that fails, *clean* another. In a round a fault comes and goes; it ends
    when each writer has been told of a write that it began after that.
    """

    def __init__(self, cached: Numbers, clean: Numbers, attempts: Attempts) -> None:
        self.cached = cached
        self.clean = clean
        self.attempts = attempts
        self.rng = random.Random(0)
        self.registers = {key: Register() for key in KEYS}
        self.stale: list[str] = []
        self.reads = self.failed = self.doubtful = 0
        self.healed = True

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def pace(self, *seconds: float) -> None:
        """Let the others go on for a moment, drawn from *seconds*."""
        await asyncio.sleep(self.rng.choice(seconds or (0, 0, 0.001, 0.004)))

    async def until(self, true: Callable[[], bool], *, within: float = 15.0) -> bool:
        """Let the others go on until it is *true*; tell whether it is."""
        ends = self.now() + within
        while not true() and self.now() < ends:
            await self.pace()
        return true()

    async def held_up(self) -> None:
        """Let some writes become doubtful, for a third of the doubt at most."""
        before = self.doubtful
        await self.until(lambda: self.doubtful >= before + 6, within=DOUBT / 3)

    def lateness(self) -> float:
        """Draw for how long a request is held up."""
        return self.rng.choice((0, 0, 0, 0, 0, LATE))

    async def rounds(self, *faults: Callable[[], Awaitable[object]]) -> None:
        for fault in faults:
            await self.round(fault)

    async def round(self, fault: Callable[[], Awaitable[object]]) -> None:
        self.healed = False
        async with asyncio.timeout(40), asyncio.TaskGroup() as group:
            watching = [group.create_task(self.reader()) for _ in range(6)]
            watching.append(group.create_task(self.judge()))
            writing = [group.create_task(self.writer(key)) for key in KEYS]
            await self.pace(0.02)
            await fault()
            self.healed = True
            await asyncio.wait(writing)
            for task in watching:
                task.cancel()
        assert not self.stale, f"stale: {self.stale[:5]}"

    async def writer(self, key: str) -> None:
        while True:
            is_last = self.healed
            if await self.write(key) and is_last:
                return
            await self.pace(0, 0.01, 0.1, 0.3)

    async def write(self, key: str) -> bool:
        """Write the next number; tell whether that was told to be done."""
        register = self.registers[key]
        number = register.begin(self.now())
        work = asyncio.ensure_future(self.cached.put(key, number))
        if key in IMPATIENT and self.rng.random() < 0.3 and not self.healed:
            await self.pace()
            work.cancel()
        try:
            await asyncio.wait({work})
        finally:
            work.cancel()
        error = asyncio.CancelledError() if work.cancelled() else work.exception()
        if error is None:
            register.told(number, self.now(), self.attempts.left.get(key, -math.inf) + DOUBT)
            return True
        doubtful = not isinstance(error, StorageError) or error.sent != "no"
        self.doubtful += doubtful
        register.leave(number, self.now(), DOUBT if doubtful else 0.0)
        return False

    async def reader(self) -> None:
        while True:
            began, kind, key = self.now(), self.rng.random(), self.rng.choice(KEYS)
            try:
                shown = await self.asked(kind, key)
            except StorageError:
                self.failed += 1
            else:
                self.reads += 1
                self.compare(shown, began)
            await self.pace()

    async def asked(self, kind: float, key: str) -> dict[str, int]:
        if kind < 0.15:
            return await self.cached.all()
        if kind < 0.25:
            return await self.cached.found()
        if kind < 0.35:
            async with call(deadline=self.rng.choice((0.001, 0.01))):
                return {key: await self.cached.get(key)}
        return {key: await self.cached.get(key, fresh=kind > 0.95)}

    def compare(self, shown: dict[str, int], began: float) -> None:
        for key, number in shown.items():
            if self.registers[key].is_stale(number, began):
                self.stale.append(f"{key} was {number} of {len(self.registers[key].writes)}")

    async def judge(self) -> None:
        """Read past the cache: what is seen there, no later read may be older than."""
        while True:
            for key in KEYS:
                with suppress(StorageError):
                    self.registers[key].seen(await self.clean.get(key), self.now())
            await self.pace()

    async def left_and_late(self, proxy: FaultProxy) -> None:
        """Leave a write that the network holds up; read meanwhile, and once it has landed."""
        key = KEYS[0]
        assert await self.write(key)
        proxy.delay(up=LATE)
        before = proxy.requests
        work = asyncio.ensure_future(self.cached.put(key, 2))
        assert await self.until(lambda: proxy.requests > before)
        work.cancel()
        await asyncio.wait({work})
        proxy.delay()
        async with asyncio.timeout(15):
            while await self.clean.get(key) == 1:
                assert await self.cached.get(key) in {1, 2}
        told = await self.cached.get(key)
        assert told == 2, f"stale: {told}"

    async def repeated_and_late(self, proxy: FaultProxy) -> None:
        """Let a write be repeated, and another follow, before its first attempt arrives."""
        key, delays = KEYS[0], iter((4 * LATE,))
        assert await self.write(key)
        proxy.delay(up=lambda: next(delays, 0.0))
        ends = self.now() + 5 * LATE
        for number in (2, 3):
            await self.cached.put(key, number)
        while self.now() < ends:
            assert await self.cached.get(key) in {2, 3}
            await self.pace()
        there, told = await self.clean.get(key), await self.cached.get(key)
        assert told == there, f"stale: {told}, not {there}"

    async def settle(self, store: Any) -> None:
        """Wait out all doubt; then what the cache keeps is what is there, and it is used."""
        ends = max(register.doubtful_until() for register in self.registers.values())
        assert await self.until(lambda: self.now() > ends)
        for key in KEYS:
            there = await self.clean.get(key)
            told = [await self.cached.get(key), await self.cached.get(key)]
            assert told == [there, there], f"stale: {key} is {there}, shown as {told}"
        assert self.doubtful

        async def calm() -> None:
            assert await self.until(lambda: hits(store) > 100)

        await self.round(calm)


def hits(store: Any) -> int:
    cache = store.bound.layer(Cache)
    assert isinstance(cache, Cache)
    return cache.stats().hits
