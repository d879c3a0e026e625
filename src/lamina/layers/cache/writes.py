"""Writes through the cache: what they change is forgotten, whatever became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.errors import Conflict, StorageError
from lamina.once import Asking
from lamina.values import Failed

if TYPE_CHECKING:
    from lamina.layers.cache.core import Core
    from lamina.layers.cache.second import Second
    from lamina.operation import Handler
    from lamina.runtime import Runtime


def writer(
    core: Core,
    inner: Handler[Any, Any],
    runtime: Runtime,
    second: Second | None,
    *,
    batch: bool,
) -> Handler[Any, Any]:
    """Return the handler of one type of write, single or batch; *second* is told of it too."""

    async def write(op: Any) -> Any:
        tags: tuple[str, ...] = op.tags()
        if second is not None:
            await second.before(tags)
        sure: bool | None = None  # cancelled: it may still arrive
        with Asking() as call:
            try:
                answer = await inner(op)
                sure = not (call.doubtful or (batch and any(map(_unclear, answer))))
                return answer
            except StorageError as error:
                sure = is_over(error) and not call.doubtful
                raise
            finally:
                core.wrote(tags, runtime.now(), sure=bool(sure))
                if second is not None:
                    if sure is None:  # nobody waits any more
                        second.owe(tags=tags)
                    else:
                        await second.after(tags, sure=sure)

    return write


def is_over(error: StorageError) -> bool:
    """Tell whether an attempt to write that failed so will surely not be carried out later."""
    return error.sent == "no" or isinstance(error, Conflict)


def _unclear(outcome: object) -> bool:
    return isinstance(outcome, Failed) and not is_over(outcome.error)
