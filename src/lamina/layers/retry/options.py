"""Refuse an option that cannot work, by its name and range."""

from __future__ import annotations

from lamina.budget import COST
from lamina.layers.retry.core import JITTERS
from lamina.options import (
    check_choice,
    check_flag,
    check_hook,
    check_name,
    check_number,
    check_order,
    check_whole,
)


def check(layer: object) -> None:
    """Refuse an option of a ``Retry`` out of range, of the wrong kind, or against another.

    Raises:
        StackError: Names the option, its range and what was given.
    """
    check_whole(layer, "attempts", least=1)
    for name in ("base", "cap", "throttled_base", "needs"):
        check_number(layer, name, least=0)
    check_whole(layer, "budget", least=COST, optional=True)
    check_order(layer, "base", "cap")
    check_order(layer, "throttled_base", "cap")
    check_choice(layer, "jitter", JITTERS)
    check_flag(layer, "patient")
    check_hook(layer, "when")
    check_hook(layer, "on_retry")
    check_name(layer, "shared")
