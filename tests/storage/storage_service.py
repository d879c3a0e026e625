"""A backend that connects to a service which does as its script says."""

from __future__ import annotations

import asyncio
from typing import Any

from lamina.backend import serves
from lamina.backends.memory import MemoryDocuments, MemoryMedia, MemoryVectors
from lamina.domains.keyvalue import Get, KeyValueBackend, Set
from lamina.domains.media import MediaBackend
from lamina.domains.store import Check
from lamina.errors import StorageError, Unavailable
from lamina.stack import Stack
from lamina.storage import Reopening, UnifiedStorage


class Service:
    """A server that backends connect to: each attempt does the next thing of *script*."""

    def __init__(self, *script: StorageError | float | None) -> None:
        self.script = list(script)
        self.opened = 0
        self.closed = 0
        self.attempts: list[float] = []


class Connects(KeyValueBackend):
    name = "connects"
    needs_open = True

    def __init__(self, service: Service) -> None:
        self.service = service

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        return b"answer"

    @serves(Set)
    async def set(self, op: Set) -> None: ...

    @serves(Check)
    async def check(self, op: Check) -> None: ...

    async def open(self) -> None:
        self.service.attempts.append(asyncio.get_running_loop().time())
        step = self.service.script.pop(0) if self.service.script else None
        if isinstance(step, StorageError):
            raise step
        if step:
            await asyncio.sleep(step)
        self.service.opened += 1

    async def close(self) -> None:
        self.service.closed += 1


class ClosingMedia(MediaBackend):
    name = "closing"

    def __init__(self, *, open_error: Exception | None = None) -> None:
        self.closed = 0
        self.open_error = open_error

    async def open(self) -> None:
        if self.open_error:
            raise self.open_error

    async def close(self) -> None:
        self.closed += 1


def storage_over(service: Service, media: Any = None, **options: Any) -> UnifiedStorage:
    patience = options.get("connect_timeout", 10.0)
    reopening = Reopening(lambda: Connects(service), patience=patience)
    plain = Stack()
    return UnifiedStorage(
        keyvalue=Stack(*options.pop("layers", ())).over(reopening),
        vectors=plain.over(MemoryVectors()),
        documents=plain.over(MemoryDocuments()),
        media=plain.over(media or MemoryMedia()),
        reopens={"keyvalue": reopening},
        **options,
    )


def refused() -> Unavailable:
    return Unavailable("connection refused")
