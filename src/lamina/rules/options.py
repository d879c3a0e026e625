"""Options of layers that contradict each other: what is wrong about them, or None."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.rules.places import number, numbers, of_slot, windows, written

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lamina.layer import Layer
    from lamina.operation import Operation


def timeout_past_deadline(layers: Sequence[Layer]) -> str | None:
    """E02: attempts that outlast the call."""
    for timeout, seconds in numbers(layers, "timeout", "seconds"):
        for deadline, budget in numbers(layers, "deadline", "seconds"):
            if seconds >= budget:
                return (
                    f"{timeout!r} ends no attempt before {deadline!r} ends the call, so that "
                    "nothing is repeated and a hang is never counted; make Timeout shorter"
                )
    return None


def window_too_short(layers: Sequence[Layer]) -> str | None:
    """E03: hangs told too late to count."""
    for breaker, window in windows(layers):
        for timeout, seconds in numbers(layers, "timeout", "seconds"):
            if window < 2 * seconds:
                return (
                    f"{breaker!r} forgets within window={window:g} s what {timeout!r} takes up "
                    f"to {seconds:g} s to tell; make window at least {2 * seconds:g}, or Timeout "
                    "shorter"
                )
    return None


def hedges_past_deadline(layers: Sequence[Layer]) -> str | None:
    """E04: hedges that are never sent."""
    for hedge, delay in numbers(layers, "hedge", "delay"):
        last = delay * (number(hedge, "hedges") or 1)
        for deadline, budget in numbers(layers, "deadline", "seconds"):
            if last > budget:
                return (
                    f"{hedge!r} would send its last hedge after {last:g} s, when {deadline!r} has "
                    "ended the call; make delay or hedges smaller"
                )
    return None


def hedged_writes(
    layers: Sequence[Layer], served: Iterable[type[Operation[Any]]] = ()
) -> str | None:
    """E10: writes sent twice; names are judged by the types *served*."""
    known: dict[object, type[Operation[Any]]] = {op.__name__: op for op in served}
    for hedge in of_slot(layers, "hedge"):
        for named in written(getattr(hedge, "ops", None)):
            op = named if isinstance(named, type) else known.get(named)
            if op is not None and getattr(op, "writes", False):
                return (
                    f"{hedge!r} would send {op.__name__} twice, and what the slower one writes may "
                    "come last; hedge reads only, or pass allow={'E10': reason}"
                )
    return None
