"""A storage in memory whose operations fail, hang or wait when told to."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Any

from lamina.backends.memory import MemoryDocuments, MemoryKeyValue, MemoryMedia, MemoryVectors
from lamina.embed import LexicalEmbedder
from lamina.errors import Unavailable
from lamina.layer import Layer
from lamina.stack import Stack
from lamina.storage import UnifiedStorage

if TYPE_CHECKING:
    from lamina.errors import StorageError
    from lamina.operation import Handler, Op, R


class Faults(Layer):
    """Fails operations by name, before or after they are carried out."""

    slot = "chaos"

    def __init__(self) -> None:
        self.before: dict[str, StorageError] = {}
        self.after: dict[str, StorageError] = {}
        self.hang: set[str] = set()
        self.delays: dict[str, list[float]] = {}
        self.sent: list[str] = []

    async def around(self, op: Op, inner: Handler[Op, R]) -> R:
        name = type(op).__name__
        self.sent.append(name)
        if name in self.hang:
            await asyncio.get_running_loop().create_future()
        if self.delays.get(name):
            await asyncio.sleep(self.delays[name].pop(0))
        if name in self.before:
            raise copy.copy(self.before[name])
        answer = await inner(op)
        if name in self.after:
            raise copy.copy(self.after[name])
        return answer

    def options(self) -> dict[str, Any]:
        return {}


def down() -> StorageError:
    return Unavailable("down for the test")


def make(faults: Faults | None = None, *layers: Layer, **options: Any) -> UnifiedStorage:
    stack = Stack(*layers, *([faults] if faults else []))
    return UnifiedStorage(
        keyvalue=stack.over(MemoryKeyValue()),
        vectors=stack.over(MemoryVectors(embedder=LexicalEmbedder())),
        documents=stack.over(MemoryDocuments()),
        media=stack.over(MemoryMedia()),
        **options,
    )
