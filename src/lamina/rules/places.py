"""Where layers stand, and what their options say, known by slot and name only."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from lamina.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from lamina.layer import Layer


def of_slot(layers: Sequence[Layer], slot: str) -> list[Layer]:
    """Return the layers of one slot, outermost first."""
    return [layer for layer in layers if layer.slot == slot]


def enclosing(
    layers: Sequence[Layer], outside: Container[str], inside: str
) -> Iterator[tuple[Layer, Layer]]:
    """Give each layer of the slots *outside* with each of slot *inside* that it encloses."""
    for place, outer in enumerate(layers):
        if outer.slot in outside:
            for inner in of_slot(layers[place + 1 :], inside):
                yield outer, inner


def number(layer: Layer, option: str) -> float | None:
    """Return an option that is a number, None where there is none."""
    value: object = getattr(layer, option, None)
    return None if isinstance(value, bool) or not isinstance(value, int | float) else value


def numbers(layers: Sequence[Layer], slot: str, option: str) -> list[tuple[Layer, float]]:
    """Return the layers of one slot whose *option* is a number, with it."""
    found = [(layer, number(layer, option)) for layer in of_slot(layers, slot)]
    return [(layer, value) for layer, value in found if value is not None]


def windows(layers: Sequence[Layer]) -> list[tuple[Layer, float]]:
    """Return the breakers that judge the calls of some seconds, with these."""
    found = numbers(layers, "breaker", "window")
    return [(layer, seconds) for layer, seconds in found if number(layer, "last") is None]


def written(several: object) -> tuple[object, ...]:
    """Return what an option lists; nothing if it is None."""
    return () if several is None else tuple(cast("Iterable[object]", several))


def slots_of(store: object) -> tuple[str, ...]:
    """Return the slots of the layers of another store, none if it is not one of ours."""
    plan: object = getattr(getattr(store, "bound", None), "plan", None)
    planned = plan() if callable(plan) else None
    return tuple(layer.slot for layer in planned.layers) if isinstance(planned, Plan) else ()
