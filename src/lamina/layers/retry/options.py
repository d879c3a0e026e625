"""Refuse an option that cannot work, by its name and range."""

from __future__ import annotations

import math
from typing import Any

from lamina.errors import StackError
from lamina.layers.retry.core import COST


def check(layer: Any) -> None:
    """Refuse an option of a ``Retry`` out of range, of the wrong kind, or against another.

    Raises:
        StackError: Names the option, its range and what was given.
    """
    _check("attempts", layer.attempts, least=1, whole=True)
    for name in ("base", "cap", "throttled_base"):
        _check(name, getattr(layer, name))
    if layer.budget is not None:
        _check("budget", layer.budget, least=COST, whole=True)
    for name in ("base", "throttled_base"):
        if getattr(layer, name) > layer.cap:
            given = f"{getattr(layer, name)!r} and {layer.cap!r}"
            msg = f"Retry: {name} must be at most cap, got {given}"
            raise StackError(msg)
    if not isinstance(layer.patient, bool):
        msg = f"Retry: patient must be True or False, got {layer.patient!r}"
        raise StackError(msg)
    if layer.shared is not None and (not isinstance(layer.shared, str) or not layer.shared):
        msg = f"Retry: shared must be a name or None, got {layer.shared!r}"
        raise StackError(msg)


def _check(name: str, value: object, *, least: int = 0, whole: bool = False) -> None:
    kinds = int if whole else int | float
    if (
        isinstance(value, kinds)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and value >= least
    ):
        return
    kind = "a whole number" if whole else "a finite number"
    msg = f"Retry: {name} must be {kind} from {least}, got {value!r}"
    raise StackError(msg)
