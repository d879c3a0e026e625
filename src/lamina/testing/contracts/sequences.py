"""Hypothesis looks for a sequence of steps on which a store and its model disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lamina.testing.clock import run

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence


def check_sequences(
    play: Callable[[Sequence[Any]], Coroutine[Any, Any, None]],
    steps: Callable[[Any], Any],
    examples: int,
    *,
    timeout_real: float = 60.0,
) -> None:
    """Play so many sequences of *steps*, the same in each run; skip without Hypothesis.

    *steps* is given ``hypothesis.strategies`` and returns the strategy of one step. Each sequence
    has *timeout_real* seconds of real time.
    """
    pytest.importorskip("hypothesis")
    from hypothesis import HealthCheck, given, settings, strategies

    def check(sequence: list[Any]) -> None:
        run(play(sequence), timeout_real=timeout_real)

    chosen = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
    )
    chosen(given(strategies.lists(steps(strategies), max_size=25))(check))()
