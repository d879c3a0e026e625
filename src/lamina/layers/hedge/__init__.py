"""Send a slow read again, and take the first answer."""

from lamina.layers.hedge.layer import Hedge
from lamina.layers.hedge.sender import HedgeStatus

__all__ = ["Hedge", "HedgeStatus"]
