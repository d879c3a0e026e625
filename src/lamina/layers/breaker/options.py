"""Refuse an option that cannot work, by its name and range."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from lamina.errors import StackError
from lamina.layers.breaker.core import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

_EVENTS: Final = ("before_call", "success", "failure", "state_change")


def settings_of(layer: object) -> Settings:
    """Return the settings of a ``Breaker`` from its options.

    Raises:
        StackError: One is out of range, of the wrong kind, or contradicts another; it is named
            with its range and what was given.
    """
    given = {field.name: getattr(layer, field.name) for field in fields(Settings)}
    if given["lease"] is None:
        given["lease"] = given["break_for"]
    for name in ("failure_rate", "slow_rate"):
        _check(name, given[name], most=1.0)
    for name in ("window", "break_for", "break_cap", "lease"):
        _check(name, given[name])
    for name in ("buckets", "min_calls", "probes", "probes_at_once"):
        _check(name, given[name], whole=True)
    if given["slow"] is not None:
        _check("slow", given["slow"])
    _check("jitter", given["jitter"], most=1.0, zero=True)
    for name, other in (("break_for", "break_cap"), ("probes_at_once", "probes")):
        if given[name] > given[other]:
            msg = (
                f"Breaker: {name} must be at most {other}, got {given[name]!r} and {given[other]!r}"
            )
            raise StackError(msg)
    return Settings(**given)


def check_name(shared: object) -> str | None:
    """Return *shared*, if it is None or a name.

    Raises:
        StackError: It is something else.
    """
    if shared is None or (isinstance(shared, str) and shared):
        return shared
    msg = f"Breaker: shared must be a name or None, got {shared!r}"
    raise StackError(msg)


def check_listeners(listeners: Iterable[Any]) -> tuple[Any, ...]:
    """Return the listeners as a tuple.

    Raises:
        StackError: One lacks a method of ``aiobreaker.CircuitBreakerListener``.
    """
    try:
        found = tuple(listeners)
    except TypeError as error:
        msg = f"Breaker: listeners must be several, got {listeners!r}"
        raise StackError(msg) from error
    for listener in found:
        for event in _EVENTS:
            if isinstance(listener, type) or not callable(getattr(listener, event, None)):
                msg = f"Breaker: each of listeners must have {', '.join(_EVENTS)}, got {listener!r}"
                raise StackError(msg)
    return found


def _check(
    name: str, value: object, *, most: float = math.inf, whole: bool = False, zero: bool = False
) -> None:
    kinds = int if whole else int | float
    if isinstance(value, kinds) and not isinstance(value, bool) and math.isfinite(value):
        fits = 0 < value <= most or (zero and value == 0)
        if fits:
            return
    kind = "a whole number from 1" if whole else "a finite number"
    low = "" if whole else " from 0" if zero else " above 0"
    high = "" if math.isinf(most) else f" to {most:g}"
    msg = f"Breaker: {name} must be {kind}{low}{high}, got {value!r}"
    raise StackError(msg)
