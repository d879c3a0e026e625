"""The four stores that a unified storage is made of, and work done on several at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from lamina.context import current
from lamina.errors import Closed

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from lamina.domains.documents import Documents
    from lamina.domains.keyvalue import KeyValue
    from lamina.domains.media import Media
    from lamina.domains.store import Facade
    from lamina.domains.vectors import Vectors
    from lamina.runtime import Runtime

T = TypeVar("T")
DOMAINS: Final = ("keyvalue", "vectors", "documents", "media")


class Domains:
    """Four stores, one a domain, which the parts of ``UnifiedStorage`` work on."""

    keyvalue: KeyValue
    vectors: Vectors
    documents: Documents
    media: Media
    index_messages: bool
    _runtime: Runtime

    def stores(self) -> dict[str, Facade]:
        """Return the four stores by domain."""
        return {name: cast("Facade", getattr(self, name)) for name in DOMAINS}


async def together(
    runtime: Runtime, works: Sequence[Coroutine[Any, Any, T]], name: str
) -> list[T | Exception]:
    """Do *works* at once; return each one's answer or error, in order.

    Cancelled, it ends all of them before it ends itself.
    """
    tasks = [runtime.spawn(work, name, call=current.get()) for work in works]
    try:
        await asyncio.wait(tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    return [outcome_of(task) for task in tasks]


def outcome_of(task: asyncio.Task[T]) -> T | Exception:
    """Return the answer or the error of a task that has ended; ``Closed`` if closing ended it."""
    if task.cancelled():  # not the caller, who must not see a cancellation
        return Closed("the storage was closed meanwhile")
    error = task.exception()
    if error is None:
        return task.result()
    if isinstance(error, Exception):
        return error
    raise error
