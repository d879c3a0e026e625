"""Functions of the user's change no outcome."""

from __future__ import annotations

import asyncio
import logging

import pytest

from lamina.hooks import Hook


def test_a_hook_gives_what_its_function_gives() -> None:
    hook = Hook(len, "Layer", "option")

    assert hook(-1, "four") == 4
    assert hook.raised == 0


@pytest.mark.parametrize("error", [RuntimeError, asyncio.CancelledError, StopIteration])
def test_a_hook_that_raises_gives_the_other_value_and_is_counted_and_logged_once(
    error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    def broken(value: str) -> int:
        raise error(value)

    hook = Hook(broken, "Layer", "option")
    with caplog.at_level(logging.WARNING):
        assert [hook(-1, "secret"), hook(-2, "secret")] == [-1, -2]

    assert hook.raised == 2
    logged = [record.getMessage() for record in caplog.records]
    assert logged == [f"Layer.option raised {error.__name__}; it is logged once"]


def test_a_hook_does_not_hide_the_end_of_the_program() -> None:
    def leave() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Hook(leave, "Layer", "option")(None)
