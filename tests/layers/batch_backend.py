"""A key-value backend that keeps what it was sent, and when; it answers as a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from lamina.backend import serves
from lamina.domains.keyvalue import Get, GetMany, KeyValueBackend, Set, SetMany
from lamina.layers.batch import Batch, BatchStatus
from lamina.values import Done


class Bulk(KeyValueBackend):
    """Takes *delay* seconds for each operation; *script* may raise, or give another answer."""

    name = "bulk"

    def __init__(self, delay: float = 1.0) -> None:
        self.delay = delay
        self.values: dict[tuple[str, str], bytes] = {}
        self.calls: list[Any] = []
        self.ended: list[Any] = []
        self.script: Callable[[Any], Any] = lambda _: None

    def sent(self) -> list[str]:
        """Return what was sent, in short: ``a`` for a read, ``a=1`` for a write."""
        return [shown(op) for op in self.calls]

    async def pause(self, op: Any) -> Any:
        self.calls.append(op)
        told = self.script(op)
        await asyncio.sleep(self.delay)
        self.ended.append(op)
        return told() if callable(told) else told

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        await self.pause(op)
        return self.values.get((op.scope, op.key), op.key.encode())

    @serves(GetMany)
    async def get_many(self, op: GetMany) -> tuple[Any, ...]:
        told = await self.pause(op)
        if told is not None:
            return told
        return tuple(Done(self.values.get((op.scope, key), key.encode())) for key in op.keys)

    @serves(Set)
    async def set(self, op: Set) -> None:
        await self.pause(op)
        self.values[op.scope, op.key] = op.value

    @serves(SetMany)
    async def set_many(self, op: SetMany) -> tuple[Any, ...]:
        told = await self.pause(op)
        self.values.update({(op.scope, key): value for key, value in op.items})
        return told or tuple(Done(None) for _ in op.items)


class Single(KeyValueBackend):
    """Has no batches of its own."""

    name = "single"

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        return op.key.encode()

    @serves(Set)
    async def set(self, op: Set) -> None:
        del op


def shown(op: Any) -> str:
    if isinstance(op, Get):
        return op.key
    if isinstance(op, GetMany):
        return "+".join(op.keys)
    items = op.items if isinstance(op, SetMany) else [(op.key, op.value)]
    return "+".join(f"{key}={value.decode()}" for key, value in items)


def batch_of(store: Any) -> Batch:
    found = store.bound.layer(Batch)
    assert found is not None
    return found


def status(store: Any) -> BatchStatus:
    return batch_of(store).status()


async def settled() -> None:
    """Wait until those who were answered could have asked for more."""
    for _ in range(6):
        await asyncio.sleep(0)


def is_empty(store: Any) -> bool:
    """Tell whether the layer holds nothing of any call."""
    senders = batch_of(store)._senders.values()
    return not any(
        (one.groups.by_options, one.turns._lines, one._timers, one._tasks) != ({}, {}, {}, {})
        for one in senders
    )
