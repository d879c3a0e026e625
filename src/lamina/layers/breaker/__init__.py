"""Stop sending to a backend that fails, and probe until it answers again."""

from lamina.layers.breaker.layer import Breaker

__all__ = ["Breaker"]
