"""The handler that counts and times, around another."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from lamina.layers.metrics.series import BOUNDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.layers.metrics.series import Series
    from lamina.operation import Handler, Op, R
    from lamina.runtime import Runtime


def measured(
    series: Series,
    inner: Handler[Op, R],
    runtime: Runtime,
    tell: Callable[[float, BaseException | None], None] | None = None,
) -> Handler[Op, R]:
    """Return a handler that counts in *series*, and tells *tell* if there is one."""
    counts = series.counts

    async def handler(op: Op) -> R:
        began = runtime.now()
        try:
            answer = await inner(op)
        except BaseException as error:  # counted and passed on
            series.fail(error)
            if tell is not None:
                tell(runtime.now() - began, error)
            raise
        took = runtime.now() - began
        counts[bisect_left(BOUNDS, took)] += 1
        series.seconds += took
        if tell is not None:
            tell(took, None)
        return answer

    return handler
