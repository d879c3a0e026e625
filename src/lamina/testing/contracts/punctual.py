"""Tests that hold for a moment: tried again if the machine itself took longer than that."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from time import monotonic
from typing import Any, Final, ParamSpec, TypeAlias

import pytest

P = ParamSpec("P")
Test: TypeAlias = Callable[P, Coroutine[Any, Any, None]]
_TRIES: Final = 6
_FAILED: Final = (AssertionError, pytest.fail.Exception)


def punctual(seconds: float) -> Callable[[Test[P]], Test[P]]:
    """Let a test that fails count only if it took at most *seconds* of real time.

    A server's clock goes on while the test waits for a processor: what it then finds is neither
    right nor wrong. It is tried again with a store of its own; the last try counts in any case.
    """

    def decorate(test: Test[P]) -> Test[P]:
        @wraps(test)
        async def tried(*args: P.args, **kwargs: P.kwargs) -> None:
            for left in reversed(range(_TRIES)):
                began = monotonic()
                try:
                    return await test(*args, **kwargs)
                except _FAILED:
                    if not left or monotonic() - began <= seconds:
                        raise
            return None

        return tried

    return decorate
