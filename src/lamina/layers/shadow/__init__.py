"""Shadow: send reads to a second stack too, and compare."""

from lamina.layers.shadow.core import ShadowStatus
from lamina.layers.shadow.layer import Shadow

__all__ = ["Shadow", "ShadowStatus"]
