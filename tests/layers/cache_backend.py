"""A key-value backend whose answers are slow, fail or arrive late, as a test says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from lamina.backend import serves
from lamina.domains.keyvalue import Get, GetMany, KeyValueBackend, Scan, Set
from lamina.layers.cache import Cache
from lamina.values import Done, Page

if TYPE_CHECKING:
    from collections import deque


def cache_of(store: Any) -> Cache:
    found = store.bound.layer(Cache)
    assert found is not None
    return found


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Slow(KeyValueBackend):
    """Answers after *delay* seconds, or what *script* has next: an error, or a delay."""

    name = "slow"

    def __init__(self, delay: float = 1.0, script: deque[Any] | None = None) -> None:
        self.delay = delay
        self.script = script
        self.values: dict[tuple[str, str], bytes] = {}
        self.calls: list[Any] = []

    async def pause(self, op: Any) -> None:
        self.calls.append(op)
        told = self.script.popleft() if self.script else self.delay
        if isinstance(told, Exception):
            raise told
        await asyncio.sleep(told)

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        found = self.values.get((op.scope, op.key))  # read first, answered later
        await self.pause(op)
        return found

    @serves(GetMany)
    async def get_many(self, op: GetMany) -> tuple[Any, ...]:
        found = tuple(Done(self.values.get((op.scope, key))) for key in op.keys)
        await self.pause(op)
        return found

    @serves(Set)
    async def set(self, op: Set) -> None:
        await self.pause(op)
        self.values[op.scope, op.key] = op.value

    @serves(Scan)
    async def scan(self, op: Scan) -> Page[str]:
        keys = tuple(key for scope, key in self.values if scope == op.scope)
        await self.pause(op)
        return Page(keys)
