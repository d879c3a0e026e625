"""Layers that are nothing but a slot and options."""

from __future__ import annotations

from typing import Any

from lamina.layer import Layer


class Stub(Layer):
    """Shown as its slot with its options."""

    def __init__(self, **options: Any) -> None:
        self.given = options
        for name, value in options.items():
            setattr(self, name, value)

    def options(self) -> dict[str, Any]:
        return self.given

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={value}" for name, value in self.given.items())
        return f"{type(self).__name__}({told})"


def of(slot: str, **options: Any) -> Layer:
    """Return a layer of *slot*, whose class is called like it."""
    made: Any = type(slot.title(), (Stub,), {"slot": slot})
    layer: Layer = made(**options)
    return layer
