"""Hypothesis looks for a sequence of steps on which a store and its model disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from lamina.testing.clock import run

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

LONGEST: Final = 25
STORY: Final = 8
"""Fewer steps rarely write, change and read one thing."""


def check_sequences(
    play: Callable[[Sequence[Any]], Coroutine[Any, Any, None]],
    steps: Callable[[Any], Any],
    examples: int,
    *,
    shortest: int = 0,
    timeout_real: float = 60.0,
) -> None:
    """Play so many sequences of *steps*, the same in each run; skip without Hypothesis.

    *steps* is given ``hypothesis.strategies`` and returns the strategy of one step. Each sequence
    has at least *shortest* steps, at most 25, and *timeout_real* seconds of real time.
    """
    pytest.importorskip("hypothesis")
    from hypothesis import HealthCheck, given, settings, strategies

    def check(sequence: list[Any]) -> None:
        run(play(sequence), timeout_real=timeout_real)

    sequences = strategies.lists(steps(strategies), min_size=shortest, max_size=LONGEST)
    chosen = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
    )
    chosen(given(sequences)(check))()
