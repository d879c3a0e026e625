"""Refuse an option that cannot work, by its name and range."""

from __future__ import annotations

from typing import Final

from lamina.budget import COST
from lamina.errors import StackError
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

BASE: Final = 0.05
"""Seconds of a first wait at most (AWS SDKs, 2026)."""


def check(layer: object) -> None:
    """Refuse an option of a ``Retry`` out of range, of the wrong kind, or against another.

    Raises:
        StackError: Names the option, its range and what was given.
    """
    check_whole(layer, "attempts", least=1)
    for name in ("cap", "throttled_base", "needs"):
        check_number(layer, name, least=0)
    check_whole(layer, "budget", least=COST, optional=True)
    check_order(layer, "throttled_base", "cap")
    check_choice(layer, "jitter", JITTERS)
    _check_base(layer)
    check_flag(layer, "patient")
    check_hook(layer, "when")
    check_hook(layer, "on_retry")
    check_name(layer, "shared")


def _check_base(layer: object) -> None:
    if not callable(getattr(layer, "base", None)):
        check_number(layer, "base", least=0)
        check_order(layer, "base", "cap")
        return
    check_hook(layer, "base")
    if getattr(layer, "jitter", None) == "decorrelated":
        msg = "Retry: jitter must not be 'decorrelated' where base is a function, got both"
        raise StackError(msg)
