"""Make failures on purpose, to see what becomes of them."""

from lamina.layers.chaos.core import ChaosStatus
from lamina.layers.chaos.layer import Chaos

__all__ = ["Chaos", "ChaosStatus"]
