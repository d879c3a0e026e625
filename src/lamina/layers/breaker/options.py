"""Refuse an option that cannot work, by its name and range."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from lamina.errors import StackError
from lamina.layers.breaker.states import Settings
from lamina.options import (
    check_flag,
    check_hook,
    check_name,
    check_number,
    check_order,
    check_whole,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

WINDOW: Final = 30.0
"""Seconds of the window (Polly's sampling duration)."""
BUCKETS: Final = 10
"""Parts of the window (Polly's)."""
BREAK: Final = 5.0
"""Seconds of a first break (Polly's)."""

_EVENTS: Final = ("before_call", "success", "failure", "state_change")


def settings_of(layer: object) -> Settings:
    """Return the settings of a ``Breaker`` from its options.

    Raises:
        StackError: One is out of range, of the wrong kind, or contradicts another; it is named
            with its range and what was given.
    """
    for name in ("failure_rate", "slow_rate"):
        check_number(layer, name, above=0, most=1)
    for name in ("window", "break_cap"):
        check_number(layer, name, above=0)
    for name in ("slow", "lease"):
        check_number(layer, name, above=0, optional=True)
    for name in ("buckets", "min_calls", "probes", "probes_at_once"):
        check_whole(layer, name, least=1)
    check_number(layer, "jitter", least=0, most=1)
    check_order(layer, "probes_at_once", "probes")
    check_hook(layer, "classify")
    check_flag(layer, "count_throttled")
    check_hook(layer, "on_change")
    check_name(layer, "shared")
    given = {field.name: getattr(layer, field.name) for field in fields(Settings)}
    if callable(given["break_for"]):
        check_hook(layer, "break_for")
        given["break_for"] = min(BREAK, given["break_cap"])
    else:
        check_number(layer, "break_for", above=0)
        check_order(layer, "break_for", "break_cap")
    if given["lease"] is None:
        given["lease"] = given["break_for"]
    _check_last(layer, given)
    return Settings(**given)


def _check_last(layer: object, given: dict[str, Any]) -> None:
    check_whole(layer, "last", least=1, optional=True)
    last = given["last"]
    if last is None:
        return
    if (given["window"], given["buckets"]) != (WINDOW, BUCKETS):
        msg = f"Breaker: of last and window or buckets only one may be given, got last={last}"
        raise StackError(msg)
    given["min_calls"] = min(given["min_calls"], last)


def check_listeners(listeners: Iterable[Any]) -> tuple[Any, ...]:
    """Return the listeners as a tuple.

    Raises:
        StackError: One lacks a method of ``aiobreaker.CircuitBreakerListener``, or it is async.
    """
    try:
        found = tuple(listeners)
    except TypeError as error:
        msg = f"Breaker: listeners must be several, got {shown(listeners)}"
        raise StackError(msg) from error
    for listener in found:
        for event in _EVENTS:
            method = getattr(listener, event, None)
            if isinstance(listener, type) or not callable(method):
                needed = ", ".join(_EVENTS)
                msg = f"Breaker: each of listeners must have {needed}, got {shown(listener)}"
                raise StackError(msg)
            if inspect.iscoroutinefunction(method):
                msg = f"Breaker: each of listeners is called, not awaited: {event} is async"
                raise StackError(msg)
    return found
