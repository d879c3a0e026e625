"""A backend that is late, a shared store that is worse, and a cache that is nothing but its L2."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast, final

from lamina.backend import serves
from lamina.context import Call, current
from lamina.domains.keyvalue import Get, GetMany, KeyValueBackend, Scan, Set, SetMany
from lamina.errors import Conflict, TimedOut, Unavailable
from lamina.layer import Layer
from lamina.layers.cache.bounds import Bounds
from lamina.layers.cache.core import Core
from lamina.layers.cache.second import Second
from lamina.layers.cache.writes import writer
from lamina.operation import BatchOperation
from lamina.values import Done, Failed, Page

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

    from lamina.layer import Bytes
    from lamina.operation import Handler, Op, Operation, R
    from lamina.site import Site

DOUBT = 5.0
TIER: dict[str, Any] = {"ttl": 100.0, "doubt": DOUBT, "domain": "keyvalue"}


@final
class Tier(Layer):
    """Every read asks the second tier, then below; nothing is kept in the process."""

    slot = "cache"

    def __init__(self, l2: Bytes, **options: Any) -> None:
        self.l2 = l2
        self.told = TIER | options
        self.second: Any = None

    def options(self) -> dict[str, Any]:
        return {"l2": self.l2}

    def setup(self, site: Site) -> None:
        told = {"namespace": "x", **self.told}
        self.second = Second(self.l2, runtime=site.runtime, **told)

    def bind(self, op: type[Op], inner: Handler[Op, R], site: Site) -> Handler[Op, R]:
        batch, kind = issubclass(op, BatchOperation), cast("Any", op)
        if kind.writes:
            first = Core(Bounds(1.0, 1, 1, 0.0, 0.0, None), lambda: 0.0)  # holds nothing
            made = writer(first, inner, site.runtime, self.second, batch=batch)
            return cast("Handler[Op, R]", made)
        if not hasattr(op, "fresh"):
            return inner
        return cast("Handler[Op, R]", self._several(inner) if batch else self._single(inner))

    def _single(self, inner: Handler[Any, Any]) -> Handler[Any, Any]:
        async def below(op: Operation[Any]) -> tuple[Any, None]:
            return await inner(op), None

        async def read(op: Operation[Any]) -> Any:
            before = current.get()
            told = Call(deadline=None if before is None else before.deadline)
            current.set(told)
            try:
                return (await self.second.ask(op, below, told.is_fresh))[0]
            finally:
                current.set(before)

        return read

    def _several(self, inner: Handler[Any, Any]) -> Handler[Any, Any]:
        async def read(op: Any) -> Any:
            async def below(singles: tuple[Any, ...]) -> list[tuple[Any, None] | Failed]:
                told = await inner(op.gather(singles))
                return [one if isinstance(one, Failed) else (one.value, None) for one in told]

            told = await self.second.ask_many(op.singles(), below, always)
            return tuple(one if isinstance(one, Failed) else Done(one[0]) for one in told)

        return read

    async def close(self) -> None:
        await self.second.close()


def second_of(store: Any) -> Second:
    found: Second = store.bound.layer(Tier).second
    return found


@final
class Shared:
    """A store of bytes that several processes share; each call may take a while, or fail.

    Keys are read one after the other. *faults* is the part of the calls that fail before or after
    they were carried out, hang, or arrive late; *down* makes every call fail at once.
    """

    def __init__(self, rng: random.Random, *, delay: float = 0.0, faults: float = 0.0) -> None:
        self.rng = rng
        self.delay = delay
        self.faults = faults
        self.down = False
        self.calls = 0
        self.held: dict[str, tuple[bytes, float, float]] = {}  # value, written, expires

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def look(self, key: str) -> bytes | None:
        found = self.held.get(key)
        return None if found is None or found[2] <= self.now else found[0]

    def write(self, items: Mapping[str, bytes], ttl: float | None) -> None:
        expires = float("inf") if ttl is None else self.now + ttl
        self.held |= {key: (value, self.now, expires) for key, value in items.items()}

    def lose(self, age: float) -> None:
        """Lose a few keys that were written longer ago than *age*."""
        old = [key for key, (_, written, _) in self.held.items() if written < self.now - age]
        for key in self.rng.sample(old, min(len(old), 2)):
            del self.held[key]

    async def pause(self) -> None:
        if self.delay:
            await asyncio.sleep(self.rng.choice((0, self.delay)))

    async def begin(self) -> bool:
        """Begin a call; tell whether it will fail once it was carried out."""
        self.calls += 1
        if self.down:
            msg = "down"
            raise Unavailable(msg)
        await self.pause()
        kind = self.rng.random()
        if kind < self.faults / 3:
            msg = "not carried out"
            raise Unavailable(msg)
        if kind < self.faults * 2 / 3:
            await asyncio.get_running_loop().create_future()
        return kind < self.faults

    async def end(self, *, fails: bool) -> None:
        await self.pause()
        if fails:
            msg = "carried out"
            raise Unavailable(msg)

    async def get_many(
        self, keys: Sequence[str], /, *, fresh: bool = False
    ) -> tuple[bytes | None, ...]:
        assert fresh
        fails = await self.begin()
        found: list[bytes | None] = []
        for key in keys:
            found.append(self.look(key))
            await self.pause()
        await self.end(fails=fails)
        return tuple(found)

    async def set_many(self, items: Mapping[str, bytes], /, *, ttl: float | None = None) -> None:
        try:
            fails = await self.begin()
        except asyncio.CancelledError:
            if self.rng.random() < 0.5:  # it was on its way
                asyncio.get_running_loop().call_later(0.3, self.write, items, ttl)
            raise
        self.write(items, ttl)
        await self.end(fails=fails)

    async def compare_and_set(
        self, key: str, expect: bytes | None, value: bytes, /, *, ttl: float | None = None
    ) -> None:
        fails = await self.begin()
        if self.look(key) != expect:
            raise Conflict
        self.write({key: value}, ttl)
        await self.end(fails=fails)


@final
class Late(KeyValueBackend):
    """Reads and writes at a random moment of each call; an abandoned write may land later.

    *floors* tell, of each key and writer, the oldest write that a read which begins now may show:
    the last that was carried out of those whose writer has been told, or has left.
    *slow* is the part of the calls that take longer than any hold.
    """

    name = "late"

    def __init__(self, rng: random.Random, keys: Sequence[str], slow: float) -> None:
        self.rng = rng
        self.keys = keys
        self.slow = slow
        self.values: dict[str, bytes] = {}
        self.order: dict[bytes | None, int] = {None: 0}
        self.floors: dict[tuple[str, str], int] = {}
        self.over: set[bytes] = set()

    async def pause(self) -> None:
        if self.rng.random() < 0.5:
            await asyncio.sleep(self.rng.choice((0, 0.01, 0.5, 1.0)))

    async def linger(self) -> None:
        if self.rng.random() < self.slow:
            await asyncio.sleep(1.6 * DOUBT)

    def apply(self, op: Set) -> None:
        self.values[op.key] = op.value
        self.order[op.value] = len(self.order)
        if op.value in self.over:
            self.end(op.key, op.value)

    def end(self, key: str, value: bytes) -> None:
        """Note that the writer of *value* knows how that ended, or does not care any more."""
        self.over.add(value)
        place = key, value.decode().partition(":")[0]
        self.floors[place] = max(self.floors.get(place, 0), self.order.get(value, 0))

    @serves(Set)
    async def set(self, op: Set) -> None:
        applied = False
        try:
            await self.pause()
            await self.linger()
            if self.rng.random() < 0.25:
                raise TimedOut
            self.apply(op)
            applied = True
            await self.pause()
            if self.rng.random() < 0.1:
                raise TimedOut
        except (TimedOut, asyncio.CancelledError):
            if not applied and self.rng.random() < 0.8:
                after = self.rng.choice((0.0, 2.0, 4.0, 4.8))
                asyncio.get_running_loop().call_later(after, self.apply, op)
            raise

    @serves(SetMany)
    async def set_many(self, op: SetMany) -> tuple[Done[None] | Failed, ...]:
        outcomes: list[Done[None] | Failed] = []
        for single in op.singles():
            try:
                await self.set(single)
            except TimedOut as error:
                outcomes.append(Failed(error))
            else:
                outcomes.append(Done(None))
        return tuple(outcomes)

    async def read(self, key: str) -> bytes | None:
        await self.pause()
        found = self.values.get(key)
        await self.linger()
        await self.pause()
        return found

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        return await self.read(op.key)

    @serves(GetMany)
    async def get_many(self, op: GetMany) -> tuple[Done[bytes | None], ...]:
        return tuple([Done(await self.read(key)) for key in op.keys])

    @serves(Scan)
    async def scan(self, op: Scan) -> Page[str]:
        del op
        return Page(tuple([(await self.read(key) or b"").decode() for key in self.keys]))


def always(place: int) -> bool:
    del place
    return True
