"""Batches on a backend that has none: singles, so many at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast

from lamina.context import current
from lamina.errors import Closed, StorageError
from lamina.values import Done, Failed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lamina.operation import BatchOperation, Handler, Operation
    from lamina.runtime import Runtime
    from lamina.values import Outcome

AT_ONCE: Final = 16


def emulate(single: Handler[Any, Any], runtime: Runtime) -> Handler[Any, Any]:
    """Return a handler of batches that sends each item to *single*, 16 at once."""

    async def answer(op: BatchOperation[Any]) -> tuple[Outcome[Any], ...]:
        return await ask_each(op.singles(), single, runtime, f"batch {type(op).__name__}")

    return answer


async def ask_each(
    singles: Sequence[Operation[Any]], single: Handler[Any, Any], runtime: Runtime, name: str
) -> tuple[Outcome[Any], ...]:
    """Return what *single* answers to each, 16 at once, in tasks of that *name*.

    Raises:
        Closed: The store was closed meanwhile.
    """
    outcomes: list[Outcome[Any] | None] = [None] * len(singles)
    waiting = iter(enumerate(singles))
    workers = [
        runtime.spawn(_work(waiting, single, outcomes), name, call=current.get())
        for _ in range(min(AT_ONCE, len(singles)))
    ]
    try:
        for worker in workers:
            await asyncio.wait((worker,))
            if worker.cancelled():  # not the caller, who must not see a cancellation
                msg = "the store was closed before the batch was answered"
                raise Closed(msg)
            worker.result()
    finally:
        for worker in workers:
            worker.cancel()
        if workers:
            await asyncio.wait(workers)
    return tuple(cast("list[Outcome[Any]]", outcomes))


async def _work(
    waiting: Iterator[tuple[int, Operation[Any]]],
    single: Handler[Any, Any],
    outcomes: list[Outcome[Any] | None],
) -> None:
    for place, op in waiting:
        try:
            outcomes[place] = Done(await single(op))
        except StorageError as error:
            outcomes[place] = Failed(error)
