"""Go on with a coroutine that was started by hand."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator

R = TypeVar("R")


def _resumed(started: Coroutine[Any, Any, R], waits_for: Any) -> Generator[Any, Any, R]:
    while True:
        try:
            yield waits_for
        except GeneratorExit:
            started.close()
            raise
        except BaseException as thrown:  # passed inwards, as await would
            try:
                waits_for = started.throw(thrown)
            except StopIteration as answered:
                return cast("R", answered.value)
        else:
            return (yield from cast("Generator[Any, Any, R]", started))


resumed = cast(
    "Callable[[Coroutine[Any, Any, Any], Any], Awaitable[Any]]", types.coroutine(_resumed)
)
"""Await the rest of *started*, whose first ``send`` gave *waits_for*."""
